// SPDX-License-Identifier: Apache-2.0
// CRC32C by carry-less multiplication: 256 bytes at a time are multiplied forward and added to the next 256, as in
// Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), here with
// 512-bit registers. What is read can be stored elsewhere on the way, past the caches: then the checksum of a copy
// costs no second look at memory. The polynomial's arithmetic stands here as well.
//
//     if (can_fold()) r = fold<false>(r, bytes, n / fold_bytes * fold_bytes, nullptr);   // see crc32c, copy_nt_crc32c
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ashlar::inline v0::detail::crc {

// Bit-reflected: bit 31 is x^0, bit 0 is x^31.
inline constexpr std::uint32_t polynomial = 0x82f63b78;

// a * b modulo the polynomial.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (std::uint32_t bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit) product ^= b;
        b = b & 1 ? (b >> 1) ^ polynomial : b >> 1;
    }
    return product;
}

// x^n modulo the polynomial.
constexpr std::uint32_t x_power(std::uint64_t n) {
    std::uint32_t power = 1u << 31;
    for (std::uint32_t square = 1u << 30; n; n >>= 1, square = multiply(square, square)) {
        if (n & 1) power = multiply(power, square);
    }
    return power;
}

inline constexpr std::size_t fold_bytes = 256;
inline constexpr std::size_t fetch_ahead = 1024;

#if defined(__x86_64__)
#define ASHLAR_FOLD_TARGET __attribute__((target("avx512f,vpclmulqdq,sse4.2")))

inline bool can_fold() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") &&
           __builtin_cpu_supports("sse4.2");
}

using wide = long long __attribute__((vector_size(64)));

// `ahead` plus what `bytes` is worth that stands Distance bytes before it. Each 128-bit part is L x^64 + H with L its
// first half; the carry-less product of two reflected 64-bit numbers is their product times x: hence the ones.
template <std::size_t Distance>
ASHLAR_FOLD_TARGET inline wide fold_onto(wide bytes, wide ahead) {
    constexpr auto first = static_cast<long long>(std::uint64_t{x_power(8 * Distance + 64 - 1)} << 32);
    constexpr auto second = static_cast<long long>(std::uint64_t{x_power(8 * Distance - 1)} << 32);
    constexpr wide factors{first, second, first, second, first, second, first, second};
#if defined(__clang__)
    return __builtin_ia32_pclmulqdq512(bytes, factors, 0x00) ^ __builtin_ia32_pclmulqdq512(bytes, factors, 0x11) ^
           ahead;
#else
    return __builtin_ia32_vpclmulqdq_v8di(bytes, factors, 0x00) ^ __builtin_ia32_vpclmulqdq_v8di(bytes, factors, 0x11) ^
           ahead;
#endif
}

ASHLAR_FOLD_TARGET inline wide load_wide(const std::byte* p) {
    wide v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <bool Copy>
ASHLAR_FOLD_TARGET inline wide take_wide(const std::byte* p, std::byte* to) {
    const wide v = load_wide(p);
    if constexpr (Copy) {
#if defined(__clang__)
        __builtin_nontemporal_store(v, reinterpret_cast<wide*>(to));
#else
        __builtin_ia32_movntdq512(reinterpret_cast<wide*>(to), v);
#endif
    }
    return v;
}

// Takes and returns the register, that is the complement of the CRC. n: a multiple of fold_bytes, not 0. With Copy the
// bytes are also stored at `to`, which lies on 64 bytes; an sfence is left to the caller.
template <bool Copy>
ASHLAR_FOLD_TARGET inline std::uint32_t fold(std::uint32_t r, const std::byte* p, std::size_t n,
                                             [[maybe_unused]] std::byte* to) {
    const auto at = [&](std::size_t i) { return Copy ? to + i : nullptr; };
    wide a = take_wide<Copy>(p, at(0)) ^ wide { static_cast<long long>(r), 0, 0, 0, 0, 0, 0, 0 };
    wide b = take_wide<Copy>(p + 64, at(64)), c = take_wide<Copy>(p + 128, at(128)),
         d = take_wide<Copy>(p + 192, at(192));
    for (std::size_t i = fold_bytes; i < n; i += fold_bytes) {
        if (i + fetch_ahead < n) // the processor's own prefetching begins anew in each 4 KiB
            for (std::size_t j = 0; j < fold_bytes; j += 64) __builtin_prefetch(p + i + fetch_ahead + j, 0, 2);
        a = fold_onto<256>(a, take_wide<Copy>(p + i, at(i)));
        b = fold_onto<256>(b, take_wide<Copy>(p + i + 64, at(i + 64)));
        c = fold_onto<256>(c, take_wide<Copy>(p + i + 128, at(i + 128)));
        d = fold_onto<256>(d, take_wide<Copy>(p + i + 192, at(i + 192)));
    }
    const wide last = fold_onto<64>(fold_onto<64>(fold_onto<64>(a, b), c), d);
    unsigned long long reduced = 0; // these 64 bytes have the register of all
    for (int i = 0; i < 8; ++i) reduced = __builtin_ia32_crc32di(reduced, static_cast<unsigned long long>(last[i]));
    return static_cast<std::uint32_t>(reduced);
}
#undef ASHLAR_FOLD_TARGET
#else
inline bool can_fold() { return false; }
template <bool Copy>
std::uint32_t fold(std::uint32_t r, const std::byte*, std::size_t, std::byte*) {
    return r;
}
#endif

} // namespace ashlar::inline v0::detail::crc
