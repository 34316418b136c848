// SPDX-License-Identifier: Apache-2.0
// The hash chain: a block's key is a keyed hash of its parent's key and its tokens, so that a key names a whole prefix
// and a look-up is one probe a block. 16 bytes a page, and the tokens need not be kept: 128 bits of SipHash stand for
// them. Without the salt nobody can aim for a collision, and among 2^32 blocks an accidental one has odds of 2^-65.
//
//     chain_index<lru> index({.pages = 4096, .tokens_per_block = 16, .salt = secret});
//
// The choice where pages are many and memory is short; radix_index keeps the tokens, compares instead of hashing, and
// is several times faster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/kv/page_table.hpp>
#include <ashlar/kv/prefix_tree.hpp>

namespace ashlar::inline v0::kv {

// The key of the block that holds `block`, `size` tokens (at most 256), after the prefix whose key is `parent`; a
// prompt's first block comes after {}.
inline digest128 block_key(key128 salt, digest128 parent, const token_id* block, std::size_t size) {
    std::byte bytes[sizeof parent + 256 * sizeof(token_id)];
    ASHLAR_ASSERT(size <= 256);
    std::memcpy(bytes, &parent, sizeof parent);
    std::memcpy(bytes + sizeof parent, block, size * sizeof(token_id));
    return siphash128(salt, {bytes, sizeof parent + size * sizeof(token_id)});
}

class chain_lookup {
public:
    explicit chain_lookup(const prefix_index_options& options)
        : salt_(options.salt), size_(options.tokens_per_block), keys_(options.pages), table_(options.pages) {}

    std::uint32_t find(std::uint32_t parent, const token_id* block) const { return find(key(parent, block)); }
    std::uint32_t add(std::uint32_t parent, const token_id* block, std::uint32_t page) {
        const digest128 k = key(parent, block);
        if (const std::uint32_t standing = find(k); standing != no_page) return standing;
        keys_[page] = k;
        table_.insert(bits(k), page);
        return page;
    }
    void remove(std::uint32_t, std::uint32_t page) { table_.erase(bits(keys_[page]), page); }

private:
    static std::uint32_t bits(digest128 key) { return static_cast<std::uint32_t>(key.lo); }
    digest128 key(std::uint32_t parent, const token_id* block) const {
        return block_key(salt_, parent == no_page ? digest128{} : keys_[parent], block, size_);
    }
    std::uint32_t find(digest128 key) const {
        return table_.find(bits(key), [&](std::uint32_t page) { return keys_.data()[page] == key; });
    }

    key128 salt_;
    std::size_t size_;
    fixed_array<digest128> keys_; // by page
    page_table table_;
};

template <eviction_policy Policy>
using chain_index = prefix_tree<chain_lookup, Policy>;

} // namespace ashlar::inline v0::kv
