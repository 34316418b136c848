// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/run.hpp>

#include <doctest/doctest.h>

using namespace ashlar;

TEST_CASE("a scenario that depends on its seed only runs identically; one that remembers is caught") {
    CHECK(sim::runs_identically(7, [](std::uint64_t seed) {
        trace_hash t;
        t.add(seed);
        return t;
    }));
    std::uint64_t memory = 0;
    CHECK_FALSE(sim::runs_identically(7, [&](std::uint64_t seed) {
        trace_hash t;
        t.add(seed + memory++);
        return t;
    }));
}
