// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/pd.hpp>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("a request is reserved on decode, then on prefill, computed in chunks, handed over, decoded, finished") {
    small_world w;
    w.pair();
    CHECK(w.tell(arrive{{7}, 10, 2}) == said_list{reserve{{7}, 1, {2}, role::decode, 10, 12}});
    CHECK(w.tell(reserved{{7}, 1, {2}, 0}) == said_list{reserve{{7}, 1, {1}, role::prefill, 10, 10, {2}}});
    CHECK(w.tell(reserved{{7}, 1, {1}, 0}) ==
          said_list{launch_batch{{1}, {1}, 1, 8}, batch_item{{7}, 1, item_kind::prefill, 0, 8, false}});
    CHECK(w.tell(batch_done{{1}, {1}}) ==
          said_list{launch_batch{{1}, {2}, 1, 2}, batch_item{{7}, 1, item_kind::prefill, 8, 2, true}});
    CHECK(w.tell(prefill_done{{7}, 1, {1}, {2}, false}).empty());
    CHECK(w.tell(batch_done{{1}, {2}}).empty());
    CHECK(w.tell(transfer_done{{7}, 1, {2}}) == said_list{release{{7}, 1, {1}}, launch_batch{{2}, {3}, 1, 1},
                                                          batch_item{{7}, 1, item_kind::decode, 10, 1, true}});
    CHECK(w.tell(token{{7}, 1, {2}, {3}, false}) ==
          said_list{release{{7}, 1, {2}}, finish{{7}, finish_reason::length, 2}});
    CHECK(w.policy.live() == 0);
}

TEST_CASE("what both sides have cached is not computed, but the last token always is") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 33, 2});
    (void)w.tell(reserved{{7}, 1, {2}, 16});
    CHECK(w.tell(reserved{{7}, 1, {1}, 32}).back() == action{batch_item{{7}, 1, item_kind::prefill, 32, 1, true}});
    small_world lying;
    lying.pair();
    (void)lying.tell(arrive{{7}, 33, 2});
    (void)lying.tell(reserved{{7}, 1, {2}, 99});
    CHECK(lying.tell(reserved{{7}, 1, {1}, 99}).back() == action{batch_item{{7}, 1, item_kind::prefill, 32, 1, true}});
}

TEST_CASE("the hand-over may be over before the first token is known") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 3});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    (void)w.tell(reserved{{7}, 1, {1}, 0});
    CHECK(w.tell(transfer_done{{7}, 1, {2}}).empty());
    CHECK(w.tell(prefill_done{{7}, 1, {1}, {1}, false}).front() == action{release{{7}, 1, {1}}});
    CHECK(w.policy.requests()[w.policy.requests().find({7})].now == phase::decoding);
}

TEST_CASE("a dead decode instance costs an attempt: what the client has is prefilled again elsewhere") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    (void)w.tell(reserved{{7}, 1, {1}, 0});
    (void)w.tell(prefill_done{{7}, 1, {1}, {1}, false});
    (void)w.tell(transfer_done{{7}, 1, {2}});
    (void)w.tell(token{{7}, 1, {2}, {2}, false});
    (void)w.tell(instance_up{{3}, role::decode, {13}, 10, 16, 8, 4});
    const error down{errc::peer_down, origin::sched, 0};
    CHECK(w.tell(instance_down{{2}, {12}}) ==
          said_list{retry{{7}, 2, 2, down}, reserve{{7}, 2, {3}, role::decode, 6, 9}});
    CHECK(w.tell(token{{7}, 1, {2}, {3}, false}).empty()); // the old attempt's late word
    CHECK(w.policy.ignored_events() == 1);
    CHECK(w.tell(instance_down{{3}, {13}}) == said_list{fail{{7}, down}}); // attempts_max is 2
}

TEST_CASE("when the only instance of a role dies everybody is told at once, and newcomers are refused") {
    small_world w;
    w.pair();
    for (std::uint64_t id = 1; id <= 6; ++id) (void)w.tell(arrive{{id}, 40, 40}); // two fit, four wait
    CHECK(w.policy.waiting() == 4);
    const auto said = w.tell(instance_down{{2}, {12}});
    std::size_t fails = 0;
    for (const action& a : said) fails += std::holds_alternative<fail>(a);
    CHECK(fails == 6);
    CHECK(w.policy.live() == 0);
    CHECK(w.tell(arrive{{9}, 4, 4}) == said_list{reject{{9}, reject_reason::unavailable, 1_s}});
}

TEST_CASE("a full queue refuses with the time after which to come back") {
    small_world w;
    w.pair();
    for (std::uint64_t id = 1; id <= 5; ++id) (void)w.tell(arrive{{id}, 80, 80});
    CHECK(w.tell(arrive{{6}, 4, 4}) == said_list{reject{{6}, reject_reason::overloaded, 1_s}});
}

TEST_CASE("cancel ends a request in every state and gives back exactly what was asked for") {
    for (int stage = 0; stage < 6; ++stage) {
        small_world w;
        w.pair();
        (void)w.tell(arrive{{7}, 4, 5});
        if (stage > 0) (void)w.tell(reserved{{7}, 1, {2}, 0});
        if (stage > 1) (void)w.tell(reserved{{7}, 1, {1}, 0});
        if (stage > 2) (void)w.tell(prefill_done{{7}, 1, {1}, {1}, false});
        if (stage > 3) (void)w.tell(transfer_done{{7}, 1, {2}});
        if (stage > 4) (void)w.tell(token{{7}, 1, {2}, {2}, false});
        said_list want;
        if (stage >= 1 && stage <= 3) want.push_back(release{{7}, 1, {1}});
        want.push_back(release{{7}, 1, {2}});
        want.push_back(fail{{7}, {errc::cancelled, origin::sched, 0}});
        CHECK(w.tell(cancel{{7}}) == want);
        CHECK(broken_invariant(w.policy).empty());
        CHECK(w.tell(cancel{{7}}).empty());
    }
}

TEST_CASE("a deadline ends a request when its time has come, on any event") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5, w.now + 100_ms});
    CHECK(w.said.back() == action{set_timer{w.now + 100_ms}});
    w.now = w.now + 100_ms;
    CHECK(w.tell(heartbeat{{1}, {11}, 10}) ==
          said_list{release{{7}, 1, {2}}, fail{{7}, {errc::timed_out, origin::sched, 0}}});
}

TEST_CASE("an instance that is silent for two heartbeats is written off at the tick, one that speaks is not") {
    small_world w;
    w.pair();
    w.now = w.now + 300_ms;
    (void)w.tell(heartbeat{{1}, {11}, 10});
    w.now = w.now + 200_ms;
    CHECK(w.tell(tick{}) == said_list{instance_lost{{2}, {12}}});
    CHECK(w.policy.engines().size() == 1);
}

TEST_CASE("exhausted means later: the request waits for that instance to speak again, and loses no attempt") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    for (std::uint32_t attempt = 1; attempt <= 4; ++attempt) {
        const error full{errc::exhausted, origin::kv, 0};
        CHECK(w.tell(reserve_failed{{7}, attempt, {2}, full}) == said_list{retry{{7}, attempt + 1, 0, full}});
        CHECK(w.tell(heartbeat{{2}, {12}, 10}) == said_list{reserve{{7}, attempt + 1, {2}, role::decode, 4, 9}});
    }
}

TEST_CASE("a unified instance decodes and prefills in one batch") {
    small_world w;
    (void)w.tell(instance_up{{5}, role::unified, {15}, 100, 16, 8, 4});
    (void)w.tell(arrive{{1}, 4, 5});
    (void)w.tell(reserved{{1}, 1, {5}, 0});
    (void)w.tell(prefill_done{{1}, 1, {5}, {1}, false});
    (void)w.tell(arrive{{2}, 20, 5});
    (void)w.tell(reserved{{2}, 1, {5}, 0});
    CHECK(w.tell(batch_done{{5}, {1}}) == said_list{launch_batch{{5}, {2}, 2, 8},
                                                    batch_item{{1}, 1, item_kind::decode, 4, 1, true},
                                                    batch_item{{2}, 1, item_kind::prefill, 0, 7, false}});
}

TEST_CASE("draining refuses newcomers, serves the rest, and says when it is done") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 1});
    CHECK(w.tell(drain{w.now + 5_s}).empty());
    CHECK(w.tell(arrive{{8}, 4, 1}) == said_list{reject{{8}, reject_reason::draining, 1_s}});
    w.now = w.now + 5_s;
    const auto said = w.tell(heartbeat{{1}, {11}, 1});
    CHECK(said == said_list{release{{7}, 1, {2}}, fail{{7}, {errc::closed, origin::sched, 0}}, drained{}});
    CHECK(w.policy.is_drained());
}
