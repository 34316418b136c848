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

namespace {
arrive choice(std::uint64_t id, std::uint32_t members) { // of a request whose first one is 1
    return {.request = {id},
            .prompt_tokens = 20,
            .max_tokens = 5,
            .group = {id == 1 ? 0u : 1u},
            .members = members,
            .prompt_of = {id == 1 ? 0u : 1u}};
}
void say_three(small_world& w) {
    w.pair();
    for (std::uint64_t id = 1; id <= 3; ++id) (void)w.tell(choice(id, 4 - static_cast<std::uint32_t>(id)));
}
// From its reservations to its first token; what the last step said.
said_list compute_first(small_world& w) {
    (void)w.tell(reserved{{1}, 1, {2}, 0});
    (void)w.tell(reserved{{1}, 1, {1}, 0});
    (void)w.tell(batch_done{{1}, {1}});
    (void)w.tell(batch_done{{1}, {2}});
    return w.tell(prefill_done{{1}, 1, {1}, {3}, false});
}
} // namespace

TEST_CASE("a prompt that several ask for is computed by the first; the others come when it is where it is decoded") {
    small_world w;
    w.pair();
    CHECK(w.tell(choice(1, 3)) == said_list{reserve{{1}, 1, {2}, role::decode, 20, 25}});
    CHECK(w.tell(choice(2, 2)).empty());
    CHECK(w.tell(choice(3, 1)).empty());
    CHECK(w.policy.waiting() == 2);  // there is room for them, but nothing to find yet
    (void)w.tell(arrive{{9}, 4, 2}); // who comes later may go first meanwhile
    CHECK(w.policy.waiting() == 2);
    CHECK(compute_first(w).empty());
    CHECK(w.policy.waiting() == 2);
    const auto said = w.tell(transfer_done{{1}, 1, {2}});
    CHECK(said[0] == action{release{{1}, 1, {1}}});
    CHECK(said[1] == action{reserve{{2}, 1, {2}, role::decode, 20, 25}});
    CHECK(said[2] == action{reserve{{3}, 1, {2}, role::decode, 20, 25}});
    CHECK(broken_invariant(w.policy).empty());
}

TEST_CASE("who waits for a prompt goes before those that came later, and goes too when the first has ended well") {
    small_world w;
    say_three(w);
    for (std::uint64_t id = 7; id <= 8; ++id) (void)w.tell(arrive{{id}, 80, 80}); // no room for them now
    CHECK(w.policy.waiting() == 4);
    const auto said = w.tell(sched::stop{{1}});
    CHECK(said[1] == action{finish{{1}, finish_reason::stop, 0}});
    CHECK(said[2] == action{reserve{{2}, 1, {2}, role::decode, 20, 25}});
    CHECK(said[3] == action{reserve{{3}, 1, {2}, role::decode, 20, 25}});
    CHECK(w.policy.waiting() == 2);
}

TEST_CASE("a fault under the first does not let the others go: its next attempt computes the prompt") {
    small_world w;
    say_three(w);
    (void)w.tell(instance_up{{3}, role::prefill, {13}, 10, 16, 8, 4});
    (void)w.tell(reserved{{1}, 1, {2}, 0});
    const auto said = w.tell(instance_down{{1}, {11}});
    CHECK(said.back() == action{reserve{{1}, 2, {2}, role::decode, 20, 25}});
    CHECK(w.policy.waiting() == 2);
    CHECK(failed(w.tell(instance_down{{3}, {13}})) == std::vector<std::uint64_t>{1, 2, 3}); // with its last attempt all
    CHECK(w.policy.live() == 0);
}

TEST_CASE("those that wait for a prompt hold room in the queue, and a client that goes takes them along") {
    small_world w; // 4 may wait
    say_three(w);
    CHECK(w.tell(of_group(11, 0, 3)) == said_list{reject{{11}, reject_reason::overloaded, 1_s}});
    (void)w.tell(of_group(21, 0, 2));
    (void)w.tell(of_group(22, 21, 1));
    CHECK(w.policy.live() == 5);
    CHECK(failed(w.tell(cancel{{3}})) == std::vector<std::uint64_t>{3, 2, 1});
    CHECK(w.policy.waiting() == 0);
    CHECK(broken_invariant(w.policy).empty());
}

TEST_CASE("nobody waits for a prompt of another group, of itself, of nobody or of one that is there already") {
    for (const std::uint64_t whose : {1u, 2u, 77u}) {
        small_world w;
        w.pair();
        (void)w.tell(choice(1, 1));
        const arrive odd{.request = {2}, .prompt_tokens = 20, .max_tokens = 5, .prompt_of = {whose}};
        CHECK(w.tell(odd).back() == action{reserve{{2}, 1, {2}, role::decode, 20, 25}});
        CHECK(broken_invariant(w.policy).empty());
    }
    small_world w;
    w.pair();
    (void)w.tell(choice(1, 2));
    (void)compute_first(w);
    (void)w.tell(transfer_done{{1}, 1, {2}});
    CHECK(w.tell(choice(2, 1)).back() == action{reserve{{2}, 1, {2}, role::decode, 20, 25}});
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
