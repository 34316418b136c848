// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/links.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("bytes leave behind those that were queued before, rounded up to a nanosecond; an idle link starts at once") {
    sim::links wires(3, 3'000'000'000);
    CHECK(wires.carry(0, 1, 3000, {}) == instant{1000});
    CHECK(wires.carry(0, 1, 1, {}) == instant{1001});
    CHECK(wires.carry(1, 0, 3000, {}) == instant{1000}); // the other direction
    CHECK(wires.carry(0, 2, 3000, {}) == instant{1000}); // another pair
    CHECK(wires.carry(0, 1, 0, {5000}) == instant{5000});
    CHECK(wires.carry(0, 1, std::size_t{1} << 40, {5000}).ns > 366'000'000'000); // no overflow
}

TEST_CASE("without a rate everything leaves at once") {
    sim::links wires(2, 0);
    CHECK(wires.carry(0, 1, std::size_t{1} << 40, {7}) == instant{7});
}

TEST_CASE("a cut is of one direction") {
    sim::links wires(2, 0);
    wires.cut(0, 1);
    CHECK(wires.is_cut(0, 1));
    CHECK_FALSE(wires.is_cut(1, 0));
    wires.heal(0, 1);
    CHECK_FALSE(wires.is_cut(0, 1));
}
