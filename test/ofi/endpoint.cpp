// SPDX-License-Identifier: Apache-2.0
// Providers under test: ASHLAR_OFI_PROVIDERS, separated by commas; else what Debian 12's libfabric 1.17 can do here.
#include <ashlar/ofi/endpoint.hpp>

#include <array>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include <doctest/doctest.h>

#include "../fabric/contract.hpp"
#include "../fabric/two_processes.hpp"
#include "providers.hpp"

using namespace ashlar;

// libfabric 1.17 keeps fi_info copies and connection state after every object of ours is closed: allocations made by
// the library itself, not by us.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfabric.so\n"; }

namespace {
using ashlar::fabric::memory_kind;
using ashlar::fabric::op;
using ashlar::fabric::op_status;
using ashlar::fabric::region;

ofi::endpoint open(const std::string& provider) {
    auto net = ofi::endpoint::open({.provider = provider.c_str(), .stall_max = {2'000'000'000}});
    if (!net) FAIL(std::string(ofi::describe(net.error(), provider).view()));
    return std::move(*net);
}

struct ofi_world {
    explicit ofi_world(const std::string& provider) : first(open(provider)), second(open(provider)) {}
    std::deque<std::vector<std::byte>> owned; // outlives the endpoints
    ofi::endpoint first;
    std::optional<ofi::endpoint> second;

    ofi::endpoint& a() { return first; }
    ofi::endpoint& b() { return *second; }
    std::span<std::byte> memory(ofi::endpoint&, std::size_t size) { return owned.emplace_back(size); }
    // libfabric 1.17's shm crashes (pthread_spin_lock on unmapped memory) in a sender of the same process whose peer
    // was closed. There the peer falls silent instead, as a killed process does whose memory stays mapped.
    void kill_b() {
        if (second->provider() != "shm") second.reset();
    }
};
} // namespace

TEST_CASE("libfabric keeps the contract") {
    for (const std::string& provider : test::providers()) {
        SUBCASE(provider.c_str()) {
            CAPTURE(provider);
            contract::run([&] { return std::make_unique<ofi_world>(provider); });
        }
    }
}

TEST_CASE("a peer of another provider is refused in words") {
    const auto names = test::providers();
    if (names.size() < 2) return;
    ofi::endpoint a = open(names[0]), b = open(names[1]);
    const auto r = a.connect(b.address());
    REQUIRE(!r);
    CHECK(r.error().code == errc::unsupported);
    CHECK(std::string(a.describe(r.error()).view()) ==
          names[0] + ": the peer uses another provider; both ends need the same one");
}

TEST_CASE("a provider that does not exist is an error with its number") {
    const auto r = ofi::endpoint::open({.provider = "carrier-pigeon"});
    REQUIRE(!r);
    CHECK(r.error() == error{errc::unsupported, origin::ofi, FI_ENODATA});
    for (const ofi::options& wrong : {ofi::options{.operations = 0}, ofi::options{.regions = 65537},
                                      ofi::options{.stall_max = {0}}, ofi::options{.stall_max = {-1}}})
        CHECK(ofi::endpoint::open(wrong).error() == error{errc::invalid_argument, origin::ofi});
}

TEST_CASE("memory that is not the host's is refused") {
    ofi::endpoint net = open(test::providers()[0]);
    std::byte bytes[64];
    CHECK(net.register_memory({bytes, sizeof bytes, memory_kind::device}).error().code == errc::unsupported);
}

TEST_CASE(
    "a silent peer is down after stall_max, also for who polls seldom, and others can be written to, or in words not") {
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        constexpr std::uint32_t operations = 16;
        constexpr std::size_t size = 1 << 20;
        std::vector<std::byte> bytes(size);
        const auto make = [&] {
            return ofi::endpoint::open(
                       {.provider = provider.c_str(), .operations = operations, .stall_max = {300'000'000}})
                .value();
        };
        const auto shown = [&](ofi::endpoint& net) {
            return net.register_memory({bytes.data(), size, memory_kind::host}).value();
        };
        test::child silent([&](int, int out) {
            ofi::endpoint net = make();
            const test::introduction me = test::introduce(net, shown(net));
            if (write(out, &me, sizeof me) != sizeof me) _exit(2);
            for (int i = 0; i < 20; ++i) net.poll({}), usleep(10'000); // until connections are made
            pause();
        });
        const test::introduction other = silent.hear();
        ofi::endpoint third = make(), net = make();
        const region mine = shown(net), theirs = shown(third);
        const auto peer = net.connect(std::span(other.address).first(other.size)).value();
        std::vector<op> ops(2000); // it is still polling for a moment, and sockets hold much
        std::array<fabric::completion, 32> got;
        std::size_t posted = 0;
        int polls = 0, downs = 0;
        for (; polls < 200 && downs == 0; ++polls) {
            while (posted < ops.size() && net.write(peer, {&mine, 0, size}, {other.region, 0}, 1, ops[posted]))
                ++posted;
            usleep(20'000);
            const std::size_t n = net.poll(got);
            for (std::size_t i = 0; i < n; ++i) downs += got[i].what == fabric::completion::kind::peer_down;
        }
        CHECK(downs == 1);
        CHECK(polls < 60);
        net.disconnect(peer);
        silent.kill();
        for (int i = 0; i < 100; ++i) net.poll(got);
        for (std::size_t i = 0; i < posted; ++i) CHECK(ops[i].status != op_status::pending);

        const auto alive = net.connect(third.address()).value();
        op last;
        result<void> r{errc::again, origin::ofi};
        for (int i = 0; i < 2000 && !r && r.error().code == errc::again; ++i) {
            r = net.write(alive, {&mine, 0, 8}, {theirs.remote, 0}, last);
            net.poll({}), third.poll({}), usleep(1000);
        }
        if (!r) CHECK(r.error() == error{errc::exhausted, origin::ofi});
    }
}

TEST_CASE("two processes: writes are answered, and a death by kill -9 ends in peer_down, never in a hang") {
    for (const std::string& provider : test::providers()) {
        CAPTURE(provider);
        test::child other([&](int in, int out) {
            std::vector<std::byte> bytes(4096);
            ofi::endpoint net = open(provider);
            test::serve_echo(net, net.register_memory({bytes.data(), bytes.size(), memory_kind::host}).value(), in,
                             out);
        });
        std::vector<std::byte> bytes(4096);
        ofi::endpoint net = open(provider);
        const region mine = net.register_memory({bytes.data(), bytes.size(), memory_kind::host}).value();
        test::echo_then_kill(net, mine, other, 100);
    }
}
