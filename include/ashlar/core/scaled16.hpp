// SPDX-License-Identifier: Apache-2.0
// scaled16: a vector of 16-bit integers that share one scale. As large as f16 and some seven times finer where the
// elements of a vector are of one size: 15 bits below its largest element, where f16 gives each its own 11 bits.
//
//     scaled16 stored[64];
//     to_scaled16(values, 64, stored);             // whole vectors only: one element can move the scale
//     float x = to_float(stored[i], scale_of(stored));
//
// The scale takes no room of its own: bit b of its code is the lowest bit of element b, for the first eight, which
// are rounded to the nearest integer with that bit. A code is a float with 5 bits of exponent and 3 of mantissa, from
// 2^-26 to 56: the largest element may be 1.8 million, and below 2^-11 the integers are smaller, but still finer than
// f16's smallest number. A vector beyond that, or with an element that is not finite, is stored as all NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ashlar::inline v0 {

struct scaled16 {
    std::uint16_t bits; // two's complement
    friend constexpr bool operator==(scaled16, scaled16) = default;
};

namespace detail {
inline constexpr std::uint32_t scale_least = 101u << 23; // 2^-26, code 0
inline constexpr std::uint32_t scale_none = 255;         // the code of NaN

// Bits 0, 16, 32, 48 of x, gathered by one product: no two of its terms meet.
inline std::uint32_t lowest_bits(std::uint64_t x) {
    return static_cast<std::uint32_t>((x & 0x0001000100010001u) * 0x1000200040008000u >> 60);
}
} // namespace detail

// Of a packed vector.
inline float scale_of(const scaled16* packed) {
    std::uint64_t eight[2];
    std::memcpy(eight, packed, sizeof eight);
    const std::uint32_t code = detail::lowest_bits(eight[0]) | detail::lowest_bits(eight[1]) << 4;
    if (code == detail::scale_none) return __builtin_nanf("");
    return __builtin_bit_cast(float, detail::scale_least + (code << 20));
}

inline float to_float(scaled16 x, float scale) { return static_cast<float>(static_cast<std::int16_t>(x.bits)) * scale; }

// count: at least 8.
inline void to_scaled16(const float* from, std::size_t count, scaled16* to) {
    constexpr float nearest = 0x1.8p23f; // added to |x| < 2^22, it leaves the nearest integer in the lowest bits
    std::uint32_t largest = 0;           // compared as bits: NaN and infinity are the largest
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t size = __builtin_bit_cast(std::uint32_t, from[i]) & 0x7fffffffu;
        largest = size > largest ? size : largest;
    }
    // The least scale that keeps integers within 32,766: with their lowest bit chosen they still fit.
    const std::uint32_t wanted = __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, largest) / 32766.0f);
    std::uint32_t code = wanted <= detail::scale_least ? 0 : (wanted - detail::scale_least + 0xfffffu) >> 20;
    code = code < detail::scale_none ? code : detail::scale_none;
    const float scale = __builtin_bit_cast(float, detail::scale_least + (code << 20));
    const auto integer = [](float x) { return __builtin_bit_cast(std::uint32_t, x + nearest); };
    for (std::size_t i = 0; i < count; ++i) {
        const float x = code == detail::scale_none ? 0.0f : from[i] / scale;
        const std::uint32_t bit = i < 8 ? code >> i & 1u : 0;
        const std::uint32_t whole = i < 8 ? integer((x - static_cast<float>(bit)) * 0.5f) * 2 + bit : integer(x);
        to[i] = {static_cast<std::uint16_t>(whole)};
    }
}

} // namespace ashlar::inline v0
