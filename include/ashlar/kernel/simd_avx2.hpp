// SPDX-License-Identifier: Apache-2.0
// The kernels' vocabulary (see simd_portable.hpp, which defines it) in AVX2, FMA and F16C: two registers hold 16
// floats. Included by cpu.hpp when the compiler may use them.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // gcc 12's own headers: `__Y = __Y`
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <ashlar/core/number.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/kernel/cpu.hpp>

#if ASHLAR_KERNEL_AVX2
namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET {

struct avx2 {
    static constexpr std::string_view name = "AVX2";
    static constexpr int tile_tokens = 2; // 2 x 3 vectors: 12 of 16 registers
    static constexpr int fused_tokens = 1;

    struct vec {
        __m256 lo, hi;
    };
    struct nibbles {
        __m256i lo, hi;
    };

    static vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
    static vec set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static vec load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
    static vec load(const f16* from) { return {_mm256_cvtph_ps(half(from)), _mm256_cvtph_ps(half(from + 8))}; }
    static vec load(const bf16* from) { return {widen(half(from)), widen(half(from + 8))}; }
    static vec load(const std::int8_t* from) {
        const __m128i bytes = half(from);
        return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
    }
    static vec load(const scaled16* from) {
        return {_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half(from))),
                _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half(from + 8)))};
    }
    static vec load_first(const float* from, std::size_t n) {
        alignas(32) float buffer[lanes] = {};
        std::memcpy(buffer, from, n * sizeof(float));
        return load(buffer);
    }
    static void store(float* to, vec a) { _mm256_storeu_ps(to, a.lo), _mm256_storeu_ps(to + 8, a.hi); }
    static void store(f16* to, vec a) {
        put(to, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
        put(to + 8, _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
    }
    static void store(bf16* to, vec a) {
        float buffer[lanes];
        store(buffer, a);
        for (std::size_t i = 0; i < lanes; ++i) to[i] = ashlar::to<bf16>(buffer[i]);
    }
    static void store_first(float* to, vec a, std::size_t n) {
        float buffer[lanes];
        store(buffer, a);
        std::memcpy(to, buffer, n * sizeof(float));
    }

    static vec fma(vec a, vec b, vec c) {
        return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
    }
    static vec add(vec a, vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
    static vec mul(vec a, vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
    static vec div(vec a, vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
    static vec negate(vec a) {
        const __m256 sign = _mm256_set1_ps(-0.0f);
        return {_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign)};
    }
    static vec max(vec a, vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
    static vec min(vec a, vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
    static vec select_ge(vec x, vec y, vec a, vec b) {
        return {_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, y.lo, _CMP_GE_OQ)),
                _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, y.hi, _CMP_GE_OQ))};
    }
    static vec select_first(std::size_t n, vec a, vec b) {
        const __m256i count = _mm256_set1_epi32(static_cast<int>(n));
        const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        const __m256i lo = _mm256_cmpgt_epi32(count, index);
        const __m256i hi = _mm256_cmpgt_epi32(count, _mm256_add_epi32(index, _mm256_set1_epi32(8)));
        return {_mm256_blendv_ps(b.lo, a.lo, _mm256_castsi256_ps(lo)),
                _mm256_blendv_ps(b.hi, a.hi, _mm256_castsi256_ps(hi))};
    }
    static vec swap_pairs(vec a) { return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)}; }
    static vec round(vec a) {
        return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
    }
    static vec power2(vec a) { return {power2(a.lo), power2(a.hi)}; }

    static nibbles load_nibbles(const std::byte* from) {
        const auto* p = reinterpret_cast<const __m256i*>(from);
        return {_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1)};
    }
    static vec low_nibble(nibbles a) {
        const __m256i mask = _mm256_set1_epi32(15);
        return {_mm256_cvtepi32_ps(_mm256_and_si256(a.lo, mask)), _mm256_cvtepi32_ps(_mm256_and_si256(a.hi, mask))};
    }
    static nibbles next_nibble(nibbles a) { return {_mm256_srli_epi32(a.lo, 4), _mm256_srli_epi32(a.hi, 4)}; }

    static float sum(vec a) {
        const __m256 eight = _mm256_add_ps(a.lo, a.hi);
        __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
    }
    static float highest(vec a) {
        const __m256 eight = _mm256_max_ps(a.lo, a.hi);
        __m128 x = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
    }
    static vec sums(const vec (&a)[lanes]) { return {sums(a, 0), sums(a, 8)}; }

private:
    template <class T>
    static __m128i half(const T* from) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    }
    static void put(f16* to, __m128i x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x); }
    static __m256 widen(__m128i bf) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf), 16)); }
    static __m256 power2(__m256 a) {
        const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
        return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
    }
    // The sums of a[base .. base + 8): halves, then quarters, then within four lanes, two vectors at a time.
    static __m256 sums(const vec (&a)[lanes], std::size_t base) {
        __m256 four[4]; // [i]: lanes 0-3 belong to a[base + i], lanes 4-7 to a[base + i + 4]
        for (std::size_t i = 0; i < 4; ++i) {
            const __m256 x = _mm256_add_ps(a[base + i].lo, a[base + i].hi);
            const __m256 y = _mm256_add_ps(a[base + i + 4].lo, a[base + i + 4].hi);
            four[i] = _mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31));
        }
        const auto two = [](__m256 x, __m256 y) {
            return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x44), _mm256_shuffle_ps(x, y, 0xee));
        };
        const __m256 x = two(four[0], four[1]), y = two(four[2], four[3]);
        return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x88), _mm256_shuffle_ps(x, y, 0xdd));
    }
};

} // namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET
#endif
