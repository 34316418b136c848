// SPDX-License-Identifier: Apache-2.0
// Causal attention over paged keys and values with grouped queries, for one query or a tile of consecutive ones.
// Every (query, head) walks its own positions from 0 in groups of 16 with an online softmax (Milakov and Gimelshein,
// arXiv 1805.02867) in fp32: its bits depend on its position, its query and the pages' values, not on the tile, the
// chunk, the batch or the pages' size. Positions after the query are never read: whatever lies there cannot leak.
//
//     attend<cpu>(view, {.query = q, .query_stride = 576, .out = o, .out_stride = 576, .position = 40, .tokens = 8},
//                 heads, first_head, head_count);
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/paged_view.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/exp.hpp>

namespace ashlar::inline v0::kernel {

inline constexpr std::uint32_t query_tile = 8; // most tokens of one call
inline constexpr std::uint32_t head_dim_max = 256;
inline constexpr std::uint32_t head_group_max = 64; // most query heads of one call

// Queries of `tokens` consecutive positions, scaled by 1 / sqrt(head_dim) already; head h at [h * head_dim].
struct queries {
    const float* query;
    std::size_t query_stride; // floats from a token to the next
    float* out;
    std::size_t out_stride;
    std::uint32_t position; // of the first
    std::uint32_t tokens;   // 1 to query_tile
};

inline namespace ASHLAR_KERNEL_TARGET {

namespace detail {
inline constexpr std::size_t heads_at_once = 4; // query heads that share a key's conversion in registers

template <class T>
inline constexpr bool scaled = std::is_same_v<T, scaled16>;

// Sixteen consecutive positions of one KV head; scales only where keys and values are scaled16.
template <class T>
struct key_group {
    const T* key[lanes];
    const T* value[lanes];
    alignas(64) float key_scale[lanes];
    alignas(64) float value_scale[lanes];
};

// Running maximum and sum of one (query, head); its weighted values stand unnormalised in `out`.
struct softmax_state {
    float highest = -__builtin_inff();
    float sum = 0;
};

// Values [d, d + 16 Vectors) of all heads.
template <class K, std::size_t Heads, std::size_t Vectors, class T>
[[gnu::always_inline]] inline void weigh_values(const key_group<T>& group, const float (&weight)[Heads][lanes],
                                                std::size_t count, const float (&rescale)[Heads], std::size_t dim,
                                                std::size_t d, float* out) {
    typename K::vec sum[Heads][Vectors];
#pragma GCC unroll 4
    for (std::size_t h = 0; h < Heads; ++h) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) {
            sum[h][v] = K::mul(K::load(out + h * dim + d + v * lanes), K::set1(rescale[h]));
        }
    }
    for (std::size_t t = 0; t < count; ++t) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) {
            const auto value = K::load(group.value[t] + d + v * lanes);
#pragma GCC unroll 4
            for (std::size_t h = 0; h < Heads; ++h) sum[h][v] = K::fma(K::set1(weight[h][t]), value, sum[h][v]);
        }
    }
#pragma GCC unroll 4
    for (std::size_t h = 0; h < Heads; ++h) {
#pragma GCC unroll 4
        for (std::size_t v = 0; v < Vectors; ++v) K::store(out + h * dim + d + v * lanes, sum[h][v]);
    }
}

// One query's neighbouring heads over the first `count` positions of a group.
template <class K, std::size_t Heads, bool Scaled, class T>
void attend_group(const key_group<T>& group, std::size_t count, const float* query, std::size_t dim,
                  softmax_state* state, float* out) {
    typename K::vec dot[Heads][lanes];
    for (std::size_t t = 0; t < lanes; ++t) {
        typename K::vec sum[Heads];
#pragma GCC unroll 4
        for (std::size_t h = 0; h < Heads; ++h) sum[h] = K::zero();
        for (std::size_t d = 0; d < dim; d += lanes) {
            const auto key = K::load(group.key[t] + d);
#pragma GCC unroll 4
            for (std::size_t h = 0; h < Heads; ++h) sum[h] = K::fma(key, K::load(query + h * dim + d), sum[h]);
        }
#pragma GCC unroll 4
        for (std::size_t h = 0; h < Heads; ++h) dot[h][t] = sum[h];
    }
    alignas(64) float weight[Heads][lanes];
    float rescale[Heads];
    for (std::size_t h = 0; h < Heads; ++h) {
        auto scores = K::sums(dot[h]);
        if constexpr (Scaled) scores = K::mul(scores, K::load(group.key_scale));
        scores = K::select_first(count, scores, K::set1(-__builtin_inff()));
        const float highest = std::max(state[h].highest, K::highest(scores));
        auto weights = exp<K>(K::add(scores, K::set1(-highest)));
        alignas(64) float factor[lanes];
        K::store(factor, exp<K>(K::set1(state[h].highest - highest)));
        rescale[h] = factor[0];
        state[h].sum = __builtin_fmaf(state[h].sum, factor[0], K::sum(weights));
        state[h].highest = highest;
        if constexpr (Scaled) weights = K::mul(weights, K::load(group.value_scale));
        K::store(weight[h], weights);
    }
    constexpr std::size_t vectors = std::min<std::size_t>(4, std::max<std::size_t>(1, 2 * K::tile_tokens / Heads));
    std::size_t d = 0;
    for (; d + vectors * lanes <= dim; d += vectors * lanes) {
        weigh_values<K, Heads, vectors>(group, weight, count, rescale, dim, d, out);
    }
    for (; d < dim; d += lanes) weigh_values<K, Heads, 1>(group, weight, count, rescale, dim, d, out);
}

// Walks the pages of a view from its first token.
template <class T>
class page_walk {
public:
    page_walk(const paged_view<T>& view, std::uint32_t head) : view_(view), head_(head) {}

    // The next `count` positions, asked into the cache; the others repeat the first, so that they can be read and
    // dropped.
    void next(std::size_t count, key_group<T>& group) {
        for (std::size_t i = 0; i < lanes; ++i) {
            if (i >= count) {
                group.key[i] = group.key[0];
                group.value[i] = group.value[0];
                continue;
            }
            while (page_ == view_.runs[run_].count) ++run_, page_ = 0;
            const std::uint32_t block = view_.runs[run_].first + page_;
            group.key[i] = view_.at(block, plane::key, head_, token_);
            group.value[i] = view_.at(block, plane::value, head_, token_);
            for (std::size_t d = 0; d < view_.head_dim; d += 64 / sizeof(T)) {
                __builtin_prefetch(group.key[i] + d);
                __builtin_prefetch(group.value[i] + d);
            }
            if (++token_ == view_.tokens_per_block) ++page_, token_ = 0;
        }
    }

private:
    const paged_view<T>& view_;
    std::uint32_t head_;
    std::size_t run_ = 0;
    std::uint32_t page_ = 0, token_ = 0;
};
} // namespace detail

// Query heads [first, first + count) of `heads`, all of one KV head. Uses at most 43 KiB of stack.
template <class K, class T>
void attend(const paged_view<T>& view, const queries& work, std::uint32_t heads, std::uint32_t first,
            std::uint32_t count) {
    ASHLAR_ASSERT(view.head_count > 0 && heads > 0 && heads % view.head_count == 0);
    const std::uint32_t dim = view.head_dim, per_kv = heads / view.head_count, last = work.position + work.tokens;
    ASHLAR_ASSERT(work.tokens >= 1 && work.tokens <= query_tile && count >= 1 && count <= head_group_max);
    ASHLAR_ASSERT(dim % lanes == 0 && dim <= head_dim_max && first + count <= heads);
    ASHLAR_ASSERT(first / per_kv == (first + count - 1) / per_kv);   // of one KV head
    const bool stage = !std::is_same_v<T, float> && work.tokens > 1; // converts pages once for all queries
    alignas(64) float staged[2][lanes][head_dim_max];
    detail::softmax_state state[query_tile][head_group_max];
    for (std::uint32_t t = 0; t < work.tokens; ++t) {
        float* out = work.out + t * work.out_stride + std::size_t{first} * dim;
        std::fill(out, out + std::size_t{count} * dim, 0.0f);
    }
    detail::page_walk<T> pages(view, first / per_kv);
    detail::key_group<T> group, following;
    pages.next(std::min<std::size_t>(lanes, last), following);
    for (std::uint32_t start = 0; start < last; start += lanes) {
        const std::size_t present = std::min<std::size_t>(lanes, last - start);
        group = following;
        if (start + lanes < last) pages.next(std::min<std::size_t>(lanes, last - start - lanes), following);
        if constexpr (detail::scaled<T>) {
            for (std::size_t i = 0; i < lanes; ++i) {
                group.key_scale[i] = scale_of(group.key[i]);
                group.value_scale[i] = scale_of(group.value[i]);
            }
        }
        detail::key_group<float> floats;
        if (stage) {
            if constexpr (detail::scaled<T>) {
                std::copy_n(group.key_scale, lanes, floats.key_scale);
                std::copy_n(group.value_scale, lanes, floats.value_scale);
            }
            for (std::size_t i = 0; i < lanes; ++i) {
                const std::size_t from = i < present ? i : 0;
                floats.key[i] = staged[0][from];
                floats.value[i] = staged[1][from];
                if (i >= present) continue;
                for (std::size_t d = 0; d < dim; d += lanes) {
                    K::store(staged[0][i] + d, K::load(group.key[i] + d));
                    K::store(staged[1][i] + d, K::load(group.value[i] + d));
                }
            }
        }
        for (std::uint32_t t = 0; t < work.tokens; ++t) {
            const std::uint32_t end = work.position + t + 1; // sees [0, end)
            if (end <= start) continue;
            const std::size_t seen = std::min<std::size_t>(lanes, end - start);
            for (std::uint32_t h = 0; h < count; h += detail::heads_at_once) {
                const std::size_t at = std::size_t{first + h} * dim;
                const float* query = work.query + t * work.query_stride + at;
                float* out = work.out + t * work.out_stride + at;
                const std::size_t some = std::min<std::size_t>(detail::heads_at_once, count - h);
                detail::with_count<detail::heads_at_once>(some, [&]<std::size_t Heads>() {
                    if (stage)
                        detail::attend_group<K, Heads, detail::scaled<T>>(floats, seen, query, dim, &state[t][h], out);
                    else
                        detail::attend_group<K, Heads, detail::scaled<T>>(group, seen, query, dim, &state[t][h], out);
                });
            }
        }
    }
    for (std::uint32_t t = 0; t < work.tokens; ++t) {
        for (std::uint32_t h = 0; h < count; ++h) {
            float* out = work.out + t * work.out_stride + std::size_t{first + h} * dim;
            const auto sum = K::set1(state[t][h].sum);
            for (std::size_t d = 0; d < dim; d += lanes) K::store(out + d, K::div(K::load(out + d), sum));
        }
    }
}

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel
