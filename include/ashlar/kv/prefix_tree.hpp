// SPDX-License-Identifier: Apache-2.0
// A prefix index put together: a look-up says which page continues which (by keys or by tokens), a policy says who goes
// first, and the tree between them says who may go: a block that nobody holds and nothing continues. It is the same for
// all look-ups and policies, so what they decide can be compared.
//
//     template <eviction_policy Policy> using radix_index = prefix_tree<radix_lookup, Policy>;
//
// A block is used from `hold` (or `insert`) to `release`; whoever continues a block holds it meanwhile. A look-up has
// find(parent, block) -> page, add(parent, block, page) -> page that now stands for the block, remove(parent, page).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/kv/eviction.hpp>
#include <ashlar/kv/prefix_index.hpp>

namespace ashlar::inline v0::kv {

template <class Lookup, eviction_policy Policy>
class prefix_tree {
public:
    explicit prefix_tree(const prefix_index_options& options)
        : options_(options), lookup_(options), policy_(options.pages), nodes_(options.pages),
          identities_(remembering_policy<Policy> ? options.pages : 0) {
        ASHLAR_ASSERT(options.tokens_per_block > 0 && options.tokens_per_block <= 256);
    }

    // Pages of the longest known prefix, into `found`. Nothing changes: not even who goes first.
    std::uint32_t match(std::span<const token_id> tokens, std::span<std::uint32_t> found) const {
        const std::size_t size = options_.tokens_per_block;
        const std::size_t whole = tokens.empty() ? 0 : (tokens.size() - 1) / size;
        const std::size_t limit = whole < found.size() ? whole : found.size();
        std::uint32_t hits = 0, page = no_page;
        for (; hits < limit; ++hits) {
            page = lookup_.find(page, tokens.data() + hits * size);
            if (page == no_page) break;
            found[hits] = page;
        }
        return hits;
    }

    // `page` holds `block`, which continues what `parent` holds. Returns the page that stands for the block: this one,
    // now held; or one that already does, and nothing has changed.
    std::uint32_t insert(std::uint32_t parent, std::span<const token_id> block, std::uint32_t page) {
        node* nodes = nodes_.data();
        ASHLAR_ASSERT(block.size() == options_.tokens_per_block && page < nodes_.size() && !nodes[page].known);
        ASHLAR_ASSERT(parent == no_page || (parent < nodes_.size() && nodes[parent].held));
        const std::uint32_t standing = lookup_.add(parent, block.data(), page);
        if (standing != page) return standing;
        nodes[page] = {.parent = parent, .known = true, .held = true, .fresh = true};
        if (parent != no_page) {
            ++nodes[parent].children;
            nodes[page].depth = nodes[parent].depth + 1;
        }
        if constexpr (remembering_policy<Policy>) identities_[page] = identity(parent, block);
        ++size_;
        return page;
    }

    void hold(std::uint32_t page) {
        node& n = nodes_[page];
        ASHLAR_ASSERT(n.known && !n.held);
        n.held = true;
    }
    void release(std::uint32_t page) {
        node& n = nodes_[page];
        ASHLAR_ASSERT(n.known && n.held);
        n.held = false;
        if (!n.fresh) return policy_.use(page);
        n.fresh = false;
        if constexpr (remembering_policy<Policy>)
            policy_.insert(page, identities_[page], n.depth);
        else
            policy_.insert(page, 0, n.depth);
    }

    // Forgets a leaf that nobody holds and returns its page; no_page when there is none.
    std::uint32_t evict() {
        node* nodes = nodes_.data();
        const std::uint32_t page =
            policy_.evict([nodes](std::uint32_t p) { return !nodes[p].held && nodes[p].children == 0; });
        if (page == no_page) return no_page;
        const std::uint32_t parent = nodes[page].parent;
        lookup_.remove(parent, page);
        nodes[page] = {};
        if (parent != no_page && --nodes[parent].children == 0 && !nodes[parent].held) policy_.restore(parent);
        --size_;
        return page;
    }

    std::uint32_t size() const { return size_; }
    bool contains(std::uint32_t page) const { return nodes_[page].known; }
    bool held(std::uint32_t page) const { return nodes_[page].held; }
    std::uint32_t parent(std::uint32_t page) const { return nodes_[page].parent; }

private:
    struct node {
        std::uint32_t parent = no_page;
        std::uint32_t children = 0;
        std::uint32_t depth = 0; // blocks before this one
        bool known = false;
        bool held = false;
        bool fresh = false; // held ever since it came: the policy does not know it
    };

    // For a policy's memory alone: a wrong guess costs a place in a queue, never a wrong page.
    std::uint64_t identity(std::uint32_t parent, std::span<const token_id> block) const {
        std::uint64_t h = parent == no_page ? mix(options_.salt.lo, options_.salt.hi) : identities_[parent];
        for (token_id t : block) h = mix(h ^ static_cast<std::uint32_t>(t));
        return h;
    }

    prefix_index_options options_;
    Lookup lookup_;
    Policy policy_;
    fixed_array<node> nodes_; // by page
    fixed_array<std::uint64_t> identities_;
    std::uint32_t size_ = 0;
};

} // namespace ashlar::inline v0::kv
