// SPDX-License-Identifier: Apache-2.0
// What a prefix index must do: say which full blocks of past prompts are still in the pool. Blocks form a tree, a block
// hangs below the one that it continues, and only a leaf that nobody holds is ever evicted, so that what is found is
// always a whole prefix.
//
//     radix_index<lru> index({.pages = 4096, .tokens_per_block = 16, .salt = secret});   // or chain_index<lru>
//     std::uint32_t hits = index.match(prompt, found);       // pages of the first `hits` blocks
//     for (std::uint32_t page : found.first(hits)) index.hold(page);
//     page = index.insert(parent, block, page);              // held; an equal block's page if there is one already
//     index.release(page);                                   // tails before heads: prefixes outlive suffixes
//     page = index.evict();                                  // or no_page: nothing can be given up
//
// At most (tokens - 1) / tokens_per_block blocks are found: a full hit leaves at least one token to compute. The salt
// keeps a tenant from aiming at another's blocks. One thread at a time.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/siphash.hpp>

namespace ashlar::inline v0::kv {

inline constexpr std::uint32_t no_page = UINT32_MAX; // also the parent of a prompt's first block

struct prefix_index_options {
    std::uint32_t pages;
    std::uint32_t tokens_per_block; // at most 256
    key128 salt;
};

template <class Index>
concept prefix_index = requires(Index& index, const Index& view, std::span<const token_id> tokens,
                                std::span<std::uint32_t> found, std::uint32_t page) {
    { view.match(tokens, found) } -> std::same_as<std::uint32_t>;
    { index.insert(page, tokens, page) } -> std::same_as<std::uint32_t>;
    index.hold(page), index.release(page);
    { index.evict() } -> std::same_as<std::uint32_t>;
};

} // namespace ashlar::inline v0::kv
