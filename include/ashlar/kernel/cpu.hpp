// SPDX-License-Identifier: Apache-2.0
// Which processor the kernels are compiled for. `avx512`, `avx2` and `portable` are the same vocabulary over 16 floats;
// a kernel is a template over one of them, and all three compute the same bits. `cpu` is the best that this translation
// unit's compiler flags allow. The processor itself is asked once, by the program:
//
//     if (auto words = kernel::missing(); !words.empty()) { print(words); return 1; }   // instead of SIGILL
//
// Everything that is compiled from here lives in an inline namespace named after the flags: files of one program that
// are compiled for different processors do not share symbols.
#pragma once

#include <cstddef>
#include <string_view>

#include <ashlar/core/result.hpp>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) &&                 \
    defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define ASHLAR_KERNEL_TARGET for_avx512
#define ASHLAR_KERNEL_AVX512 1
#define ASHLAR_KERNEL_AVX2 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define ASHLAR_KERNEL_TARGET for_avx2
#define ASHLAR_KERNEL_AVX512 0
#define ASHLAR_KERNEL_AVX2 1
#else
#define ASHLAR_KERNEL_TARGET for_any_processor
#define ASHLAR_KERNEL_AVX512 0
#define ASHLAR_KERNEL_AVX2 0
#endif

namespace ashlar::inline v0::kernel {

inline constexpr std::size_t lanes = 16; // of every vocabulary, whatever the registers' width

inline namespace ASHLAR_KERNEL_TARGET {

struct portable;
#if ASHLAR_KERNEL_AVX2
struct avx2;
#endif
#if ASHLAR_KERNEL_AVX512
struct avx512;
using cpu = avx512;
#elif ASHLAR_KERNEL_AVX2
using cpu = avx2;
#else
using cpu = portable;
#endif

// Empty when this processor has what `cpu` was compiled for; else a sentence. Executes nothing beyond the baseline, if
// the file that calls it does not: call it first in main, before any other code of a native build can run.
inline std::string_view missing() {
#if ASHLAR_KERNEL_AVX2
    __builtin_cpu_init();
    // F16C came before AVX2 in every line of processors, and clang 16 does not know its name here.
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return "This program was built for processors with AVX2, FMA and F16C, which this one lacks: "
               "build it again here, or without -march.";
    }
#endif
#if ASHLAR_KERNEL_AVX512
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
        return "This program was built for processors with AVX-512 (F, BW, DQ, VL), which this one lacks: "
               "build it again here, or without -march.";
    }
#endif
    return {};
}

inline result<void> require_cpu() {
    if (missing().empty()) return {};
    return {errc::unsupported, origin::kernel};
}

namespace detail {
// Calls body.operator()<N>() for N = count, 1 <= count <= Most.
template <std::size_t Most, class Body>
void with_count(std::size_t count, Body&& body) {
    if constexpr (Most > 1) {
        if (count < Most) return with_count<Most - 1>(count, body);
    }
    body.template operator()<Most>();
}
} // namespace detail

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel

#include <ashlar/kernel/simd_portable.hpp>
#if ASHLAR_KERNEL_AVX2
#include <ashlar/kernel/simd_avx2.hpp>
#endif
#if ASHLAR_KERNEL_AVX512
#include <ashlar/kernel/simd_avx512.hpp>
#endif
