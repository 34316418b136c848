// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kernel/weight.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("an element is found by its row, its block and its part of the block") {
    each::matrix m(k::weight_format::q4_k, 3, 512, 1);
    float part[32];
    k::facts(k::weight_format::q4_k).unpack(m.bytes.data() + (2 * 2 + 1) * 144, 5, part);
    for (std::uint32_t c = 0; c < 32; ++c) CHECK(k::element(m.view, 2, 256 + 5 * 32 + c) == part[c]);
}

TEST_CASE("a view that cannot be is told from one that can") {
    const std::byte some[64] = {};
    CHECK(k::weight_view{k::weight_format::q8_0, some, 1, 32}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::q8_0, some, 1, 31}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::f32, nullptr, 1, 1}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::f32, some, 0, 1}.well_formed());
    CHECK_FALSE(k::weight_view{static_cast<k::weight_format>(11), some, 1, 1}.well_formed());
}
