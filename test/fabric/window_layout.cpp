// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/window_layout.hpp>

#include <doctest/doctest.h>

using namespace ashlar::fabric;

TEST_CASE("lanes start on cache lines and end before the block does") {
    constexpr window_layout shape{5, 8192, 7};
    static_assert(shape.sane());
    static_assert(shape.lanes_at() % 64 == 0 && shape.lane_bytes() % 64 == 0);
    static_assert(shape.lanes_at() >= sizeof(window_control) + 7 * sizeof(window_region));
    static_assert(shape.bytes() == shape.lanes_at() + 5 * shape.lane_bytes());
    CHECK(shape.bytes() > 5 * 8192);
}

TEST_CASE("shapes that a liar could tell are not sane") {
    CHECK(!window_layout{0, 8192, 1}.sane());
    CHECK(!window_layout{1, 8193, 1}.sane());
    CHECK(!window_layout{1, 4096, 1}.sane());
    CHECK(!window_layout{0xffffffff, 8192, 1}.sane());
    CHECK(!window_layout{1, 8192, 0xffffffff}.sane());
    CHECK(!window_layout{1, 0x80000000, 1}.sane());
}
