// SPDX-License-Identifier: Apache-2.0
// Copy and checksum, a few KiB at a time: pages on their way to another process go around the cache with non-temporal
// stores (no read for ownership, nothing useful evicted), each chunk after its CRC32C, while it lies in L1. No gain
// over memcpy and crc32c has been measured yet. Wide stores of AVX-512, AVX2 or SSE2, as the processor has them (asked
// at run time); other machines copy plainly.
//
//     op.checksum = copy_nt_crc32c(to, from, 12288);   // any size, any alignment; no overlap
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/crc32c.hpp>

namespace ashlar::inline v0 {

namespace detail::copy {

inline constexpr std::size_t line = 64;
inline constexpr std::size_t chunk = 6144;       // two wide rounds of the CRC; well inside L1
inline constexpr std::size_t plain_below = 1024; // what is this small is read again soon: leave it in the cache

enum class store_width : std::uint8_t { none, sse2, avx2, avx512 };

#if defined(__x86_64__)
inline store_width widest() {
    if (__builtin_cpu_supports("avx512f")) return store_width::avx512;
    if (__builtin_cpu_supports("avx2")) return store_width::avx2;
    return store_width::sse2;
}

#if defined(__clang__)
#define ASHLAR_NT_STORE(to, value, gcc_builtin) __builtin_nontemporal_store(value, to)
#else
#define ASHLAR_NT_STORE(to, value, gcc_builtin) gcc_builtin(to, value)
#endif
// `to` on a line, n in whole lines; each line of `next` is asked for while the stores drain.
#define ASHLAR_NT_LINES(name, isa, bytes, gcc_builtin)                                                                 \
    __attribute__((target(isa))) inline void name(std::byte* to, const std::byte* from, std::size_t n,                 \
                                                  const std::byte* next) {                                             \
        using wide = long long __attribute__((vector_size(bytes)));                                                    \
        for (std::size_t i = 0; i < n; i += line) {                                                                    \
            if (next) __builtin_prefetch(next + i);                                                                    \
            for (std::size_t j = i; j < i + line; j += bytes) {                                                        \
                wide value;                                                                                            \
                std::memcpy(&value, from + j, bytes);                                                                  \
                ASHLAR_NT_STORE(reinterpret_cast<wide*>(to + j), value, gcc_builtin);                                  \
            }                                                                                                          \
        }                                                                                                              \
    }
ASHLAR_NT_LINES(lines_avx512, "avx512f", 64, __builtin_ia32_movntdq512)
ASHLAR_NT_LINES(lines_avx2, "avx2", 32, __builtin_ia32_movntdq256)
ASHLAR_NT_LINES(lines_sse2, "sse2", 16, __builtin_ia32_movntdq)
#undef ASHLAR_NT_LINES
#undef ASHLAR_NT_STORE

inline void lines(store_width width, std::byte* to, const std::byte* from, std::size_t n, const std::byte* next) {
    switch (width) {
    case store_width::avx512:
        return lines_avx512(to, from, n, next);
    case store_width::avx2:
        return lines_avx2(to, from, n, next);
    case store_width::sse2:
        return lines_sse2(to, from, n, next);
    case store_width::none:
        std::memcpy(to, from, n);
    }
}
inline void fence() { __builtin_ia32_sfence(); } // non-temporal stores are not ordered by a later release
#else
inline store_width widest() { return store_width::none; }
inline void lines(store_width, std::byte* to, const std::byte* from, std::size_t n, const std::byte*) {
    std::memcpy(to, from, n);
}
inline void fence() {}
#endif

inline std::uint32_t with_width(store_width width, std::byte* to, const std::byte* from, std::size_t n) {
    std::uint32_t sum = 0;
    const auto plain = [&](std::size_t size) {
        if (size == 0) return;
        sum = crc32c({from, size}, sum);
        std::memcpy(to, from, size);
        to += size, from += size, n -= size;
    };
    if (n < plain_below) return plain(n), sum;
    plain((line - reinterpret_cast<std::uintptr_t>(to) % line) % line);
    while (n >= line) {
        const std::size_t now = n < chunk ? n / line * line : chunk;
        const bool more = n - now >= chunk;
        sum = crc32c({from, now}, sum);
        lines(width, to, from, now, more ? from + now : nullptr);
        to += now, from += now, n -= now;
    }
    plain(n);
    fence();
    return sum;
}

} // namespace detail::copy

// Copies n bytes and returns their CRC32C. When it returns, the bytes are visible to whoever sees a later release
// store.
inline std::uint32_t copy_nt_crc32c(std::byte* to, const std::byte* from, std::size_t n) {
    return detail::copy::with_width(detail::copy::widest(), to, from, n);
}

} // namespace ashlar::inline v0
