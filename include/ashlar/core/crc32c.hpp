// SPDX-License-Identifier: Apache-2.0
// CRC32C (Castagnoli, RFC 3720 §12.1): the checksum of transferred pages. By 512-bit folding, three interleaved streams
// of the crc32 instruction, or eight tables, as the processor can (asked at run time); the same number everywhere.
//
//     std::uint32_t whole = crc32c(bytes);   // == crc32c(second_half, crc32c(first_half))
//                                            // == crc32c_combine(crc32c(first), crc32c(second), second.size())
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/crc32c_fold.hpp>

namespace ashlar::inline v0 {

namespace detail::crc {

// tables[k][b]: the register after byte b and k zero bytes ("slicing by 8", Kounavis and Berry 2005).
inline constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t b = 0; b < 256; ++b) {
        std::uint32_t r = b;
        for (int i = 0; i < 8; ++i) r = r & 1 ? (r >> 1) ^ polynomial : r >> 1;
        t[0][b] = r;
    }
    for (std::size_t k = 1; k < 8; ++k) {
        for (std::size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xff];
    }
    return t;
}();

inline std::uint64_t load(const std::byte* p) {
    std::uint64_t v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// These take and return the register, that is the complement of the CRC.
inline std::uint32_t by_table(std::uint32_t r, const std::byte* p, std::size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        const std::uint64_t v = load(p) ^ r;
        r = 0;
        for (std::size_t k = 0; k < 8; ++k) r ^= tables[7 - k][(v >> (8 * k)) & 0xff];
    }
    for (; n; ++p, --n) r = (r >> 8) ^ tables[0][(r ^ static_cast<std::uint32_t>(*p)) & 0xff];
    return r;
}

#if defined(__x86_64__)
#define ASHLAR_CRC_TARGET __attribute__((target("sse4.2,pclmul")))

inline bool has_instructions() { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"); }

// The register r after `Bytes` more zero bytes: r * x^(8 Bytes). The carry-less product of two reflected 32-bit numbers
// is their product times x, and the crc32 instruction multiplies by x^32 as it reduces: hence the 33.
template <std::size_t Bytes>
ASHLAR_CRC_TARGET inline std::uint32_t shift(std::uint32_t r) {
    using two = long long __attribute__((vector_size(16)));
    constexpr long long factor = x_power(8 * Bytes - 33);
    const two product = __builtin_ia32_pclmulqdq128(two{r, 0}, two{factor, 0}, 0);
    return static_cast<std::uint32_t>(__builtin_ia32_crc32di(0, static_cast<unsigned long long>(product[0])));
}

// The instruction takes three cycles and can start every cycle: three streams keep it busy.
template <std::size_t Stream>
ASHLAR_CRC_TARGET inline std::uint32_t three_streams(std::uint32_t r, const std::byte* p) {
    unsigned long long a = r, b = 0, c = 0;
    for (std::size_t i = 0; i < Stream; i += 8) {
        a = __builtin_ia32_crc32di(a, load(p + i));
        b = __builtin_ia32_crc32di(b, load(p + Stream + i));
        c = __builtin_ia32_crc32di(c, load(p + 2 * Stream + i));
    }
    return shift<2 * Stream>(static_cast<std::uint32_t>(a)) ^ shift<Stream>(static_cast<std::uint32_t>(b)) ^
           static_cast<std::uint32_t>(c);
}

ASHLAR_CRC_TARGET inline std::uint32_t by_instruction(std::uint32_t r, const std::byte* p, std::size_t n) {
    constexpr std::size_t wide = 1024, narrow = 128;
    for (; n >= 3 * wide; p += 3 * wide, n -= 3 * wide) r = three_streams<wide>(r, p);
    for (; n >= 3 * narrow; p += 3 * narrow, n -= 3 * narrow) r = three_streams<narrow>(r, p);
    unsigned long long wide_r = r;
    for (; n >= 8; p += 8, n -= 8) wide_r = __builtin_ia32_crc32di(wide_r, load(p));
    r = static_cast<std::uint32_t>(wide_r);
    for (; n; ++p, --n) r = __builtin_ia32_crc32qi(r, static_cast<unsigned char>(*p));
    return r;
}
#undef ASHLAR_CRC_TARGET
#else
inline bool has_instructions() { return false; }
inline std::uint32_t by_instruction(std::uint32_t r, const std::byte* p, std::size_t n) { return by_table(r, p, n); }
#endif

} // namespace detail::crc

// `seed`: the CRC of the bytes before these.
inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0) {
    namespace crc = detail::crc;
    std::uint32_t r = ~seed;
    const std::byte* p = bytes.data();
    std::size_t n = bytes.size();
    if (const std::size_t folded = n / crc::fold_bytes * crc::fold_bytes; folded && crc::can_fold()) {
        r = crc::fold<false>(r, p, folded, nullptr);
        p += folded, n -= folded;
    }
    return ~(crc::has_instructions() ? crc::by_instruction(r, p, n) : crc::by_table(r, p, n));
}

// CRC of a followed by b, from both CRCs and the length of b in bytes.
constexpr std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) {
    return detail::crc::multiply(detail::crc::x_power(8 * b_size), a) ^ b;
}

} // namespace ashlar::inline v0
