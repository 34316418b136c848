// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/loopback.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "contract.hpp"

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
struct loopback_world {
    loopback_hub hub;
    std::optional<loopback> first, second;
    std::deque<std::vector<std::byte>> owned;

    loopback_world() {
        first.emplace(hub);
        second.emplace(hub);
    }
    loopback& a() { return *first; }
    loopback& b() { return *second; }
    std::span<std::byte> memory(loopback&, std::size_t size) { return owned.emplace_back(size); }
    void kill_b() { second.reset(); }
};
} // namespace

TEST_CASE("loopback keeps the contract") {
    contract::run([] { return std::make_unique<loopback_world>(); });
}

TEST_CASE("memory that is not the host's is refused") {
    loopback_hub hub;
    loopback net(hub);
    std::byte bytes[16];
    for (memory_kind kind : {memory_kind::device, memory_kind::staged}) {
        const auto r = net.register_memory({bytes, sizeof bytes, kind});
        REQUIRE(!r);
        CHECK(r.error() == error{errc::unsupported, origin::fabric});
    }
}

TEST_CASE("a full target says again, and its poll makes room") {
    loopback_hub hub;
    loopback a(hub, {.operations = 8, .inbound = 8, .regions = 1, .peers = 1});
    loopback b(hub, {.operations = 8, .inbound = 4, .regions = 1, .peers = 1});
    const peer_id to_b = a.connect(b.address()).value();
    op ops[5];
    const auto text = std::as_bytes(std::span("hello", 5));
    for (int i = 0; i < 4; ++i) REQUIRE(a.send(to_b, text, ops[i]));
    CHECK(a.send(to_b, text, ops[4]).error().code == errc::again);
    completion got[4];
    REQUIRE(b.poll(got) == 4);
    for (const completion& c : got) CHECK(c.peer == peer_id::none()); // b never connected a
    // The polled messages are still b's to read, so their room is not given away yet.
    CHECK(a.send(to_b, text, ops[4]).error().code == errc::again);
    CHECK(std::equal(text.begin(), text.end(), got[3].message.begin()));
    CHECK(b.poll(got) == 0);
    CHECK(a.send(to_b, text, ops[4]));
    completion done[8];
    CHECK(a.poll(done) == 5);
}
