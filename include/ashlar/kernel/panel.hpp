// SPDX-License-Identifier: Apache-2.0
// Weights as the processor wants them: packed once at load into panels of 48 rows whose columns follow each other, in
// the file's own precision and (but for the last panel's padding) its size. A vector holds the same column of 16
// neighbouring rows, so that every output element is one chain of fused multiply-adds over ascending columns, in one
// lane: the same bits for 1 token and for 512. 48 = 3 x 16: tiles of 8 x 3 and 2 x 3 vectors fill the registers of
// AVX-512 and of AVX2.
//
//     pack(weights, bytes /* packed_bytes(…), 64-byte aligned */, workers);
//     packed_matrix m{weights.format, weights.rows, weights.columns, bytes};   unpack_row(m, 7, out);
//
// A panel, per block of 32 columns (q4_1: f16 d[48], f16 m[48], then per 8 columns 48 dwords, nibble j of dword r =
// column j of row r; q8_0: f16 d[48], then 48 bytes a column) or per column (f32, f16, bf16: 48 values). The other
// formats lie as in the file, the same block of 48 rows side by side, and are unpacked a row's 32 columns at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/workers.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/weight.hpp>

namespace ashlar::inline v0::kernel {

inline constexpr std::uint32_t panel_rows = 48;
inline constexpr std::uint32_t panel_vectors = panel_rows / lanes;

constexpr std::uint32_t panel_count(std::uint32_t rows) { return (rows + panel_rows - 1) / panel_rows; }
constexpr std::size_t panel_bytes(weight_format f, std::uint32_t columns) { return panel_rows * row_bytes(f, columns); }
constexpr std::size_t packed_bytes(weight_format f, std::uint32_t rows, std::uint32_t columns) {
    return panel_count(rows) * panel_bytes(f, columns);
}

// Owns nothing.
struct packed_matrix {
    weight_format format = weight_format::f32;
    std::uint32_t rows = 0, columns = 0;
    const std::byte* data = nullptr;

    const std::byte* panel(std::uint32_t index) const { return data + index * panel_bytes(format, columns); }
};

inline namespace ASHLAR_KERNEL_TARGET {

namespace detail {
// Eight nibbles, one a byte, into a dword.
inline std::uint32_t squeeze(std::uint64_t x) {
    x = (x | x >> 4) & 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    return static_cast<std::uint32_t>(x | x >> 16);
}

// `block` of one row into its place in a panel's block.
inline void pack_block(weight_format f, const std::byte* block, std::byte* to, std::size_t row) {
    constexpr std::size_t scales = panel_rows * sizeof(f16);
    switch (f) {
    case weight_format::f32:
        std::memcpy(to + row * 4, block, 4);
        return;
    case weight_format::f16:
    case weight_format::bf16:
        std::memcpy(to + row * 2, block, 2);
        return;
    case weight_format::q4_1:
        std::memcpy(to + row * 2, block, 2);
        std::memcpy(to + scales + row * 2, block + 2, 2);
        for (std::size_t group = 0; group < 4; ++group) { // low nibbles of 0-7, of 8-15, high ones of 0-7, of 8-15
            const auto bytes = unaligned<std::uint64_t>(block + 4 + group % 2 * 8) >> (group < 2 ? 0 : 4);
            const std::uint32_t eight = squeeze(bytes & 0x0f0f0f0f0f0f0f0fu);
            std::memcpy(to + 2 * scales + (group * panel_rows + row) * 4, &eight, 4);
        }
        return;
    case weight_format::q8_0:
        std::memcpy(to + row * 2, block, 2);
        for (std::size_t j = 0; j < 32; ++j) to[scales + j * panel_rows + row] = block[2 + j];
        return;
    default:
        std::memcpy(to + row * block_bytes(f), block, block_bytes(f));
        return;
    }
}

// A block is asked for this many bytes before its turn: the processor's own prefetcher stops at every 4 KiB.
inline constexpr std::size_t prefetch_ahead = 4096;

[[gnu::always_inline]] inline void prefetch(const std::byte* at, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + prefetch_ahead + i);
}

// Columns [32 part, 32 part + 32) of 48 blocks that lie as in the file, to 48 floats a column.
inline void unpack_panel_part(weight_format f, const std::byte* blocks, std::uint32_t part, float* out) {
    for (std::size_t r = 0; r < panel_rows; ++r) {
        float row[32];
        facts(f).unpack(blocks + r * block_bytes(f), part, row);
        for (std::size_t j = 0; j < 32; ++j) out[j * panel_rows + r] = row[j];
    }
}

// Calls out(k, w) for columns first + k, k = 0, 1, …, of a panel, w[v] being its weights of rows 16 v … 16 v + 15.
// `first` and `columns`: whole blocks, or multiples of 32.
template <class K, weight_format F, class Out>
[[gnu::always_inline]] inline void each_column(const std::byte* panel, std::size_t first, std::size_t columns,
                                               Out&& out) {
    using vec = typename K::vec;
    constexpr std::size_t V = panel_vectors;
    constexpr std::size_t scales = panel_rows * sizeof(f16);
    const std::byte* at = panel + first / block_columns(F) * block_bytes(F) * panel_rows;
    vec w[V];
    if constexpr (F == weight_format::q4_1) {
        for (std::size_t k = 0; k < columns; k += 32, at += panel_rows * block_bytes(F)) {
            prefetch(at, panel_rows * block_bytes(F));
            const auto* d = reinterpret_cast<const f16*>(at);
            vec scale[V], least[V];
#pragma GCC unroll 3
            for (std::size_t v = 0; v < V; ++v) {
                scale[v] = K::load(d + v * lanes);
                least[v] = K::load(d + panel_rows + v * lanes);
            }
            for (std::size_t group = 0; group < 4; ++group) {
                typename K::nibbles q[V];
#pragma GCC unroll 3
                for (std::size_t v = 0; v < V; ++v) q[v] = K::load_nibbles(at + 2 * scales + (group * V + v) * 64);
#pragma GCC unroll 8
                for (std::size_t j = 0; j < 8; ++j) {
#pragma GCC unroll 3
                    for (std::size_t v = 0; v < V; ++v) {
                        w[v] = K::fma(scale[v], K::low_nibble(q[v]), least[v]);
                        q[v] = K::next_nibble(q[v]);
                    }
                    out(k + group * 8 + j, w);
                }
            }
        }
    } else if constexpr (F == weight_format::q8_0) {
        for (std::size_t k = 0; k < columns; k += 32, at += panel_rows * block_bytes(F)) {
            prefetch(at, panel_rows * block_bytes(F));
            const auto* d = reinterpret_cast<const f16*>(at);
            const auto* q = reinterpret_cast<const std::int8_t*>(at + scales);
            vec scale[V];
#pragma GCC unroll 3
            for (std::size_t v = 0; v < V; ++v) scale[v] = K::load(d + v * lanes);
#pragma GCC unroll 2
            for (std::size_t j = 0; j < 32; ++j) {
#pragma GCC unroll 3
                for (std::size_t v = 0; v < V; ++v) w[v] = K::mul(scale[v], K::load(q + j * panel_rows + v * lanes));
                out(k + j, w);
            }
        }
    } else if constexpr (block_columns(F) != 1) {
        alignas(64) float unpacked[32 * panel_rows];
        for (std::size_t k = 0; k < columns; k += 32) {
            const std::byte* blocks = panel + (first + k) / block_columns(F) * block_bytes(F) * panel_rows;
            unpack_panel_part(F, blocks, static_cast<std::uint32_t>((first + k) % block_columns(F) / 32), unpacked);
            for (std::size_t j = 0; j < 32; ++j) {
#pragma GCC unroll 3
                for (std::size_t v = 0; v < V; ++v) w[v] = K::load(unpacked + (j * V + v) * lanes);
                out(k + j, w);
            }
        }
    } else {
        using T =
            std::conditional_t<F == weight_format::f32, float, std::conditional_t<F == weight_format::f16, f16, bf16>>;
        const auto* q = reinterpret_cast<const T*>(at);
#pragma GCC unroll 2
        for (std::size_t k = 0; k < columns; ++k, q += panel_rows) {
#pragma GCC unroll 3
            for (std::size_t v = 0; v < V; ++v) w[v] = K::load(q + v * lanes);
            out(k, w);
        }
    }
}

// Calls f.template operator()<F>() with the format as a constant.
template <class Body>
void with_format(weight_format f, Body&& body) {
    switch (f) {
    case weight_format::f32:
        return body.template operator()<weight_format::f32>();
    case weight_format::f16:
        return body.template operator()<weight_format::f16>();
    case weight_format::bf16:
        return body.template operator()<weight_format::bf16>();
    case weight_format::q4_1:
        return body.template operator()<weight_format::q4_1>();
    case weight_format::q8_0:
        return body.template operator()<weight_format::q8_0>();
    case weight_format::q4_0:
        return body.template operator()<weight_format::q4_0>();
    case weight_format::q5_0:
        return body.template operator()<weight_format::q5_0>();
    case weight_format::q5_1:
        return body.template operator()<weight_format::q5_1>();
    case weight_format::q4_k:
        return body.template operator()<weight_format::q4_k>();
    case weight_format::q5_k:
        return body.template operator()<weight_format::q5_k>();
    case weight_format::q6_k:
        return body.template operator()<weight_format::q6_k>();
    }
}
} // namespace detail

struct in_file_order {
    std::uint32_t operator()(std::uint32_t row) const { return row; }
};

// `to`: packed_bytes(w.format, w.rows, w.columns), 64-byte aligned. Rows that pad the last panel are zero. Row r of the
// result is row order(r) of w.
template <workers W, class Order = in_file_order>
void pack(const weight_view& w, std::byte* to, W& threads, Order order = {}) {
    ASHLAR_ASSERT(w.well_formed() && reinterpret_cast<std::uintptr_t>(to) % 64 == 0);
    const std::size_t line = row_bytes(w.format, w.columns), blocks = w.columns / block_columns(w.format);
    const std::size_t size = panel_bytes(w.format, w.columns), block = block_bytes(w.format);
    threads.parallel_for(panel_count(w.rows), [&](std::size_t p) {
        const std::size_t first = p * panel_rows, rows = std::min<std::size_t>(panel_rows, w.rows - first);
        if (rows < panel_rows) std::memset(to + p * size, 0, size);
        for (std::size_t r = 0; r < rows; ++r) {
            const std::byte* from = w.data + order(static_cast<std::uint32_t>(first + r)) * line;
            std::byte* panel = to + p * size;
            for (std::size_t b = 0; b < blocks; ++b, from += block, panel += block * panel_rows) {
                detail::pack_block(w.format, from, panel, r);
            }
        }
    });
}

// Row `index` in float: the embedding of a token. The same values as `element`.
inline void unpack_row(const packed_matrix& m, std::uint32_t index, float* out) {
    ASHLAR_ASSERT(index < m.rows);
    const std::size_t r = index % panel_rows;
    constexpr std::size_t scales = panel_rows * sizeof(f16);
    const std::byte* at = m.panel(index / panel_rows);
    const std::size_t step = block_bytes(m.format) * std::size_t{panel_rows};
    for (std::uint32_t k = 0; k < m.columns; k += block_columns(m.format), at += step) {
        switch (m.format) {
        case weight_format::q4_1: {
            const float d = to_float(unaligned<f16>(at + r * 2));
            const float least = to_float(unaligned<f16>(at + scales + r * 2));
            for (std::size_t j = 0; j < 32; ++j) {
                const auto eight = unaligned<std::uint32_t>(at + 2 * scales + (j / 8 * panel_rows + r) * 4);
                out[k + j] = __builtin_fmaf(d, static_cast<float>(eight >> (j % 8 * 4) & 15), least);
            }
            break;
        }
        case weight_format::q8_0: {
            const float d = to_float(unaligned<f16>(at + r * 2));
            for (std::size_t j = 0; j < 32; ++j) {
                out[k + j] = d * static_cast<float>(unaligned<std::int8_t>(at + scales + j * panel_rows + r));
            }
            break;
        }
        default: // the row's block as in the file
            for (std::uint32_t j = 0; j < block_columns(m.format); j += 32) {
                facts(m.format).unpack(at + r * block_bytes(m.format), j / 32, out + k + j);
            }
        }
    }
}

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel
