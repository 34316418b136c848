// SPDX-License-Identifier: Apache-2.0
#include "serving.hpp"

#include <doctest/doctest.h>

#include <ashlar/sim/run.hpp>

#include "seeds.hpp"

using namespace ashlar;
using scenario::serving;

TEST_CASE("whatever breaks in a fleet, every request ends once, nothing leaks, and a second run is the same") {
    std::uint64_t steps = 0, finished = 0, failed = 0, rejected = 0, retried = 0;
    scenario::for_each_seed(10'000, [&](std::uint64_t seed) {
        serving world(seed);
        world.run();
        REQUIRE_MESSAGE(world.problem().empty(), world.problem());
        steps += world.steps(), finished += world.finished(), failed += world.failed();
        rejected += world.rejected(), retried += world.retried();
        if (seed % 10 != 0) return;
        const auto again = [](std::uint64_t s) {
            serving w(s);
            w.run();
            return w.trace();
        };
        REQUIRE_MESSAGE(world.trace() == again(seed), "seed " << seed << ": the second run differs");
    });
    MESSAGE(steps << " steps: " << finished << " finished, " << failed << " failed, " << rejected << " rejected, "
                  << retried << " retries");
    CHECK(finished > 0);
}

TEST_CASE("without faults every admitted request is served or ended by its client") {
    scenario::for_each_seed(500, [&](std::uint64_t seed) {
        serving world(seed, true);
        world.run();
        REQUIRE_MESSAGE(world.problem().empty(), world.problem());
        REQUIRE_MESSAGE(world.retried() == 0, "seed " << seed << " retried without a fault");
    });
}

TEST_CASE("the log of a fleet with dying engines replays to the identical actions") {
    scenario::for_each_seed(500, [&](std::uint64_t seed) {
        serving world(seed);
        world.run();
        const auto report = sched::replay(world.log(), [](const sched::pd_options& o) { return sched::pd<>(o); });
        REQUIRE(report);
        REQUIRE_MESSAGE(report->identical(), "seed " << seed << " differs at record " << report->first_difference);
        REQUIRE(report->records == world.steps());
        REQUIRE(!report->truncated);
    });
}
