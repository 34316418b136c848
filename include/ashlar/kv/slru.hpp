// SPDX-License-Identifier: Apache-2.0
// Segmented LRU: a block that was used twice is protected from those that were used once. New blocks come on probation;
// a second use moves a block to the protected segment, 80 % of the pages, whose least recently used go back on
// probation when it is full. The least recently used on probation goes first.
//
//     chain_index<slru> index(options);
//
// Source: Karedla, Love, Wherry, "Caching strategies to improve disk system performance", IEEE Computer 27(3), 1994;
// the share is ours, and so is "twice".
#pragma once

#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/kv/eviction.hpp>

namespace ashlar::inline v0::kv {

class slru {
public:
    static constexpr std::uint32_t protected_percent = 80;

    explicit slru(std::uint32_t pages)
        : links_(pages), is_protected_(pages),
          protected_max_(static_cast<std::uint32_t>(std::uint64_t{pages} * protected_percent / 100)) {}

    void insert(std::uint32_t page, std::uint64_t, std::uint32_t) {
        is_protected_[page] = false;
        links_.push_newest(probation_, page);
    }
    void use(std::uint32_t page) {
        if (links_.linked(page)) links_.erase(is_protected_[page] ? protected_ : probation_, page);
        is_protected_[page] = true;
        links_.push_newest(protected_, page);
        while (protected_.size > protected_max_) {
            const std::uint32_t oldest = links_.pop(protected_);
            is_protected_[oldest] = false;
            links_.push_newest(probation_, oldest);
        }
    }
    void restore(std::uint32_t page) {
        if (links_.linked(page)) return;
        is_protected_[page] = false;
        links_.push_oldest(probation_, page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        for (;;) {
            const std::uint32_t page = links_.pop(probation_.size ? probation_ : protected_);
            if (page == no_page || may(page)) return page;
        }
    }

private:
    page_links links_;
    page_queue probation_, protected_;
    fixed_array<bool> is_protected_;
    std::uint32_t protected_max_;
};

} // namespace ashlar::inline v0::kv
