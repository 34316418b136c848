// SPDX-License-Identifier: Apache-2.0
// Storage number formats: f16 (IEEE 754 binary16) and bf16 (upper half of binary32), bit-exact on every machine.
// Arithmetic happens in float; these only say how a float is stored. Conversion rounds to nearest, ties to even.
//
//     f16 h = to<f16>(1.0f);   float x = to_float(h);
//
// Trivial types without arithmetic: they can be memcpy'd, mapped from a file and sent over a wire. (The compiler's own
// bit cast stands here because std::bit_cast is a host function to nvcc.)
#pragma once

#include <cstdint>
#include <type_traits>

#include <ashlar/core/config.hpp>

namespace ashlar::inline v0 {

struct f16 {
    std::uint16_t bits;
    friend constexpr bool operator==(f16, f16) = default;
};

struct bf16 {
    std::uint16_t bits;
    friend constexpr bool operator==(bf16, bf16) = default;
};

using f32 = float;

ASHLAR_HD constexpr float to_float(float x) { return x; }

ASHLAR_HD constexpr float to_float(bf16 x) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16);
}

ASHLAR_HD constexpr float to_float(f16 x) {
    const std::uint32_t sign = (x.bits & 0x8000u) << 16;
    const std::uint32_t exponent = (x.bits >> 10) & 0x1fu;
    const std::uint32_t mantissa = x.bits & 0x3ffu;
    if (exponent == 0x1f) return __builtin_bit_cast(float, sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0) return __builtin_bit_cast(float, sign | ((exponent + 112) << 23) | (mantissa << 13));
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f; // subnormal: exact
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, magnitude) | sign);
}

template <class To>
ASHLAR_HD constexpr To to(float x) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
    if constexpr (std::is_same_v<To, float>) {
        return x;
    } else if constexpr (std::is_same_v<To, bf16>) {
        if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)}; // quiet NaN
        return {static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
    } else {
        static_assert(std::is_same_v<To, f16>, "to<To>: To is one of f32, f16, bf16");
        const std::uint32_t sign = (bits >> 16) & 0x8000u;
        const std::uint32_t magnitude = bits & 0x7fffffffu;
        if (magnitude > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu))};
        if (magnitude >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)}; // rounds to infinity
        if (magnitude < 0x38800000u) { // subnormal or zero: let float addition round at 2^-24
            const float shifted = __builtin_bit_cast(float, magnitude) + 0.5f;
            return {static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, shifted) - 0x3f000000u))};
        }
        const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
        return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
    }
}

} // namespace ashlar::inline v0
