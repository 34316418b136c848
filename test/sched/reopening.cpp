// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/reopening.hpp>

#include <initializer_list>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;

namespace {
constexpr instant at(std::int64_t s) { return {s * 1'000'000'000}; }
const sched::reopening_options times{.patience = 2_s, .pause = 1_s, .pause_max = 60_s};
} // namespace

TEST_CASE("a neighbour that is down for a moment, or dies, is no reason") {
    sched::reopening policy(times);
    CHECK_FALSE(policy.due(at(100), true, false));
    CHECK_FALSE(policy.due(at(101), true, false));
    CHECK_FALSE(policy.due(at(102), false, false)); // the scheduler counts on it no more
    CHECK_FALSE(policy.due(at(103), true, false));
    CHECK_FALSE(policy.due(at(104), true, false));
    CHECK(policy.due(at(105), true, false));
}

TEST_CASE("an overdue lease is a reason at once") {
    sched::reopening policy(times);
    CHECK_FALSE(policy.due(at(100), false, false));
    CHECK(policy.due(at(100), false, true));
}

TEST_CASE("what does not help is tried later and later, and at once after a calm time") {
    sched::reopening policy(times);
    std::int64_t now = 100;
    policy.done(at(now));
    for (const std::int64_t pause : {1, 2, 4, 8, 16, 32, 60, 60}) {
        CHECK_FALSE(policy.due(at(now + pause - 1), false, true));
        now += pause;
        CHECK(policy.due(at(now), false, true));
        policy.done(at(now));
    }
    now += 60 + 60;
    CHECK(policy.due(at(now), false, true));
    policy.done(at(now));
    CHECK_FALSE(policy.due(at(now), false, true));
    CHECK(policy.due(at(now + 1), false, true));
}
