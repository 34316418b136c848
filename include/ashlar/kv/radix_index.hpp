// SPDX-License-Identifier: Apache-2.0
// The radix tree: a page keeps its block's tokens and knows the first block that continued it. Where a prefix does not
// branch, and most do not, a look-up compares tokens along a path and hashes nothing; only from a second continuation
// on is there a table to probe, by a keyed hash of parent and tokens. What is found has been compared token for token:
// a hash can cost a probe, never an answer.
//
//     radix_index<lru> index({.pages = 4096, .tokens_per_block = 16, .salt = secret});
//
// 76 bytes a page of 16 tokens and the table's slots. Equal to chain_index in all that it answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/kv/chain_index.hpp>
#include <ashlar/kv/page_table.hpp>
#include <ashlar/kv/prefix_tree.hpp>

namespace ashlar::inline v0::kv {

class radix_lookup {
public:
    explicit radix_lookup(const prefix_index_options& options)
        : salt_(options.salt), size_(options.tokens_per_block), lines_((size_ + line::size - 1) / line::size),
          root_(options.pages), tokens_(options.pages * lines_), branches_(std::size_t{options.pages} + 1),
          table_(options.pages) {}

    std::uint32_t find(std::uint32_t parent, const token_id* block) const {
        const branch& b = branches_.data()[index(parent)];
        if (b.first != no_page && same(b.first, block)) return b.first;
        return b.others ? find_other(bits(parent, block), parent, block) : no_page;
    }
    std::uint32_t add(std::uint32_t parent, const token_id* block, std::uint32_t page) {
        branch& b = branches_.data()[index(parent)];
        if (b.first != no_page && same(b.first, block)) return b.first;
        if (b.first != no_page || b.others) {
            const std::uint32_t hash = bits(parent, block);
            if (b.others) {
                if (const std::uint32_t standing = find_other(hash, parent, block); standing != no_page)
                    return standing;
            }
            if (b.first != no_page) {
                table_.insert(hash, page);
                ++b.others;
            }
        }
        if (b.first == no_page) b.first = page;
        std::memcpy(tokens(page), block, size_ * sizeof(token_id));
        branches_.data()[page] = {.parent = parent};
        return page;
    }
    void remove(std::uint32_t parent, std::uint32_t page) {
        if (parent != no_page) __builtin_prefetch(tokens(parent), 1); // the next to go, most often
        branch& b = branches_.data()[index(parent)];
        if (b.first == page) {
            b.first = no_page;
        } else {
            table_.erase(bits(parent, tokens(page)), page);
            --b.others;
        }
    }

private:
    struct branch {
        std::uint32_t first = no_page; // the block that continued this one first; no_page again when that one is gone
        std::uint32_t others = 0;      // how many more there are, in the table
        std::uint32_t parent = no_page;
    };

    struct alignas(64) line { // of the processor's cache: a block of 16 tokens is one
        static constexpr std::size_t size = 64 / sizeof(token_id);
        token_id tokens[size];
    };

    const token_id* tokens(std::uint32_t page) const { return tokens_.data()[page * lines_].tokens; }
    token_id* tokens(std::uint32_t page) { return tokens_.data()[page * lines_].tokens; }
    std::uint32_t index(std::uint32_t page) const { return page == no_page ? root_ : page; }
    bool same(std::uint32_t page, const token_id* block) const {
        return std::memcmp(tokens(page), block, size_ * sizeof(token_id)) == 0;
    }
    std::uint32_t bits(std::uint32_t parent, const token_id* block) const {
        return static_cast<std::uint32_t>(block_key(salt_, {parent, 0}, block, size_).lo);
    }
    std::uint32_t find_other(std::uint32_t hash, std::uint32_t parent, const token_id* block) const {
        return table_.find(
            hash, [&](std::uint32_t page) { return branches_.data()[page].parent == parent && same(page, block); });
    }

    key128 salt_;
    std::size_t size_;
    std::size_t lines_;        // a block's
    std::uint32_t root_;       // the last of branches_: what prompts begin with
    fixed_array<line> tokens_; // by page
    fixed_array<branch> branches_;
    page_table table_;
};

template <eviction_policy Policy>
using radix_index = prefix_tree<radix_lookup, Policy>;

} // namespace ashlar::inline v0::kv
