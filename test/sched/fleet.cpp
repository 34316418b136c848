// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sched/fleet.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::sched;

TEST_CASE("a fleet covers a request with a pair or a unified instance, and knows what could ever fit") {
    fleet f(3);
    CHECK_FALSE(f.covers());
    const std::uint32_t p = f.add({{1}, role::prefill, {11}, 10, 16, 64, 4}, {});
    CHECK_FALSE(f.covers());
    (void)f.add({{2}, role::decode, {12}, 20, 16, 64, 4}, {});
    CHECK(f.covers());
    CHECK(f.could_hold(160, 320));
    CHECK_FALSE(f.could_hold(161, 320));
    CHECK_FALSE(f.could_hold(160, 321));
    f.remove(p);
    CHECK(f.find({1}) == no_slot);
    CHECK_FALSE(f.covers());
    (void)f.add({{3}, role::unified, {13}, 21, 16, 64, 4}, {});
    CHECK(f.covers());
    CHECK(f.could_hold(300, 336));
}

TEST_CASE("a full fleet takes nobody") {
    fleet f(1);
    CHECK(f.add({{1}, role::unified, {1}, 1, 1, 1, 1}, {}) == 0);
    CHECK(f.add({{2}, role::unified, {1}, 1, 1, 1, 1}, {}) == no_slot);
}

TEST_CASE("room means blocks, a sequence and no recent refusal") {
    instance i{.facts = {{1}, role::decode, {1}, 10, 16, 64, 2}};
    CHECK(i.has_room(160));
    CHECK_FALSE(i.has_room(161));
    i.blocks_used = 9;
    CHECK(i.has_room(16));
    CHECK_FALSE(i.has_room(17));
    i.full = true;
    CHECK_FALSE(i.has_room(1));
    i.full = false;
    i.sequences = 2;
    CHECK_FALSE(i.has_room(1));
}
