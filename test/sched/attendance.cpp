// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/attendance.hpp>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("an instance that says nothing about itself, or one too many, is let go of at once") {
    small_world w; // four may be known
    CHECK(w.tell(instance_up{{1}, role::prefill, {11}, 0, 16, 8, 4}) == said_list{instance_lost{{1}, {11}}});
    for (std::uint32_t id = 1; id <= 4; ++id)
        CHECK(w.tell(instance_up{{id}, role::decode, {id}, 10, 16, 8, 4}).empty());
    CHECK(w.tell(instance_up{{5}, role::decode, {5}, 10, 16, 8, 4}) == said_list{instance_lost{{5}, {5}}});
    CHECK(w.policy.engines().size() == 4);
}

TEST_CASE("a new incarnation takes the old one's place, and what was placed there starts over") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    const error down{errc::peer_down, origin::sched, 0};
    CHECK(w.tell(instance_up{{2}, role::decode, {22}, 10, 16, 8, 4}) == said_list{fail{{7}, down}}); // no role, no wait
    (void)w.tell(arrive{{8}, 4, 5});
    CHECK(w.tell(instance_up{{2}, role::decode, {22}, 10, 16, 8, 4}).empty()); // said twice: a sign of life
    CHECK(w.tell(instance_down{{2}, {12}}).empty());                           // of the old one
    CHECK(w.tell(heartbeat{{2}, {12}, 10}).empty());
    CHECK(w.policy.ignored_events() == 2);
    CHECK(w.policy.live() == 1);
}

TEST_CASE("whoever speaks of a request lives; who is silent is written off when its own time is over") {
    small_world w;
    w.pair();
    w.now = w.now + 400_ms;
    (void)w.tell(arrive{{7}, 4, 5});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    w.now = w.now + 100_ms;
    CHECK(w.tell(tick{}).front() == action{instance_lost{{1}, {11}}});
    w.now = w.now + 399_ms;
    CHECK(w.tell(tick{}).empty());
    w.now = w.now + 1_ms;
    CHECK(w.tell(tick{}) == said_list{instance_lost{{2}, {12}}});
}
