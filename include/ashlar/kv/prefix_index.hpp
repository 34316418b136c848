// SPDX-License-Identifier: Apache-2.0
// Which full blocks of past prompts are still in the pool. A block's key is a keyed hash of its parent's key and its
// tokens: a chain, so that a key names a whole prefix and a hit is a walk. Blocks that nobody uses wait in a list,
// least recently used first; a sequence that ends puts its tail there before its head, so that prefixes outlive
// suffixes.
//
//     prefix_index index({.pages = 4096, .tokens_per_block = 16, .salt = secret});
//     std::uint32_t hits = index.longest_prefix(prompt, found);   // pages of the first `hits` blocks
//
// At most (tokens - 1) / tokens_per_block blocks are found: a full hit leaves at least one token to compute.
// The salt keeps a tenant from aiming at another's blocks. One thread at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/siphash.hpp>

namespace ashlar::inline v0::kv {

struct prefix_index_options {
    std::uint32_t pages;
    std::uint32_t tokens_per_block; // at most 256
    key128 salt;
};

class prefix_index {
public:
    static constexpr std::uint32_t none = UINT32_MAX;
    static constexpr std::uint32_t tokens_per_block_max = 256;

    explicit prefix_index(const prefix_index_options& options)
        : salt_(options.salt), tokens_per_block_(options.tokens_per_block), nodes_(options.pages),
          buckets_(std::bit_ceil(std::size_t{options.pages} + 1)) {
        ASHLAR_ASSERT(tokens_per_block_ > 0 && tokens_per_block_ <= tokens_per_block_max);
        for (std::uint32_t& head : buckets_) head = none;
    }

    static constexpr digest128 root() { return {}; }
    // The key of the block that holds exactly `block` after the prefix `parent`.
    digest128 extend(digest128 parent, std::span<const token_id> block) const {
        ASHLAR_ASSERT(block.size() == tokens_per_block_);
        std::byte bytes[sizeof parent + tokens_per_block_max * sizeof(token_id)];
        std::memcpy(bytes, &parent, sizeof parent);
        std::memcpy(bytes + sizeof parent, block.data(), block.size_bytes());
        return siphash128(salt_, {bytes, sizeof parent + block.size_bytes()});
    }

    // The page with this key, or `none`.
    std::uint32_t find(digest128 key) const {
        std::uint32_t i = buckets_[bucket(key)];
        while (i != none && !(nodes_[i].key == key)) i = nodes_[i].next_in_bucket;
        return i;
    }

    // Pages of the longest known prefix, into `found`; the key of its last block into `last`, if asked for.
    std::uint32_t longest_prefix(std::span<const token_id> tokens, std::span<std::uint32_t> found,
                                 digest128* last = nullptr) const {
        digest128 key = root();
        std::uint32_t hits = 0;
        for (std::size_t end = tokens_per_block_; end < tokens.size() && hits < found.size();
             end += tokens_per_block_) {
            const digest128 next = extend(key, tokens.subspan(end - tokens_per_block_, tokens_per_block_));
            const std::uint32_t page = find(next);
            if (page == none) break;
            found[hits++] = page;
            key = next;
        }
        if (last) *last = key;
        return hits;
    }

    // The page holds the block with this key. False when another page does already; then nothing has changed.
    [[nodiscard]] bool insert(digest128 key, std::uint32_t page) {
        ASHLAR_ASSERT(!nodes_[page].indexed);
        if (find(key) != none) return false;
        std::uint32_t& head = buckets_[bucket(key)];
        nodes_[page] = {.key = key, .next_in_bucket = head, .indexed = true};
        head = page;
        ++size_;
        return true;
    }

    // Nobody uses the page any more: the most recently used of the idle ones.
    void set_idle(std::uint32_t page) {
        node& n = nodes_[page];
        ASHLAR_ASSERT(n.indexed && !n.idle);
        n.idle = true;
        n.older = newest_;
        n.newer = none;
        (newest_ == none ? oldest_ : nodes_[newest_].newer) = page;
        newest_ = page;
        ++idle_;
    }
    void set_used(std::uint32_t page) {
        node& n = nodes_[page];
        ASHLAR_ASSERT(n.indexed && n.idle);
        n.idle = false;
        (n.older == none ? oldest_ : nodes_[n.older].newer) = n.newer;
        (n.newer == none ? newest_ : nodes_[n.newer].older) = n.older;
        --idle_;
    }

    // Forgets the least recently used idle block and returns its page, or `none`.
    std::uint32_t evict() {
        const std::uint32_t page = oldest_;
        if (page == none) return none;
        set_used(page);
        std::uint32_t* link = &buckets_[bucket(nodes_[page].key)];
        while (*link != page) link = &nodes_[*link].next_in_bucket;
        *link = nodes_[page].next_in_bucket;
        nodes_[page] = {};
        --size_;
        return page;
    }

    std::uint32_t size() const { return size_; }
    std::uint32_t idle() const { return idle_; }
    bool contains(std::uint32_t page) const { return nodes_[page].indexed; }
    bool is_idle(std::uint32_t page) const { return nodes_[page].idle; }
    std::uint32_t tokens_per_block() const { return tokens_per_block_; }

private:
    struct node {
        digest128 key{};
        std::uint32_t next_in_bucket = none;
        std::uint32_t older = none, newer = none; // neighbours among the idle
        bool indexed = false, idle = false;
    };
    std::size_t bucket(digest128 key) const { return key.lo & (buckets_.size() - 1); }

    key128 salt_;
    std::uint32_t tokens_per_block_;
    fixed_array<node> nodes_; // by page
    fixed_array<std::uint32_t> buckets_;
    std::uint32_t oldest_ = none, newest_ = none;
    std::uint32_t size_ = 0, idle_ = 0;
};

} // namespace ashlar::inline v0::kv
