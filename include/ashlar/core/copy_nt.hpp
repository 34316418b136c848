// SPDX-License-Identifier: Apache-2.0
// Copy and checksum: pages on their way to another process go around the cache with non-temporal stores (no read for
// ownership, nothing useful evicted). With AVX-512 and VPCLMULQDQ the bytes are folded into the CRC32C between load and
// store; elsewhere a few KiB are copied and then summed while they lie in L1. docs/core.md has the figures. Wide stores
// of AVX-512, AVX2 or SSE2, as the processor has them (asked at run time); other machines copy plainly.
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
inline constexpr std::size_t chunk = 6144;       // well inside L1
inline constexpr std::size_t plain_below = 1024; // what is this small is read again soon: leave it in the cache

enum class way : std::uint8_t { plain, sse2, avx2, avx512, fold };

#if defined(__x86_64__)
inline way best() {
    if (crc::can_fold()) return way::fold;
    if (__builtin_cpu_supports("avx512f")) return way::avx512;
    if (__builtin_cpu_supports("avx2")) return way::avx2;
    return way::sse2;
}

#if defined(__clang__)
#define ASHLAR_NT_STORE(to, value, gcc_builtin) __builtin_nontemporal_store(value, to)
#else
#define ASHLAR_NT_STORE(to, value, gcc_builtin) gcc_builtin(to, value)
#endif
// `to` on a line, n in whole lines.
#define ASHLAR_NT_LINES(name, isa, bytes, gcc_builtin)                                                                 \
    __attribute__((target(isa))) inline void name(std::byte* to, const std::byte* from, std::size_t n) {               \
        using wide = long long __attribute__((vector_size(bytes)));                                                    \
        for (std::size_t i = 0; i < n; i += bytes) {                                                                   \
            wide value;                                                                                                \
            std::memcpy(&value, from + i, bytes);                                                                      \
            ASHLAR_NT_STORE(reinterpret_cast<wide*>(to + i), value, gcc_builtin);                                      \
        }                                                                                                              \
    }
ASHLAR_NT_LINES(lines_avx512, "avx512f", 64, __builtin_ia32_movntdq512)
ASHLAR_NT_LINES(lines_avx2, "avx2", 32, __builtin_ia32_movntdq256)
ASHLAR_NT_LINES(lines_sse2, "sse2", 16, __builtin_ia32_movntdq)
#undef ASHLAR_NT_LINES
#undef ASHLAR_NT_STORE

inline void lines(way how, std::byte* to, const std::byte* from, std::size_t n) {
    switch (how) {
    case way::fold:
    case way::avx512:
        return lines_avx512(to, from, n);
    case way::avx2:
        return lines_avx2(to, from, n);
    case way::sse2:
        return lines_sse2(to, from, n);
    case way::plain:
        std::memcpy(to, from, n);
    }
}
inline void fence() { __builtin_ia32_sfence(); } // non-temporal stores are not ordered by a later release
#else
inline way best() { return way::plain; }
inline void lines(way, std::byte* to, const std::byte* from, std::size_t n) { std::memcpy(to, from, n); }
inline void fence() {}
#endif

inline std::uint32_t copy_by(way how, std::byte* to, const std::byte* from, std::size_t n) {
    std::uint32_t sum = 0;
    const auto pass = [&](std::size_t size) { to += size, from += size, n -= size; };
    const auto plain = [&](std::size_t size) {
        if (size == 0) return;
        std::memcpy(to, from, size);
        sum = crc32c({from, size}, sum);
        pass(size);
    };
    if (n < plain_below) return plain(n), sum;
    plain((line - reinterpret_cast<std::uintptr_t>(to) % line) % line);
    if (how == way::fold) {
        const std::size_t folded = n / crc::fold_bytes * crc::fold_bytes;
        sum = ~crc::fold<true>(~sum, from, folded, to);
        pass(folded);
    }
    while (n >= line) {
        const std::size_t now = n < chunk ? n / line * line : chunk;
        lines(how, to, from, now);
        sum = crc32c({from, now}, sum);
        pass(now);
    }
    plain(n);
    return sum;
}

} // namespace detail::copy

// Copies n bytes and returns their CRC32C. The bytes are visible to whoever sees a release store that comes after a
// copy_nt_fence: one for many copies, since it waits until the last byte has left.
inline std::uint32_t copy_nt_crc32c_unfenced(std::byte* to, const std::byte* from, std::size_t n) {
    return detail::copy::copy_by(detail::copy::best(), to, from, n);
}
inline void copy_nt_fence() { detail::copy::fence(); }

// When it returns, the bytes are visible to whoever sees a later release store.
inline std::uint32_t copy_nt_crc32c(std::byte* to, const std::byte* from, std::size_t n) {
    const std::uint32_t sum = copy_nt_crc32c_unfenced(to, from, n);
    copy_nt_fence();
    return sum;
}

} // namespace ashlar::inline v0
