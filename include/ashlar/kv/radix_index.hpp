// SPDX-License-Identifier: Apache-2.0
// The radix tree: a page keeps its block's tokens and knows the first block that continued it. Where a prefix does not
// branch, and most do not, a look-up compares tokens along a path and hashes nothing; only from a second continuation
// on is there a table to probe, by a keyed hash of parent and tokens. What is found has been compared token for token:
// a hash can cost a probe, never an answer.
//
//     radix_index<lru> index({.pages = 4096, .tokens_per_block = 16, .salt = secret});
//
// 4 tokens_per_block + 8 bytes a page, and the table. Equal to chain_index in all that it answers.
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
        : salt_(options.salt), size_(options.tokens_per_block), root_(options.pages),
          tokens_(std::size_t{options.pages} * options.tokens_per_block), branches_(std::size_t{options.pages} + 1),
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
        std::memcpy(tokens_.data() + page * size_, block, size_ * sizeof(token_id));
        branches_.data()[page] = {.parent = parent};
        return page;
    }
    void remove(std::uint32_t parent, std::uint32_t page) {
        if (parent != no_page) __builtin_prefetch(tokens_.data() + parent * size_, 1); // the next to go, most often
        branch& b = branches_.data()[index(parent)];
        if (b.first == page) {
            b.first = no_page;
        } else {
            table_.erase(bits(parent, tokens_.data() + page * size_), page);
            --b.others;
        }
    }

private:
    struct branch {
        std::uint32_t first = no_page; // the block that continued this one first; no_page again when that one is gone
        std::uint32_t others = 0;      // how many more there are, in the table
        std::uint32_t parent = no_page;
    };

    std::uint32_t index(std::uint32_t page) const { return page == no_page ? root_ : page; }
    bool same(std::uint32_t page, const token_id* block) const {
        return std::memcmp(tokens_.data() + page * size_, block, size_ * sizeof(token_id)) == 0;
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
    std::uint32_t root_;           // the last of branches_: what prompts begin with
    fixed_array<token_id> tokens_; // by page
    fixed_array<branch> branches_;
    page_table table_;
};

template <eviction_policy Policy>
using radix_index = prefix_tree<radix_lookup, Policy>;

} // namespace ashlar::inline v0::kv
