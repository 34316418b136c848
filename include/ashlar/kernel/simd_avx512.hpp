// SPDX-License-Identifier: Apache-2.0
// The kernels' vocabulary (see simd_portable.hpp, which defines it) in AVX-512 F, BW, DQ and VL: one register holds 16
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
#include <string_view>

#include <ashlar/core/number.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/kernel/cpu.hpp>

#if ASHLAR_KERNEL_AVX512
namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET {

struct avx512 {
    static constexpr std::string_view name = "AVX-512";
    static constexpr int tile_tokens = 8; // 8 x 3 vectors: 24 of 32 registers
    static constexpr int fused_tokens = 4;

    struct vec {
        __m512 v;
    };
    struct nibbles {
        __m512i v;
    };

    static vec zero() { return {_mm512_setzero_ps()}; }
    static vec set1(float x) { return {_mm512_set1_ps(x)}; }
    static vec load(const float* from) { return {_mm512_loadu_ps(from)}; }
    static vec load(const f16* from) { return {_mm512_cvtph_ps(half(from))}; }
    static vec load(const bf16* from) {
        return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half(from)), 16))};
    }
    static vec load(const std::int8_t* from) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
    }
    static vec load(const scaled16* from) { return {_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(half(from)))}; }
    static vec load_first(const float* from, std::size_t n) { return {_mm512_maskz_loadu_ps(first(n), from)}; }
    static void store(float* to, vec a) { _mm512_storeu_ps(to, a.v); }
    static void store(f16* to, vec a) { put(to, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
    static void store(bf16* to, vec a) {
        const __m512i bits = _mm512_castps_si512(a.v), upper = _mm512_srli_epi32(bits, 16);
        const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
        const __m512i rounded =
            _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
        const __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
        const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
        put(to, _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet)));
    }
    static void store_first(float* to, vec a, std::size_t n) { _mm512_mask_storeu_ps(to, first(n), a.v); }

    static vec fma(vec a, vec b, vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
    static vec add(vec a, vec b) { return {_mm512_add_ps(a.v, b.v)}; }
    static vec mul(vec a, vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
    static vec div(vec a, vec b) { return {_mm512_div_ps(a.v, b.v)}; }
    static vec negate(vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
    static vec max(vec a, vec b) { return {_mm512_max_ps(a.v, b.v)}; }
    static vec min(vec a, vec b) { return {_mm512_min_ps(a.v, b.v)}; }
    static vec select_ge(vec x, vec y, vec a, vec b) {
        return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, y.v, _CMP_GE_OQ), a.v)};
    }
    static vec select_first(std::size_t n, vec a, vec b) { return {_mm512_mask_mov_ps(b.v, first(n), a.v)}; }
    static vec swap_pairs(vec a) { return {_mm512_permute_ps(a.v, 0xb1)}; }
    static vec round(vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
    static vec power2(vec a) {
        const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(a.v), _mm512_set1_epi32(127));
        return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
    }

    static nibbles load_nibbles(const std::byte* from) { return {_mm512_loadu_si512(from)}; }
    // A permutation looks at the low four bits of an index only: one instruction masks and converts.
    static vec low_nibble(nibbles a) {
        const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        return {_mm512_permutexvar_ps(a.v, numbers)};
    }
    static nibbles next_nibble(nibbles a) { return {_mm512_srli_epi32(a.v, 4)}; }

    static float sum(vec a) {
        const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
        __m128 x = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
    }
    static float highest(vec a) {
        const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
        __m128 x = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
    }
    // Two vectors enter each step and one leaves it, with half the lanes for each: 16, 8, 4, 2, 1. The order in which
    // they enter puts the sums in the order of the vectors.
    static vec sums(const vec (&a)[lanes]) {
        const auto eight = [](vec x, vec y) {
            return _mm512_add_ps(_mm512_shuffle_f32x4(x.v, y.v, 0x44), _mm512_shuffle_f32x4(x.v, y.v, 0xee));
        };
        const auto four = [&](std::size_t i) { // a[i], a[i + 4], a[i + 8], a[i + 12], four lanes each
            const __m512 x = eight(a[i], a[i + 4]), y = eight(a[i + 8], a[i + 12]);
            return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
        };
        const auto two = [](__m512 x, __m512 y) {
            return _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xee));
        };
        const __m512 x = two(four(0), four(1)), y = two(four(2), four(3));
        return {_mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd))};
    }

private:
    template <class T>
    static __m256i half(const T* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
    template <class T>
    static void put(T* to, __m256i x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
    }
    static __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

} // namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET
#endif
