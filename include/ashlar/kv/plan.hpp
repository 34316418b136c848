// SPDX-License-Identifier: Apache-2.0
// Which bytes go where: the pages of some layers of a range of blocks, scattered in one way on this side and in another
// on the other, become strided copies. Both sides' runs are intersected; what chains is folded. Nothing is allocated:
// descriptors go to a callback, which may return false to stop.
//
//     plan({strides, my_runs, 0}, {their_strides, their_runs, first}, page_bytes, {layer, 1}, {first, count},
//          [&](const strided& d) { ... });
//
// At most one descriptor for each run of the intersection when both sides order their pages alike, else at most
// min(blocks of the run, layers). Every needed byte is covered exactly once, blocks in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/kv/layout.hpp>

namespace ashlar::inline v0::kv {

// `count` pieces of `bytes`; piece i lies at source + i * source_stride and goes to target + i * target_stride.
struct strided {
    std::uint64_t source = 0, target = 0; // byte offsets into the two pools
    std::uint64_t bytes = 0, count = 0;
    std::uint64_t source_stride = 0, target_stride = 0;
    friend constexpr bool operator==(const strided&, const strided&) = default;
};

// One side: how its pool is laid out and which pages the sequence has there.
struct page_map {
    page_strides strides{};
    std::span<const block_run> runs{};
    std::uint32_t first_block = 0; // the sequence's block that the first run begins with
};

struct layer_range {
    std::uint32_t first = 0, count = 0;
};

namespace detail {
struct run_walk { // a run_cursor without checks: plan has checked
    const block_run* at;
    std::uint32_t inside;
    void skip(std::uint32_t blocks) {
        while (blocks >= at->count - inside) {
            blocks -= at->count - inside;
            ++at;
            inside = 0;
            if (blocks == 0) return;
        }
        inside += blocks;
    }
};
} // namespace detail

// Returns the number of blocks that were planned: all, unless `emit` returned false; then the block whose descriptor
// was refused and those behind it are not counted.
template <class Emit>
std::uint32_t plan(const page_map& source, const page_map& target, std::uint64_t page_bytes, layer_range layers,
                   block_range blocks, Emit&& emit) {
    const auto told = [&emit](const strided& d) {
        if constexpr (std::is_void_v<std::invoke_result_t<Emit&, const strided&>>)
            return emit(d), true;
        else
            return static_cast<bool>(emit(d));
    };
    ASHLAR_ASSERT(blocks.first >= source.first_block && blocks.first >= target.first_block);
    std::uint32_t left = layers.count ? blocks.count : 0;
    if (left == 0) return blocks.count;
    detail::run_walk s{source.runs.data(), 0}, t{target.runs.data(), 0};
    s.skip(blocks.first - source.first_block);
    t.skip(blocks.first - target.first_block);

    const page_strides from = source.strides, to = target.strides;
    const std::uint64_t from_base = layers.first * from.layer, to_base = layers.first * to.layer;
    const std::uint64_t column = page_bytes * layers.count; // a block's pages of these layers
    const bool layers_chain = layers.count == 1 || (from.layer == page_bytes && to.layer == page_bytes);
    const bool blocks_chain =
        layers_chain ? from.block == column && to.block == column : from.block == page_bytes && to.block == page_bytes;
    while (left) {
        const std::uint32_t s_left = s.at->count - s.inside, t_left = t.at->count - t.inside;
        std::uint32_t n = s_left < t_left ? s_left : t_left;
        if (n > left) n = left;
        const std::uint64_t from_at = from_base + (s.at->first + s.inside) * from.block;
        const std::uint64_t to_at = to_base + (t.at->first + t.inside) * to.block;
        if (layers_chain) {
            if (!told(blocks_chain ? strided{from_at, to_at, n * column, 1, 0, 0}
                                   : strided{from_at, to_at, column, n, from.block, to.block})) {
                break;
            }
        } else if (blocks_chain) {
            if (!told({from_at, to_at, n * page_bytes, layers.count, from.layer, to.layer})) break;
        } else { // two strides that do not chain: the shorter one is spelt out
            bool more = true;
            if (n <= layers.count) {
                for (std::uint32_t i = 0; i < n && more; ++i)
                    more = told({from_at + i * from.block, to_at + i * to.block, page_bytes, layers.count, from.layer,
                                 to.layer});
            } else {
                for (std::uint32_t i = 0; i < layers.count && more; ++i)
                    more = told({from_at + i * from.layer, to_at + i * to.layer, page_bytes, n, from.block, to.block});
            }
            if (!more) break;
        }
        left -= n;
        if (n == s_left)
            ++s.at, s.inside = 0;
        else
            s.inside += n;
        if (n == t_left)
            ++t.at, t.inside = 0;
        else
            t.inside += n;
    }
    return blocks.count - left;
}

} // namespace ashlar::inline v0::kv
