// SPDX-License-Identifier: Apache-2.0
// How model files store weights, as one table: a format is the columns that share a block, the block's bytes, and a
// function that unpacks 32 of the columns (or the only one) into float. A new format is a function and a row.
//
//     row_bytes(weight_format::q4_k, 2048);   float x[32];   facts(weight_format::q4_k).unpack(block, 3, x);
//
// Blocks are GGUF's (ggml-org/ggml, docs/gguf.md and src/ggml-common.h; the formulas are those of
// gguf-py/gguf/quants.py, whose values these are to the last bit, since all products but Q6_K's last are exact in
// float):
//     q4_0 q4_1 q5_0 q5_1 q8_0   x = d (q - 8), d q + m, d (q - 16), d q + m, d q
//     q4_k q5_k                  x = (d s) q - (e m): 8 parts of 32, each a 6-bit scale s and a 6-bit least value m
//     q6_k                       x = (d s) (q - 32): 16 parts of 16, each a signed 8-bit scale s
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ashlar/core/number.hpp>

namespace ashlar::inline v0::kernel {

enum class weight_format : std::uint8_t { f32, f16, bf16, q4_1, q8_0, q4_0, q5_0, q5_1, q4_k, q5_k, q6_k };
inline constexpr std::size_t weight_formats = 11;

template <class T>
T unaligned(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

namespace detail {
inline std::uint32_t bits(const std::byte* at, std::uint32_t shift, std::uint32_t mask) {
    return std::to_integer<std::uint32_t>(*at) >> shift & mask;
}

template <class T>
void unpack_plain(const std::byte* block, std::uint32_t, float* out) {
    *out = to_float(unaligned<T>(block));
}

// 32 columns of Bits bits: f16 d, f16 m if Least, the fifth bits as one dword, then nibbles: low ones are columns 0-15.
template <std::uint32_t Bits, bool Least>
void unpack_32(const std::byte* block, std::uint32_t, float* out) {
    const float d = to_float(unaligned<f16>(block));
    const float least = Least ? to_float(unaligned<f16>(block + 2)) : 0;
    const std::byte* fifth = block + (Least ? 4 : 2);
    const std::byte* nibbles = fifth + (Bits == 5 ? 4 : 0);
    for (std::uint32_t i = 0; i < 32; ++i) {
        std::uint32_t q = bits(nibbles + i % 16, i / 16 * 4, 15);
        if (Bits == 5) q |= bits(fifth + i / 8, i % 8, 1) << 4;
        out[i] =
            Least ? d * static_cast<float>(q) + least : d * static_cast<float>(static_cast<int>(q) - (1 << Bits) / 2);
    }
}

inline void unpack_q8_0(const std::byte* block, std::uint32_t, float* out) {
    const float d = to_float(unaligned<f16>(block));
    for (std::uint32_t i = 0; i < 32; ++i) out[i] = d * static_cast<float>(unaligned<std::int8_t>(block + 2 + i));
}

// 256 columns of Bits bits: f16 d, f16 e, 12 bytes of s and m, the fifth bits (bit `part` of 32 bytes), then nibbles:
// low ones of 32 bytes are an even part, high ones the next.
template <std::uint32_t Bits>
void unpack_k(const std::byte* block, std::uint32_t part, float* out) {
    const std::byte *s = block + 4 + part % 4, *fifth = block + 16, *nibbles = fifth + (Bits == 5 ? 32 : 0);
    const std::uint32_t scale = part < 4 ? bits(s, 0, 63) : bits(s + 8, 0, 15) | bits(s, 6, 3) << 4;
    const std::uint32_t least = part < 4 ? bits(s + 4, 0, 63) : bits(s + 8, 4, 15) | bits(s + 4, 6, 3) << 4;
    const float d = to_float(unaligned<f16>(block)) * static_cast<float>(scale);
    const float m = to_float(unaligned<f16>(block + 2)) * static_cast<float>(least);
    for (std::uint32_t i = 0; i < 32; ++i) {
        std::uint32_t q = bits(nibbles + part / 2 * 32 + i, part % 2 * 4, 15);
        if (Bits == 5) q |= bits(fifth + i, part, 1) << 4;
        out[i] = d * static_cast<float>(q) - m;
    }
}

// 256 columns: per half 64 bytes of nibbles (low ones are parts 0 and 1 of the half, high ones 2 and 3), then per half
// 32 bytes of two bits a part, 16 scales, f16 d.
inline void unpack_q6_k(const std::byte* block, std::uint32_t part, float* out) {
    const std::uint32_t half = part / 4, quarter = part % 4;
    const std::byte *nibbles = block + half * 64 + quarter % 2 * 32, *high = block + 128 + half * 32;
    const float d = to_float(unaligned<f16>(block + 208));
    for (std::uint32_t i = 0; i < 32; ++i) {
        const float scale = d * static_cast<float>(unaligned<std::int8_t>(block + 192 + part * 2 + i / 16));
        const std::uint32_t q = bits(nibbles + i, quarter / 2 * 4, 15) | bits(high + i, quarter * 2, 3) << 4;
        out[i] = scale * static_cast<float>(static_cast<std::int32_t>(q) - 32);
    }
}
} // namespace detail

struct format_facts {
    std::uint32_t columns, bytes;                                           // of a block
    void (*unpack)(const std::byte* block, std::uint32_t part, float* out); // columns [32 part, 32 part + 32), or 1
};

inline constexpr format_facts format_table[weight_formats] = {
    {1, 4, detail::unpack_plain<float>},   {1, 2, detail::unpack_plain<f16>},    {1, 2, detail::unpack_plain<bf16>},
    {32, 20, detail::unpack_32<4, true>},  {32, 34, detail::unpack_q8_0},        {32, 18, detail::unpack_32<4, false>},
    {32, 22, detail::unpack_32<5, false>}, {32, 24, detail::unpack_32<5, true>}, {256, 144, detail::unpack_k<4>},
    {256, 176, detail::unpack_k<5>},       {256, 210, detail::unpack_q6_k}};

constexpr const format_facts& facts(weight_format f) { return format_table[static_cast<std::size_t>(f)]; }
constexpr std::uint32_t block_columns(weight_format f) { return facts(f).columns; }
constexpr std::uint32_t block_bytes(weight_format f) { return facts(f).bytes; }
constexpr std::size_t row_bytes(weight_format f, std::uint32_t columns) {
    return std::size_t{columns / block_columns(f)} * block_bytes(f);
}

} // namespace ashlar::inline v0::kernel
