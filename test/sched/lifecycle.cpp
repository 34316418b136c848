// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/lifecycle.hpp>

#include <doctest/doctest.h>

#include "small_world.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("places are taken at placement and given back at the end, to the last block") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 17, 16}); // 2 blocks to prefill, 3 to decode
    const fleet& f = w.policy.engines();
    const instance &p = f[f.find({1})], &d = f[f.find({2})];
    CHECK(p.blocks_used == 2);
    CHECK(p.pending_tokens == 17);
    CHECK(d.blocks_used == 3);
    CHECK(d.pending_tokens == 0);
    (void)w.tell(cancel{{7}});
    CHECK(p.blocks_used + d.blocks_used + p.sequences + d.sequences + p.pending_tokens == 0);
}

TEST_CASE("a fault that another try cannot cure ends the request at once") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    const error why{errc::invalid_argument, origin::kv, 0};
    CHECK(w.tell(reserve_failed{{7}, 1, {2}, why}) == said_list{fail{{7}, why}});
}

TEST_CASE("what a batch leaves unanswered is asked again, the same tokens in the same places") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    (void)w.tell(reserved{{7}, 1, {1}, 0});
    CHECK(w.tell(batch_done{{1}, {1}}) ==
          said_list{launch_batch{{1}, {2}, 1, 4}, batch_item{{7}, 1, item_kind::prefill, 0, 4, true}});
}
