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

namespace {
constexpr error cancelled{errc::cancelled, origin::sched, 0};
arrive of_group(std::uint64_t id, std::uint64_t first, std::uint32_t members) {
    return {.request = {id}, .prompt_tokens = 4, .max_tokens = 5, .group = {first}, .members = members};
}
std::vector<std::uint64_t> failed(const said_list& said) {
    std::vector<std::uint64_t> ids;
    for (const action& a : said) {
        if (const auto* f = std::get_if<fail>(&a)) ids.push_back(f->request.value);
    }
    return ids;
}
} // namespace

TEST_CASE("a group is let in whole or not at all") {
    small_world w; // 8 requests, of them 4 waiting
    w.pair();
    CHECK(w.tell(of_group(1, 0, 5)) == said_list{reject{{1}, reject_reason::too_many, 1_s}});
    CHECK(w.tell(of_group(2, 1, 4)) == said_list{reject{{2}, reject_reason::cancelled, 1_s}}); // its first is not here
    CHECK(w.policy.live() == 0);
    for (std::uint64_t id = 11; id <= 14; ++id)
        (void)w.tell(of_group(id, id == 11 ? 0 : 11, 15 - static_cast<std::uint32_t>(id)));
    CHECK(w.policy.live() == 4); // all are placed: an instance takes four
    for (std::uint64_t id = 21; id <= 23; ++id)
        (void)w.tell(of_group(id, id == 21 ? 0 : 21, 24 - static_cast<std::uint32_t>(id)));
    CHECK(w.policy.waiting() == 3);
    CHECK(w.tell(of_group(31, 0, 2)) == said_list{reject{{31}, reject_reason::overloaded, 1_s}});
    CHECK(w.policy.live() == 7);
}

TEST_CASE("when one of a group fails, those of it that have not ended are cancelled, and nobody else") {
    small_world w;
    w.pair();
    (void)w.tell(of_group(1, 0, 3));
    (void)w.tell(of_group(2, 1, 2));
    (void)w.tell(of_group(3, 1, 1));
    (void)w.tell(of_group(9, 0, 1));
    CHECK(w.tell(sched::stop{{2}}).back() == action{finish{{2}, finish_reason::stop, 0}}); // an end that is no failure
    CHECK(w.policy.live() == 3);
    CHECK(failed(w.tell(cancel{{3}})) == std::vector<std::uint64_t>{3, 1});
    CHECK(broken_invariant(w.policy).empty());
    CHECK(w.policy.live() == 1);
    CHECK(failed(w.tell(instance_down{{1}, {11}})) == std::vector<std::uint64_t>{9});
}

TEST_CASE("a member that is refused takes its group along") {
    small_world w;
    w.pair();
    (void)w.tell(of_group(1, 0, 2));
    const arrive large{.request = {2}, .prompt_tokens = 400, .max_tokens = 5, .group = {1}, .members = 1};
    const auto said = w.tell(large);
    CHECK(said.front() == action{reject{{2}, reject_reason::too_long, 1_s}});
    CHECK(said.back() == action{fail{{1}, cancelled}});
    CHECK(w.policy.live() == 0);
}

TEST_CASE("a group whose instance dies fails once each, while its line is walked") {
    small_world w;
    w.pair();
    for (std::uint64_t id = 1; id <= 8; ++id)
        (void)w.tell(of_group(id, id % 4 == 1 ? 0 : id < 5 ? 1 : 5, 4 - static_cast<std::uint32_t>((id - 1) % 4)));
    CHECK(w.policy.live() == 8);
    auto ids = failed(w.tell(instance_down{{2}, {12}}));
    CHECK(ids.size() == 8);
    CHECK(w.policy.live() == 0);
    CHECK(broken_invariant(w.policy).empty());
}

TEST_CASE("what will be counted is known before it is said, and once it is said it is not counted again") {
    small_world w;
    w.pair();
    (void)w.tell(arrive{{7}, 4, 5});
    (void)w.tell(reserved{{7}, 1, {2}, 0});
    CHECK_FALSE(w.policy.counts(prefill_done{{7}, 1, {1}, {1}, false})); // nothing is computed yet
    (void)w.tell(reserved{{7}, 1, {1}, 0});
    const prefill_done first{{7}, 1, {1}, {1}, false};
    CHECK(w.policy.counts(first));
    CHECK(w.policy.heeds(first));
    CHECK_FALSE(w.policy.counts(prefill_done{{7}, 1, {1}, {2}, false})); // another batch
    CHECK_FALSE(w.policy.counts(prefill_done{{7}, 2, {1}, {1}, false})); // another attempt
    CHECK_FALSE(w.policy.heeds(prefill_done{{7}, 1, {3}, {1}, false}));  // a stranger
    (void)w.tell(first);
    CHECK_FALSE(w.policy.counts(first));
    (void)w.tell(transfer_done{{7}, 1, {2}});
    const token next{{7}, 1, {2}, {2}, false};
    CHECK(w.policy.counts(next));
    (void)w.tell(next);
    CHECK_FALSE(w.policy.counts(next));
}
