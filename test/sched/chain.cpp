// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/chain.hpp>

#include <array>
#include <span>
#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;

namespace {
struct node {
    sched::link line{}, other{};
};
using line = sched::chain<&node::line>;
std::vector<std::uint32_t> order(const line& c, std::span<const node> slots) {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = c.first(); i != sched::no_slot; i = c.after(slots, i)) out.push_back(i);
    return out;
}
} // namespace

TEST_CASE("a chain keeps its order when ends and middles leave") {
    std::array<node, 6> slots{};
    line c;
    for (std::uint32_t i : {2u, 4u, 1u, 5u}) c.push_back(slots, i);
    c.push_front(slots, 3);
    CHECK(order(c, slots) == std::vector<std::uint32_t>{3, 2, 4, 1, 5});
    c.remove(slots, 4);
    c.remove(slots, 3);
    c.remove(slots, 5);
    CHECK(order(c, slots) == std::vector<std::uint32_t>{2, 1});
    CHECK(c.first() == 2);
    CHECK(c.last() == 1);
    c.remove(slots, 2);
    c.remove(slots, 1);
    CHECK(c.empty());
    CHECK(c.first() == sched::no_slot);
    CHECK(c.last() == sched::no_slot);
}

TEST_CASE("a slot stands in one chain for each of its links") {
    std::array<node, 2> slots{};
    line a;
    sched::chain<&node::other> b;
    a.push_back(slots, 1);
    b.push_back(slots, 1);
    CHECK(a.holds(slots, 1));
    CHECK(b.holds(slots, 1));
    CHECK_FALSE(a.holds(slots, 0));
    a.remove(slots, 1);
    CHECK(b.size() == 1);
}
