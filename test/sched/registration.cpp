// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/registration.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;
using sched::registration;
using sched::revision_id;
using call = registration::call;

namespace {
constexpr instant start{1'000'000'000'000};

registration held(instant now, duration ttl = 5_s) {
    registration mine({.retry_after = 250_ms});
    REQUIRE(mine.due(now) == call::grant);
    mine.granted(ttl, now);
    REQUIRE(mine.due(now) == call::claim);
    mine.claimed({7});
    return mine;
}
} // namespace

TEST_CASE("a place is a lease, then an entry, then renewals at half of what is left") {
    registration mine = held(start);
    CHECK(mine.holds(start));
    CHECK(mine.entered());
    CHECK(mine.claimed() == revision_id{7});
    CHECK(mine.wake() == start + 2500_ms);
    CHECK(mine.due(start + 2499_ms) == call::none);
    CHECK(mine.due(start + 2500_ms) == call::renew);
    CHECK(mine.due(start + 2600_ms) == call::none); // one at a time
    mine.renewed(5_s, start + 3500_ms);             // counted from when it was sent: 4 s are left
    CHECK(mine.wake() == start + 5500_ms);
    CHECK(mine.holds(start + 7499_ms));
    CHECK_FALSE(mine.holds(start + 7500_ms));
}

TEST_CASE("a call without an answer says nothing, is made again, and a silent directory takes the certainty only") {
    registration mine = held(start);
    instant now = start + 2500_ms;
    unsigned calls = 0;
    for (; now < start + 20_s; now = now + 50_ms) {
        if (mine.due(now) != call::renew) continue;
        ++calls;
        mine.failed(now);
    }
    CHECK(calls == 70); // every 250 ms
    CHECK_FALSE(mine.holds(now));
    CHECK(mine.entered());
    REQUIRE(mine.due(now) == call::renew);
    mine.renewed(5_s, now); // a directory that was away gives leases their whole time again
    CHECK(mine.holds(now));
    CHECK(mine.claimed() == revision_id{7});
    CHECK(mine.lost() == 0);
}

TEST_CASE("a dead lease is joined again under a new revision") {
    registration mine = held(start);
    const instant now = start + 6_s;
    REQUIRE(mine.due(now) == call::renew);
    mine.lease_lost(now);
    CHECK_FALSE(mine.entered());
    CHECK(mine.lost() == 1);
    REQUIRE(mine.due(now) == call::grant);
    mine.failed(now);
    CHECK(mine.due(now + 249_ms) == call::none);
    REQUIRE(mine.due(now + 250_ms) == call::grant);
    mine.granted(5_s, now + 250_ms);
    REQUIRE(mine.due(now + 250_ms) == call::claim);
    mine.lease_lost(now + 300_ms); // it died before the claim
    CHECK(mine.lost() == 1);       // no entry was lost with it
    REQUIRE(mine.due(now + 300_ms) == call::grant);
    mine.granted(5_s, now + 300_ms);
    REQUIRE(mine.due(now + 300_ms) == call::claim);
    mine.claimed({19});
    CHECK(mine.claimed() == revision_id{19});
}

TEST_CASE("who finds its name taken keeps its lease and looks again") {
    registration mine({.retry_after = 1_s});
    REQUIRE(mine.due(start) == call::grant);
    mine.granted(5_s, start);
    unsigned claims = 0, renewals = 0;
    instant now = start;
    for (; now < start + 10_s; now = now + 100_ms) {
        switch (mine.due(now)) {
        case call::claim:
            ++claims, mine.taken(now);
            break;
        case call::renew:
            ++renewals, mine.renewed(5_s, now);
            break;
        default:
            break;
        }
        CHECK_FALSE(mine.holds(now));
    }
    CHECK(mine.superseded());
    CHECK(claims == 10);
    CHECK(renewals == 3);
    REQUIRE(mine.due(now) == call::renew); // the lease comes first
    mine.renewed(5_s, now);
    now = now + 100_ms;
    REQUIRE(mine.due(now) == call::claim);
    mine.claimed({31});
    CHECK_FALSE(mine.superseded());
    CHECK(mine.holds(now));
}

TEST_CASE("a deleted entry is claimed again under the same lease; an old word about another one is nothing") {
    registration mine = held(start);
    mine.evicted({6}, start);
    CHECK(mine.entered());
    mine.evicted({7}, start + 1_s);
    CHECK_FALSE(mine.entered());
    CHECK(mine.lost() == 1);
    REQUIRE(mine.due(start + 1_s) == call::claim);
    mine.claimed({9});
    CHECK(mine.holds(start + 1_s));
    CHECK(mine.wake() == start + 2500_ms);
}
