// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window.hpp>

#include <memory>
#include <optional>

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "contract.hpp"
#include "two_processes.hpp"

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
struct window_world {
    window first = window::open({}).value();
    std::optional<window> second = window::open({}).value();

    window& a() { return first; }
    window& b() { return *second; }
    std::span<std::byte> memory(window& net, std::size_t size) { return net.allocate(size).value(); }
    void kill_b() { second.reset(); }
};
} // namespace

TEST_CASE("window keeps the contract") {
    contract::run([] { return std::make_unique<window_world>(); });
}

TEST_CASE("memory that the window did not allocate is refused") {
    window net = window::open({}).value();
    std::byte foreign[64];
    CHECK(net.register_memory({foreign, sizeof foreign, memory_kind::host}).error() ==
          error{errc::unsupported, origin::fabric});
    const auto own = net.allocate(4096).value();
    CHECK(net.register_memory({own.data(), own.size() + 1, memory_kind::host}).error().code == errc::unsupported);
    CHECK(net.register_memory({own.data() + 1, own.size() - 1, memory_kind::host}));
    CHECK(net.register_memory({own.data(), own.size(), memory_kind::device}).error().code == errc::unsupported);
    CHECK(net.free(own));
    CHECK(net.free(own).error().code == errc::not_found);
}

TEST_CASE("freed memory is gone for writers, and new memory in its place is found") {
    window a = window::open({}).value(), b = window::open({}).value();
    const peer_id to_b = a.connect(b.address()).value();
    const auto source = a.allocate(100).value();
    std::memset(source.data(), 7, 100);
    const region from = a.register_memory({source.data(), 100, memory_kind::host}).value();
    for (int round = 0; round < 3; ++round) {
        const auto target = b.allocate(8192).value();
        const region to = b.register_memory({target.data(), target.size(), memory_kind::host}).value();
        op o;
        REQUIRE(a.write(to_b, {&from, 0, 100}, {to.remote, 50}, o));
        CHECK(target[50] == std::byte{7});
        CHECK(target[149] == std::byte{7});
        CHECK(target[150] == std::byte{});
        completion done;
        REQUIRE(a.poll({&done, 1}) == 1);
        REQUIRE(b.free(target));
        CHECK(a.write(to_b, {&from, 0, 100}, {to.remote, 50}, o).error().code == errc::not_found);
    }
}

TEST_CASE(
    "immediates are shown in order, at the writer's next poll, send or wait, when it leaves, or after much data") {
    window b = window::open({}).value();
    constexpr std::size_t much = 1 << 20;
    const auto target = b.allocate(much).value();
    const region to = b.register_memory({target.data(), much, memory_kind::host}).value();
    enum { poll, send, wait, disconnect, leave, write_much, ways };
    for (int how = 0; how < ways; ++how) {
        CAPTURE(how);
        std::optional<window> a = window::open({}).value();
        const peer_id to_b = a->connect(b.address()).value();
        const auto source = a->allocate(much).value();
        std::memset(source.data(), how + 1, much);
        const region from = a->register_memory({source.data(), much, memory_kind::host}).value();
        op ops[4];
        completion done[4];
        REQUIRE(a->write(to_b, {&from, 0, 4096}, {to.remote, 0}, 1, ops[0]));
        REQUIRE(a->write(to_b, {&from, 0, 4096}, {to.remote, 4096}, 2, ops[1]));
        CHECK(b.poll(done) == 0);
        const std::size_t more = how == send || how == write_much;
        if (how == poll) CHECK(a->poll(done) == 2);
        if (how == send) REQUIRE(a->send(to_b, std::as_bytes(std::span("hi", 2)), ops[2]));
        if (how == wait) CHECK(a->wait({0}));
        if (how == disconnect) a->disconnect(to_b);
        if (how == leave) a.reset();
        if (how == write_much) REQUIRE(a->write(to_b, {&from, 0, much}, {to.remote, 0}, 3, ops[2]));
        REQUIRE(b.poll(done) == 2 + more);
        for (std::uint32_t i = 0; i < 2; ++i) {
            CHECK(done[i].what == completion::kind::immediate);
            CHECK(done[i].immediate == i + 1);
        }
        CHECK(target[8191] == static_cast<std::byte>(how + 1));
    }
}

TEST_CASE("lanes of senders that left are used again") {
    window b = window::open({.peers = 2, .operations = 8, .regions = 1, .ring_bytes = 8192}).value();
    completion got[8];
    for (int round = 0; round < 10; ++round) {
        window a = window::open({}).value();
        const auto to_b = a.connect(b.address());
        REQUIRE(to_b);
        op o;
        REQUIRE(a.send(*to_b, std::as_bytes(std::span("hi", 2)), o));
        REQUIRE(b.poll(got) == 1);
        completion done;
        REQUIRE(a.poll({&done, 1}) == 1);
        a.disconnect(*to_b);
        CHECK(b.poll(got) == 0);
    }
    window one = window::open({}).value(), two = window::open({}).value(), three = window::open({}).value();
    CHECK(one.connect(b.address()));
    CHECK(two.connect(b.address()));
    CHECK(three.connect(b.address()).error().code == errc::exhausted);
}

TEST_CASE("who has no descriptor left loses neither a peer nor a sender") {
    window a = window::open({}).value(), b = window::open({}).value();
    const peer_id to_b = a.connect(b.address()).value(), to_a = b.connect(a.address()).value();
    completion got[8];
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const std::size_t news = a.poll(got) + b.poll(got); // the first poll looks after the peers
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(news == 0);
    CHECK((a.state(to_b).up && b.state(to_a).up));
    op o;
    REQUIRE(a.send(to_b, std::as_bytes(std::span("hi", 2)), o));
    CHECK(b.poll(got) == 1);
}

TEST_CASE("options that make no sense are refused") {
    CHECK(window::open({.peers = 0}).error().code == errc::invalid_argument);
    CHECK(window::open({.ring_bytes = 5000}).error().code == errc::invalid_argument);
}

TEST_CASE("two processes: a window is written into, answers, and its death by kill -9 is told") {
    test::child other([](int in, int out) {
        window net = window::open({}).value();
        const auto bytes = net.allocate(4096).value();
        test::serve_echo(net, net.register_memory({bytes.data(), bytes.size(), memory_kind::host}).value(), in, out);
    });
    window net = window::open({}).value();
    const auto bytes = net.allocate(4096).value();
    const region mine = net.register_memory({bytes.data(), bytes.size(), memory_kind::host}).value();
    test::echo_then_kill(net, mine, other, 200);
}
