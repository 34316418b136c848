// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window.hpp>

#include <memory>
#include <optional>

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
