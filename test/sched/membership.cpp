// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/membership.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;
using namespace ashlar::sched;
using kind = membership_change::kind;

namespace {

struct world {
    membership all{{.members_max = 4, .grace = 3_s}};
    membership_changes out = all.changes();
    instant now{1'000'000'000};

    std::vector<membership_change> tell(const directory_event& e) {
        all.step(e, now, out);
        return {out.begin(), out.end()};
    }
    void list(std::vector<member_up> members) {
        tell(listing{});
        for (const auto& each : members) tell(each);
        tell(listed{});
    }
};
using changes = std::vector<membership_change>;

} // namespace

TEST_CASE("a membership is frozen until its first list, and counts its changes") {
    world w;
    CHECK(w.all.frozen());
    CHECK(w.all.epoch() == 0);
    w.tell(listing{});
    CHECK(w.tell(member_up{{1}, {10}}) == changes{{kind::joined, {1}, {10}}});
    CHECK(w.tell(listed{}) == changes{{kind::thawed, {}, {}}});
    CHECK_FALSE(w.all.frozen());
    CHECK(w.all.epoch() == 2);
    CHECK(w.tell(member_up{{2}, {11}}) == changes{{kind::joined, {2}, {11}}});
    CHECK(w.tell(member_up{{2}, {11}}).empty()); // twice
    CHECK(w.tell(member_up{{2}, {9}}).empty());  // old
    CHECK(w.all.created({2}) == revision_id{11});
    CHECK(w.all.epoch() == 3);
}

TEST_CASE("who vanishes leaves after the grace, and who joins again within it has only moved") {
    world w;
    w.list({{{1}, {10}}, {{2}, {11}}});
    CHECK(w.tell(member_down{{1}, {9}}).empty()); // an older entry's end
    CHECK(w.all.wake() == instant::never());
    CHECK(w.tell(member_down{{1}, {10}}).empty());
    CHECK(w.tell(member_down{{2}, {11}}).empty());
    CHECK(w.all.has({1}));
    CHECK(w.all.wake() == w.now + 3_s);
    w.now = w.now + 2_s;
    CHECK(w.tell(member_up{{2}, {20}}) == changes{{kind::moved, {2}, {20}}});
    w.now = w.now + 1_s;
    CHECK(w.tell(tick{}) == changes{{kind::left, {1}, {10}}});
    CHECK_FALSE(w.all.has({1}));
    CHECK(w.all.has({2}));
    CHECK(w.all.wake() == instant::never());
    CHECK(w.tell(member_up{{1}, {30}}) == changes{{kind::joined, {1}, {30}}});
}

TEST_CASE("a lost directory freezes: nobody leaves, whatever time passes, and a list thaws under a new epoch") {
    world w;
    w.list({{{1}, {10}}, {{2}, {11}}, {{3}, {12}}});
    w.tell(member_down{{3}, {12}});
    const auto before = w.all.epoch();
    CHECK(w.tell(directory_lost{}) == changes{{kind::froze, {}, {}}});
    CHECK(w.tell(directory_lost{}).empty());
    CHECK(w.all.epoch() == before);
    CHECK(w.all.wake() == instant::never());
    w.now = w.now + 3600_s;
    CHECK(w.tell(tick{}).empty());
    CHECK(w.all.size() == 3);
    // Heard again: one is there, one joined again, one is missing and gets its time.
    w.tell(listing{});
    CHECK(w.tell(member_up{{1}, {10}}).empty());
    CHECK(w.tell(member_up{{2}, {40}}) == changes{{kind::moved, {2}, {40}}});
    CHECK(w.all.frozen()); // not before the list is whole
    CHECK(w.tell(listed{}) == changes{{kind::thawed, {}, {}}});
    CHECK(w.all.epoch() == before + 2);
    CHECK(w.all.has({3}));
    w.now = w.now + 2999_ms;
    CHECK(w.tell(tick{}).empty());
    w.now = w.now + 1_ms;
    CHECK(w.tell(tick{}) == changes{{kind::left, {3}, {12}}});
}

TEST_CASE("a list after a gap, with the directory never lost, says who came and who went") {
    world w;
    w.list({{{1}, {10}}, {{2}, {11}}});
    w.list({{{2}, {11}}, {{3}, {15}}});
    CHECK(w.all.has({3}));
    CHECK(w.all.wake() == w.now + 3_s);
    w.now = w.now + 1_s;
    w.list({{{2}, {11}}, {{3}, {15}}}); // another list does not begin the grace anew
    w.now = w.now + 2_s;
    CHECK(w.tell(tick{}) == changes{{kind::left, {1}, {10}}});
}

TEST_CASE("a list that breaks off takes nobody away") {
    world w;
    w.list({{{1}, {10}}, {{2}, {11}}});
    w.tell(listing{});
    w.tell(member_up{{1}, {10}});
    w.tell(directory_lost{});
    w.list({{{1}, {10}}, {{2}, {11}}});
    w.now = w.now + 10_s;
    CHECK(w.tell(tick{}).empty());
    CHECK(w.all.size() == 2);
}

TEST_CASE("more than its capacity is refused and counted, and comes in with a later list") {
    world w;
    w.list({{{1}, {1}}, {{2}, {2}}, {{3}, {3}}, {{4}, {4}}, {{5}, {5}}});
    CHECK(w.all.size() == 4);
    CHECK(w.all.refused() == 1);
    CHECK_FALSE(w.all.has({5}));
    w.tell(member_down{{1}, {1}});
    w.now = w.now + 3_s;
    CHECK(w.tell(tick{}).size() == 1);
    w.list({{{2}, {2}}, {{3}, {3}}, {{4}, {4}}, {{5}, {5}}});
    CHECK(w.all.has({5}));
    // Every member at once fits into what a step may say.
    w.list({});
    w.now = w.now + 3_s;
    CHECK(w.tell(tick{}).size() == 4);
}
