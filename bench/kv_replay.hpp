// SPDX-License-Identifier: Apache-2.0
// One prompt after the other through a prefix index and a pool of pages: look up, take pages for what is missing, evict
// for them, insert, let go of all tails first.
#pragma once

#include <ashlar/kv/prefix_index.hpp>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

template <ashlar::kv::prefix_index Index>
class kv_replay {
public:
    explicit kv_replay(const ashlar::kv::prefix_index_options& options) : options_(options), index_(options) {}

    // Blocks found; all of the prompt's pages are in `pages` afterwards.
    std::uint32_t run(std::span<const ashlar::token_id> tokens, std::vector<std::uint32_t>& pages) {
        const std::uint32_t size = options_.tokens_per_block;
        pages.resize(tokens.size() / size);
        const std::uint32_t hits = index_.match(tokens, pages);
        for (std::uint32_t i = 0; i < hits; ++i) index_.hold(pages[i]);
        std::uint32_t parent = hits ? pages[hits - 1] : ashlar::kv::no_page;
        for (std::uint32_t i = hits; i < pages.size(); ++i) {
            const std::uint32_t page = take();
            parent = index_.insert(parent, tokens.subspan(std::size_t{i} * size, size), page);
            if (parent != page) spare_ = page, index_.hold(parent); // a full hit: only the last block can be known
            pages[i] = parent;
        }
        for (std::size_t i = pages.size(); i-- > 0;) index_.release(pages[i]);
        return hits;
    }
    std::uint64_t evictions() const { return evictions_; }

private:
    std::uint32_t take() {
        if (spare_ != ashlar::kv::no_page) return std::exchange(spare_, ashlar::kv::no_page);
        if (unused_ < options_.pages) return unused_++;
        ++evictions_;
        return index_.evict();
    }

    ashlar::kv::prefix_index_options options_;
    Index index_;
    std::uint32_t unused_ = 0, spare_ = ashlar::kv::no_page;
    std::uint64_t evictions_ = 0;
};
