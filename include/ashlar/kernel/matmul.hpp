// SPDX-License-Identifier: Apache-2.0
// out = W x for one token or for hundreds, for several matrices that share their input at once. Each element is one
// chain of fp32 fused multiply-adds over ascending columns: its bits depend on its row of W and its token's x only.
//
//     const product jobs[] = {{&q, out_q, 576, false}, {&k, out_k, 192, false}};
//     matmul<cpu>(workers, x, x_stride, tokens, jobs);
//
// Few tokens: weights are unpacked in registers as they stream by, once. Many: a chunk of a panel is unpacked into the
// first-level cache and a register tile of tokens x 48 rows runs over it. Both are the same loop over another source.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/workers.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/panel.hpp>

namespace ashlar::inline v0::kernel {

// Element (t, r) lands at out[t * out_stride + r].
struct product {
    const packed_matrix* weights;
    float* out;
    std::size_t out_stride; // floats from a token to the next
    bool add;               // to what `out` holds
};

inline namespace ASHLAR_KERNEL_TARGET {

namespace detail {
inline constexpr std::size_t token_block = 128;  // of one task
inline constexpr std::size_t column_chunk = 128; // x 48 rows x 4 bytes = 24 KiB unpacked

// Partial sums of Tokens x 48 outputs, in registers.
template <class K, std::size_t Tokens>
struct register_tile {
    typename K::vec sum[Tokens][panel_vectors];
    const float* x;
    std::size_t stride;

    [[gnu::always_inline]] void operator()(std::size_t k, const typename K::vec (&w)[panel_vectors]) {
#pragma GCC unroll 8
        for (std::size_t t = 0; t < Tokens; ++t) {
            const auto a = K::set1(x[t * stride + k]);
#pragma GCC unroll 3
            for (std::size_t v = 0; v < panel_vectors; ++v) sum[t][v] = K::fma(a, w[v], sum[t][v]);
        }
    }
    [[gnu::always_inline]] void clear() {
#pragma GCC unroll 8
        for (std::size_t t = 0; t < Tokens; ++t) {
#pragma GCC unroll 3
            for (std::size_t v = 0; v < panel_vectors; ++v) sum[t][v] = K::zero();
        }
    }
    [[gnu::always_inline]] void load(const float* from) {
#pragma GCC unroll 8
        for (std::size_t t = 0; t < Tokens; ++t) {
#pragma GCC unroll 3
            for (std::size_t v = 0; v < panel_vectors; ++v) sum[t][v] = K::load(from + (t * panel_vectors + v) * lanes);
        }
    }
    [[gnu::always_inline]] void store(float* to) const {
#pragma GCC unroll 8
        for (std::size_t t = 0; t < Tokens; ++t) {
#pragma GCC unroll 3
            for (std::size_t v = 0; v < panel_vectors; ++v) K::store(to + (t * panel_vectors + v) * lanes, sum[t][v]);
        }
    }
};

// The finished sums of some tokens (48 floats each) to their place; `rows` of the 48 exist.
template <class K>
void finish(const product& job, std::size_t first_row, std::size_t token, std::size_t tokens, const float* sums) {
    for (std::size_t t = 0; t < tokens; ++t, sums += panel_rows) {
        float* out = job.out + (token + t) * job.out_stride + first_row;
        const std::size_t rows = std::min<std::size_t>(panel_rows, job.weights->rows - first_row);
        for (std::size_t r = 0; r < rows; r += lanes) {
            const std::size_t n = std::min(lanes, rows - r);
            auto y = K::load(sums + r);
            if (job.add) y = K::add(K::load_first(out + r, n), y);
            K::store_first(out + r, y, n);
        }
    }
}

template <class K, weight_format F, std::size_t Tokens>
[[gnu::noinline]] void fused(const product& job, std::size_t panel, const float* x, std::size_t stride,
                             std::size_t token) {
    register_tile<K, Tokens> tile;
    tile.x = x + token * stride;
    tile.stride = stride;
    tile.clear();
    each_column<K, F>(job.weights->panel(static_cast<std::uint32_t>(panel)), 0, job.weights->columns, tile);
    alignas(64) float sums[Tokens * panel_rows];
    tile.store(sums);
    finish<K>(job, panel * panel_rows, token, Tokens, sums);
}

template <class K, std::size_t Tokens>
[[gnu::noinline]] void tiled(const float* w, std::size_t columns, const float* x, std::size_t stride, float* sums) {
    register_tile<K, Tokens> tile;
    tile.x = x;
    tile.stride = stride;
    tile.load(sums);
    each_column<K, weight_format::f32>(reinterpret_cast<const std::byte*>(w), 0, columns, tile);
    tile.store(sums);
}

template <class K>
struct spill {
    float* to;
    [[gnu::always_inline]] void operator()(std::size_t, const typename K::vec (&w)[panel_vectors]) {
#pragma GCC unroll 3
        for (std::size_t v = 0; v < panel_vectors; ++v, to += lanes) K::store(to, w[v]);
    }
};

// Tokens [token, token + count) of one panel.
template <class K, weight_format F>
void panel_task(const product& job, std::size_t panel, const float* x, std::size_t stride, std::size_t token,
                std::size_t count) {
    if (count <= K::fused_tokens) {
        with_count<K::fused_tokens>(count, [&]<std::size_t N>() { fused<K, F, N>(job, panel, x, stride, token); });
        return;
    }
    alignas(64) float w[column_chunk * panel_rows];
    alignas(64) float sums[token_block * panel_rows] = {};
    const std::byte* from = job.weights->panel(static_cast<std::uint32_t>(panel));
    for (std::size_t k = 0; k < job.weights->columns; k += column_chunk) {
        const std::size_t columns = std::min<std::size_t>(column_chunk, job.weights->columns - k);
        each_column<K, F>(from, k, columns, spill<K>{w});
        for (std::size_t t = 0; t < count; t += K::tile_tokens) {
            with_count<K::tile_tokens>(std::min<std::size_t>(K::tile_tokens, count - t), [&]<std::size_t N>() {
                tiled<K, N>(w, columns, x + (token + t) * stride + k, stride, sums + t * panel_rows);
            });
        }
    }
    finish<K>(job, panel * panel_rows, token, count, sums);
}
} // namespace detail

// x: `tokens` rows of `columns` floats (the same for all jobs), x_stride apart. Uses 54 KiB of stack a worker.
template <class Kernel, workers W>
void matmul(W& threads, const float* x, std::size_t x_stride, std::size_t tokens, std::span<const product> jobs) {
    std::size_t panels = 0;
    for (const product& job : jobs) {
        ASHLAR_ASSERT(job.weights->columns == jobs[0].weights->columns);
        panels += panel_count(job.weights->rows);
    }
    const std::size_t blocks = (tokens + detail::token_block - 1) / detail::token_block;
    threads.parallel_for(panels * blocks, [&](std::size_t i) {
        std::size_t panel = i / blocks;
        const product* job = jobs.data();
        for (; panel >= panel_count(job->weights->rows); ++job) panel -= panel_count(job->weights->rows);
        const std::size_t token = i % blocks * detail::token_block;
        const std::size_t count = std::min(detail::token_block, tokens - token);
        detail::with_format(job->weights->format, [&]<weight_format F>() {
            detail::panel_task<Kernel, F>(*job, panel, x, x_stride, token, count);
        });
    });
}

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel
