// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/kernel/weight.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("blocks have the sizes of the file format") {
    CHECK(k::row_bytes(k::weight_format::q4_1, 576) == 360);
    CHECK(k::row_bytes(k::weight_format::q8_0, 576) == 612);
    CHECK(k::row_bytes(k::weight_format::f32, 7) == 28);
    CHECK(k::row_bytes(k::weight_format::bf16, 7) == 14);
}

TEST_CASE("a q4_1 block unpacks by hand: low nibbles first, then high ones, scale and least value in front") {
    std::byte block[20] = {std::byte{0x00}, std::byte{0x3c}, std::byte{0x00}, std::byte{0xc0}}; // d = 1, m = -2
    for (int i = 0; i < 16; ++i) block[4 + i] = static_cast<std::byte>(i | (15 - i) << 4);
    const k::weight_view w{k::weight_format::q4_1, block, 1, 32};
    for (std::uint32_t c = 0; c < 32; ++c) CHECK(k::element(w, 0, c) == (c < 16 ? float(c) : 31.0f - float(c)) - 2);
}

TEST_CASE("a q8_0 block unpacks by hand") {
    std::byte block[34] = {std::byte{0x00}, std::byte{0x38}}; // d = 0.5
    for (int i = 0; i < 32; ++i) block[2 + i] = static_cast<std::byte>(i * 8 - 128);
    const k::weight_view w{k::weight_format::q8_0, block, 1, 32};
    for (std::uint32_t c = 0; c < 32; ++c) CHECK(k::element(w, 0, c) == 0.5f * (float(c) * 8 - 128));
}

TEST_CASE("a view that cannot be is told from one that can") {
    const std::byte some[64] = {};
    CHECK(k::weight_view{k::weight_format::q8_0, some, 1, 32}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::q8_0, some, 1, 31}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::f32, nullptr, 1, 1}.well_formed());
    CHECK_FALSE(k::weight_view{k::weight_format::f32, some, 0, 1}.well_formed());
    CHECK_FALSE(k::weight_view{static_cast<k::weight_format>(9), some, 1, 1}.well_formed());
}
