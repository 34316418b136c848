// SPDX-License-Identifier: Apache-2.0
// Where a key or a value lies in a pool: a layout is a type, its shape is data. A *page* is one layer of one block,
// keys then values, contiguous in both layouts: (plane, head, token, dim). What differs is the order of pages:
//
//     block_first   (block, layer, plane, head, token, dim)   one block of all layers is one piece: few, large moves
//     layer_first   (layer, block, plane, head, token, dim)   one layer of neighbouring blocks is one piece
//
//     constexpr block_first<f16, tokens<16>> cache{.shape = {.layers = 30, .kv_heads = 3, .head_dim = 64, .blocks =
//     512}}; auto view = cache.view(pool, layer_id{3});   view.runs = table.runs();
//
// `hash` covers what two pools must agree on before they exchange pages: the page's contents and the number of layers.
// The order and the number of blocks are each pool's own matter; `strides` tells them to the other side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/number.hpp>
#include <ashlar/core/paged_view.hpp>
#include <ashlar/core/scaled16.hpp>
#include <ashlar/core/siphash.hpp>

namespace ashlar::inline v0::kv {

template <std::uint32_t N>
struct tokens {
    static_assert(N > 0, "kv::tokens<N>: a block holds at least one token");
    static constexpr std::uint32_t value = N;
};

struct geometry {
    std::uint32_t layers = 0, kv_heads = 0, head_dim = 0, blocks = 0;
    friend constexpr bool operator==(const geometry&, const geometry&) = default;
};

// Bytes from a page to the page of the next layer, and to the page of the next block.
struct page_strides {
    std::uint64_t layer = 0, block = 0;
    friend constexpr bool operator==(const page_strides&, const page_strides&) = default;
};

namespace detail {
template <class T>
constexpr std::uint32_t number_code() {
    static_assert(std::is_same_v<T, f32> || std::is_same_v<T, f16> || std::is_same_v<T, bf16> ||
                      std::is_same_v<T, scaled16>,
                  "a KV layout stores f32, f16, bf16 or scaled16");
    return std::is_same_v<T, f32> ? 1 : std::is_same_v<T, f16> ? 2 : std::is_same_v<T, bf16> ? 3 : 4;
}

template <class T, class Tokens>
constexpr std::size_t page_bytes(const geometry& shape) {
    return std::size_t{2} * shape.kv_heads * Tokens::value * shape.head_dim * sizeof(T);
}

template <class T, class Tokens>
constexpr digest128 layout_hash(const geometry& shape) {
    const std::uint32_t words[] = {number_code<T>(), Tokens::value, shape.layers, shape.kv_heads, shape.head_dim};
    std::byte bytes[sizeof words] = {};
    for (std::size_t i = 0; i < sizeof words; ++i) bytes[i] = static_cast<std::byte>(words[i / 4] >> (8 * (i % 4)));
    return siphash128({0x6873612f6c617961u, 0x2f7074656c61796fu}, bytes); // a fixed public key: this is no secret
}

template <class T, class Tokens>
constexpr paged_view<T> page_view(const geometry& shape, std::byte* first_page, std::size_t block_stride) {
    const auto token = static_cast<std::ptrdiff_t>(shape.head_dim * sizeof(T));
    const auto head = token * static_cast<std::ptrdiff_t>(Tokens::value);
    return {.base = first_page,
            .block_stride = static_cast<std::ptrdiff_t>(block_stride),
            .plane_stride = head * static_cast<std::ptrdiff_t>(shape.kv_heads),
            .head_stride = head,
            .token_stride = token,
            .tokens_per_block = Tokens::value,
            .head_count = shape.kv_heads,
            .head_dim = shape.head_dim,
            .runs = {}};
}
} // namespace detail

template <class T, class Tokens>
struct block_first {
    using value_type = T;
    static constexpr std::uint32_t tokens_per_block = Tokens::value;
    geometry shape;

    constexpr std::size_t page_bytes() const { return detail::page_bytes<T, Tokens>(shape); }
    constexpr std::size_t bytes() const { return page_bytes() * shape.layers * shape.blocks; }
    constexpr page_strides strides() const { return {page_bytes(), page_bytes() * shape.layers}; }
    constexpr std::size_t page_offset(block_id block, layer_id layer) const {
        return (std::size_t{block.value} * shape.layers + layer.value) * page_bytes();
    }
    // One layer; the caller sets `runs`. `base`: the pool's first byte, aligned for T.
    constexpr paged_view<T> view(std::byte* base, layer_id layer) const {
        return detail::page_view<T, Tokens>(shape, base + page_offset({0}, layer), strides().block);
    }
    constexpr digest128 hash() const { return detail::layout_hash<T, Tokens>(shape); }
};

template <class T, class Tokens>
struct layer_first {
    using value_type = T;
    static constexpr std::uint32_t tokens_per_block = Tokens::value;
    geometry shape;

    constexpr std::size_t page_bytes() const { return detail::page_bytes<T, Tokens>(shape); }
    constexpr std::size_t bytes() const { return page_bytes() * shape.layers * shape.blocks; }
    constexpr page_strides strides() const { return {page_bytes() * shape.blocks, page_bytes()}; }
    constexpr std::size_t page_offset(block_id block, layer_id layer) const {
        return (std::size_t{layer.value} * shape.blocks + block.value) * page_bytes();
    }
    constexpr paged_view<T> view(std::byte* base, layer_id layer) const {
        return detail::page_view<T, Tokens>(shape, base + page_offset({0}, layer), strides().block);
    }
    constexpr digest128 hash() const { return detail::layout_hash<T, Tokens>(shape); }
};

// Tokens to blocks, rounded up.
constexpr std::uint32_t blocks_for(std::uint64_t token_count, std::uint32_t tokens_per_block) {
    return static_cast<std::uint32_t>((token_count + tokens_per_block - 1) / tokens_per_block);
}

// A range of a sequence's blocks, counted from the sequence's start.
struct block_range {
    std::uint32_t first = 0, count = 0;
    friend constexpr bool operator==(const block_range&, const block_range&) = default;
};

// The blocks that computing tokens [position, position + size) of a prompt completes: full ones, and with the prompt's
// last token the last one too, however full. Chunk after chunk these ranges tile the prompt.
constexpr block_range blocks_completed(std::uint64_t position, std::uint64_t size, std::uint64_t prompt_tokens,
                                       std::uint32_t tokens_per_block) {
    const std::uint64_t end = position + size;
    const auto first = static_cast<std::uint32_t>(position / tokens_per_block);
    const auto stop = end >= prompt_tokens ? blocks_for(prompt_tokens, tokens_per_block)
                                           : static_cast<std::uint32_t>(end / tokens_per_block);
    return {first, stop > first ? stop - first : 0};
}

} // namespace ashlar::inline v0::kv
