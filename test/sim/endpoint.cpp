// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/endpoint.hpp>

#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "fabric/contract.hpp"

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
// Reordering belongs to the faults: a network that keeps the whole contract keeps messages in order.
constexpr sim::faults late_and_split() {
    sim::faults f = sim::faults::slow();
    f.reorder = 0;
    return f;
}

struct sim_world {
    sim::network net;
    std::optional<sim::endpoint> first, second;
    std::deque<std::vector<std::byte>> owned;

    explicit sim_world(const sim::faults& how)
        : net({.seed = 1, .endpoints = 2, .operations = 64, .inbound = 64, .how = how}) {
        first.emplace(net);
        second.emplace(net);
    }
    sim::endpoint& a() { return *first; }
    sim::endpoint& b() { return *second; }
    std::span<std::byte> memory(sim::endpoint&, std::size_t size) { return owned.emplace_back(size); }
    void kill_b() { second.reset(); }
    void idle() { net.step(); }
};
} // namespace

TEST_CASE("a simulated network without faults keeps the contract") {
    contract::run([] { return std::make_unique<sim_world>(sim::faults::none()); });
}

TEST_CASE("late, split and stalling writes are within the contract") {
    contract::run([] { return std::make_unique<sim_world>(late_and_split()); });
}

TEST_CASE("an immediate from somebody whom the target never connected has no peer") {
    sim_world w(sim::faults::none());
    std::byte bytes[64]{};
    const region there = w.b().register_memory({bytes, sizeof bytes, memory_kind::host}).value();
    const peer_id to_b = w.a().connect(w.b().address()).value();
    op o;
    REQUIRE(w.a().write(to_b, {}, {there.remote, 0}, 7, o));
    while (w.net.step()) {
    }
    completion got[2];
    REQUIRE(w.b().poll(got) == 1);
    CHECK(got[0].what == completion::kind::immediate);
    CHECK(got[0].peer == peer_id::none());
    CHECK(got[0].immediate == 7);
    REQUIRE(w.a().poll(got) == 1);
    CHECK(o.status == op_status::done);
}
