// SPDX-License-Identifier: Apache-2.0
// Providers under test: ASHLAR_OFI_PROVIDERS, separated by commas; else what Debian 12's libfabric 1.17 can do here.
#include <ashlar/ofi/endpoint.hpp>

#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
    CHECK(ofi::endpoint::open({.provider = "net", .operations = 0}).error().code == errc::invalid_argument);
}

TEST_CASE("memory that is not the host's is refused") {
    ofi::endpoint net = open(test::providers()[0]);
    std::byte bytes[64];
    CHECK(net.register_memory({bytes, sizeof bytes, memory_kind::device}).error().code == errc::unsupported);
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
