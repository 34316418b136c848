// SPDX-License-Identifier: Apache-2.0
// The oracle is the compiler's own _Float16 (gcc 12: software or F16C, round to nearest even); where a compiler has
// none, the tests that need it are compiled out and the table of known values remains.
#include <ashlar/core/number.hpp>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using namespace ashlar;

namespace {
std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
float from_bits(std::uint32_t x) { return std::bit_cast<float>(x); }
} // namespace

TEST_CASE("known values, among them every edge of binary16") {
    const struct {
        float number;
        std::uint16_t half;
    } table[] = {
        {0.0f, 0x0000},
        {-0.0f, 0x8000},
        {1.0f, 0x3c00},
        {-2.0f, 0xc000},
        {65504.0f, 0x7bff},
        {0x1p-14f, 0x0400}, // smallest normal
        {0x1p-24f, 0x0001},
        {0x1.ff8p-15f, 0x03ff}, // smallest and largest subnormal
        {std::numeric_limits<float>::infinity(), 0x7c00},
        {-std::numeric_limits<float>::infinity(), 0xfc00},
    };
    for (auto [number, half] : table) {
        CHECK(to<f16>(number).bits == half);
        CHECK(bits(to_float(f16{half})) == bits(number));
    }
    CHECK(to<f16>(65519.996f).bits == 0x7bff); // below the tie to infinity
    CHECK(to<f16>(65520.0f).bits == 0x7c00);   // on it: to even is infinity
    CHECK(to<f16>(0x1p-25f).bits == 0x0000);   // half of the smallest: to even is zero
    CHECK(to<f16>(0x1.000002p-25f).bits == 0x0001);
    CHECK(to<f16>(0x1.ffep-15f).bits == 0x0400); // the largest subnormal rounds up into the normals
    static_assert(to<f16>(1.5f).bits == 0x3e00);
    static_assert(to_float(f16{0x3e00}) == 1.5f);
}

TEST_CASE("all 65,536 halves survive the way to float and back") {
    for (std::uint32_t i = 0; i <= 0xffff; ++i) {
        const f16 half{static_cast<std::uint16_t>(i)};
        const float number = to_float(half);
        const bool nan = (i & 0x7c00u) == 0x7c00u && (i & 0x3ffu) != 0;
        REQUIRE(std::isnan(number) == nan);
        if (nan)
            REQUIRE(to<f16>(number).bits == (i | 0x200u)); // quiet, payload kept
        else
            REQUIRE(to<f16>(number) == half);
    }
}

TEST_CASE("all 65,536 bfloat16 survive the way to float and back") {
    for (std::uint32_t i = 0; i <= 0xffff; ++i) {
        const bf16 brain{static_cast<std::uint16_t>(i)};
        const float number = to_float(brain);
        REQUIRE(bits(number) == i << 16);
        if (std::isnan(number))
            REQUIRE(to<bf16>(number).bits == (i | 0x40u));
        else
            REQUIRE(to<bf16>(number) == brain);
    }
}

TEST_CASE("bfloat16 rounds to the nearer neighbour, ties to even") {
    random_stream r{.seed = 11};
    for (int i = 0; i < 1'000'000; ++i) {
        const float x = from_bits(static_cast<std::uint32_t>(r.next()));
        if (!std::isfinite(x)) continue;
        const std::uint32_t below = bits(x) & 0xffff0000u; // towards zero
        const std::uint32_t above = below + 0x10000u;      // away from zero, perhaps infinity
        const std::uint32_t left = bits(x) - below;
        const bool up = left > 0x8000u || (left == 0x8000u && ((below >> 16) & 1u));
        REQUIRE(bits(to_float(to<bf16>(x))) == (up ? above : below));
    }
    CHECK(to<bf16>(std::numeric_limits<float>::max()).bits == 0x7f80); // rounds to infinity
    CHECK(to<bf16>(from_bits(0x3f808000u)).bits == 0x3f80);            // tie: stays even
    CHECK(to<bf16>(from_bits(0x3f818000u)).bits == 0x3f82);            // tie: goes to even
}

#if defined(__FLT16_MANT_DIG__)
TEST_CASE("binary16 agrees with the compiler's own on every half and its neighbourhood") {
    // Every half, the tie above it, and one float on either side of both: rounding goes wrong there or nowhere.
    for (std::uint32_t i = 0; i < 0x7c00u; ++i) {
        const float here = to_float(f16{static_cast<std::uint16_t>(i)});
        REQUIRE(here == static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(i))));
        const float next = i + 1 == 0x7c00u ? 65536.0f : to_float(f16{static_cast<std::uint16_t>(i + 1)});
        const float tie = here + (next - here) / 2;
        for (float x : {here, tie}) {
            for (float y : {x, std::nextafter(x, -1.0f), std::nextafter(x, 1e6f)}) {
                REQUIRE(to<f16>(y).bits == std::bit_cast<std::uint16_t>(static_cast<_Float16>(y)));
                REQUIRE(to<f16>(-y).bits == std::bit_cast<std::uint16_t>(static_cast<_Float16>(-y)));
            }
        }
    }
}

TEST_CASE("binary16 agrees with the compiler's own on a million random floats") {
    random_stream r{.seed = 12};
    for (int i = 0; i < 1'000'000; ++i) {
        const float x = from_bits(static_cast<std::uint32_t>(r.next()));
        if (std::isnan(x)) continue;
        REQUIRE(to<f16>(x).bits == std::bit_cast<std::uint16_t>(static_cast<_Float16>(x)));
    }
}
#endif

TEST_CASE("a float stays what it is") {
    random_stream r{.seed = 13};
    for (int i = 0; i < 1000; ++i) {
        const std::uint32_t x = static_cast<std::uint32_t>(r.next()) & 0xff7fffffu; // no NaN: moving one may quieten it
        CHECK(bits(to<f32>(from_bits(x))) == x);
        CHECK(bits(to_float(from_bits(x))) == x);
    }
}
