// SPDX-License-Identifier: Apache-2.0
// By hand; golden.weights compares every format with the `gguf` package.
#include <doctest/doctest.h>

#include <ashlar/kernel/weight.hpp>
#include <ashlar/kernel/weight_format.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("blocks have the sizes of the file format") {
    CHECK(k::row_bytes(k::weight_format::q4_1, 576) == 360);
    CHECK(k::row_bytes(k::weight_format::q8_0, 576) == 612);
    CHECK(k::row_bytes(k::weight_format::f32, 7) == 28);
    CHECK(k::row_bytes(k::weight_format::bf16, 7) == 14);
    CHECK(k::row_bytes(k::weight_format::q4_0, 64) == 36);
    CHECK(k::row_bytes(k::weight_format::q5_0, 64) == 44);
    CHECK(k::row_bytes(k::weight_format::q5_1, 64) == 48);
    CHECK(k::row_bytes(k::weight_format::q4_k, 512) == 288);
    CHECK(k::row_bytes(k::weight_format::q5_k, 512) == 352);
    CHECK(k::row_bytes(k::weight_format::q6_k, 512) == 420);
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

TEST_CASE("a q4_k block unpacks by hand: the last part's scale and least value have their high bits elsewhere") {
    std::byte block[144] = {std::byte{0x00}, std::byte{0x3c}, std::byte{0x00}, std::byte{0x40}}; // d = 1, e = 2
    block[4 + 3] = std::byte{0xc0};       // scale of part 7: high bits 3
    block[4 + 7] = std::byte{0x80};       // its least value: high bits 2
    block[4 + 11] = std::byte{0x51};      // low bits 1 and 5
    block[16 + 96 + 9] = std::byte{0xd0}; // column 9 of part 7: 13
    const k::weight_view w{k::weight_format::q4_k, block, 1, 256};
    CHECK(k::element(w, 0, 7 * 32 + 9) == 49 * 13 - 2 * 37);
    CHECK(k::element(w, 0, 7 * 32 + 10) == -2 * 37);
    CHECK(k::element(w, 0, 9) == 0);
}
