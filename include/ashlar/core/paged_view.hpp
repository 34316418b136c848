// SPDX-License-Identifier: Apache-2.0
// paged_view: what `kv` produces and `kernel` reads, so that neither has to know the other. One layer of one sequence's
// keys and values, scattered over pages of a pool. Strides are in bytes, so that every layout is the same view.
//
//     element (plane, head, token, d) of page b lies at
//     base + b*block_stride + plane*plane_stride + head*head_stride + token*token_stride + d*sizeof(T)
//
// Owns nothing; the pool and the block table outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/ids.hpp>

namespace ashlar::inline v0 {

enum class plane : std::uint8_t { key = 0, value = 1 };

template <class T>
struct paged_view {
    using value_type = T;

    std::byte* base = nullptr;       // page 0 of this layer
    std::ptrdiff_t block_stride = 0; // bytes from a page to the next
    std::ptrdiff_t plane_stride = 0; // keys to values
    std::ptrdiff_t head_stride = 0;
    std::ptrdiff_t token_stride = 0;
    std::uint32_t tokens_per_block = 0;
    std::uint32_t head_count = 0; // KV heads
    std::uint32_t head_dim = 0;
    std::span<const block_run> runs; // logical page i is the i-th page along the runs

    T* at(std::uint32_t block, plane p, std::uint32_t head, std::uint32_t token) const {
        return reinterpret_cast<T*>(base + block * block_stride + static_cast<std::ptrdiff_t>(p) * plane_stride +
                                    head * head_stride + token * token_stride);
    }

    // Physical page of logical page `index`. O(runs).
    std::uint32_t block(std::uint32_t index) const {
        for (block_run run : runs) {
            if (index < run.count) return run.first + index;
            index -= run.count;
        }
        return UINT32_MAX;
    }
};

} // namespace ashlar::inline v0
