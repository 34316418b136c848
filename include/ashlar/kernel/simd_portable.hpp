// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the kernels, spelt in plain C++: sixteen floats at a time, on any processor. It is the definition
// that simd_avx2.hpp and simd_avx512.hpp are tested against, bit for bit. Included by cpu.hpp.
//
//     portable::vec y = portable::fma(portable::set1(2), portable::load(x), portable::zero());
//
// Every product that feeds a sum is an explicit fma, so that no compiler decides about contraction.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <ashlar/core/number.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/kernel/cpu.hpp>

namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET {

struct portable {
    static constexpr std::string_view name = "portable";
    static constexpr int tile_tokens = 2;  // of the register tile over unpacked weights
    static constexpr int fused_tokens = 2; // up to so many, weights are unpacked in registers

    struct vec {
        float lane[lanes];
    };
    struct nibbles { // 16 x 8 unsigned 4-bit numbers
        std::uint32_t lane[lanes];
    };

    template <class F>
    static vec each(F&& f) {
        vec r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = f(i);
        return r;
    }

    static vec zero() { return {}; }
    static vec set1(float x) {
        return each([&](std::size_t) { return x; });
    }
    template <class T> // float, f16 or bf16
    static vec load(const T* from) {
        return each([&](std::size_t i) { return to_float(from[i]); });
    }
    static vec load(const std::int8_t* from) {
        return each([&](std::size_t i) { return static_cast<float>(from[i]); });
    }
    static vec load(const scaled16* from) { // the integers: the scale is the caller's
        return each([&](std::size_t i) { return to_float(from[i], 1); });
    }
    // The first n lanes; zeros after them. Touches no memory beyond.
    static vec load_first(const float* from, std::size_t n) {
        return each([&](std::size_t i) { return i < n ? from[i] : 0.0f; });
    }
    template <class T>
    static void store(T* to, vec a) {
        for (std::size_t i = 0; i < lanes; ++i) to[i] = ashlar::to<T>(a.lane[i]);
    }
    static void store_first(float* to, vec a, std::size_t n) { std::memcpy(to, a.lane, n * sizeof(float)); }

    static vec fma(vec a, vec b, vec c) {
        return each([&](std::size_t i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
    }
    static vec add(vec a, vec b) {
        return each([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
    }
    static vec mul(vec a, vec b) {
        return each([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
    }
    static vec div(vec a, vec b) {
        return each([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
    }
    static vec negate(vec a) {
        return each([&](std::size_t i) { return -a.lane[i]; });
    }
    // The second where they are equal or one is NaN, as the x86 instructions.
    static vec max(vec a, vec b) {
        return each([&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    static vec min(vec a, vec b) {
        return each([&](std::size_t i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    // a where x >= y, else b.
    static vec select_ge(vec x, vec y, vec a, vec b) {
        return each([&](std::size_t i) { return x.lane[i] >= y.lane[i] ? a.lane[i] : b.lane[i]; });
    }
    // a in the first n lanes, b after them.
    static vec select_first(std::size_t n, vec a, vec b) {
        return each([&](std::size_t i) { return i < n ? a.lane[i] : b.lane[i]; });
    }
    // (x1, x0, x3, x2, …)
    static vec swap_pairs(vec a) {
        return each([&](std::size_t i) { return a.lane[i ^ 1]; });
    }
    // To the nearest integer, ties to even. |a| < 2^22.
    static vec round(vec a) {
        return each([&](std::size_t i) { return __builtin_nearbyintf(a.lane[i]); });
    }
    // 2^a for integral a in [-126, 127].
    static vec power2(vec a) {
        return each([&](std::size_t i) {
            return std::bit_cast<float>(static_cast<std::uint32_t>(static_cast<std::int32_t>(a.lane[i]) + 127) << 23);
        });
    }

    static nibbles load_nibbles(const std::byte* from) {
        nibbles r;
        std::memcpy(r.lane, from, sizeof r.lane);
        return r;
    }
    static vec low_nibble(nibbles a) {
        return each([&](std::size_t i) { return static_cast<float>(a.lane[i] & 15); });
    }
    static nibbles next_nibble(nibbles a) {
        for (auto& l : a.lane) l >>= 4;
        return a;
    }

    // Sums in one stated order: lanes 8 apart, then 4, 2, 1.
    static float sum(vec a) {
        for (std::size_t half = lanes / 2; half > 0; half /= 2) {
            for (std::size_t i = 0; i < half; ++i) a.lane[i] += a.lane[i + half];
        }
        return a.lane[0];
    }
    static float highest(vec a) {
        for (std::size_t half = lanes / 2; half > 0; half /= 2) {
            for (std::size_t i = 0; i < half; ++i) {
                a.lane[i] = a.lane[i] > a.lane[i + half] ? a.lane[i] : a.lane[i + half];
            }
        }
        return a.lane[0];
    }
    // Lane i of the result is sum(a[i]).
    static vec sums(const vec (&a)[lanes]) {
        return each([&](std::size_t i) { return sum(a[i]); });
    }
};

} // namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET
