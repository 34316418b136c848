// SPDX-License-Identifier: Apache-2.0
// S3-FIFO: three queues without reordering on a hit. New blocks enter a small queue of 10 % of the pages; those that
// were used more than once when their turn comes move to the main queue, the others go, and a ghost queue remembers as
// many of them as the main queue has pages: a block that returns from there enters the main queue at once. There a
// block that was used since gets another round, up to three.
//
//     radix_index<s3_fifo> index(options);
//
// Source: Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction", SOSP 2023, algorithm 1.
// Ours: a block that is held or has children when its turn comes is in use, so its next use puts it into the main
// queue.
#pragma once

#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/kv/eviction.hpp>
#include <ashlar/kv/page_table.hpp>

namespace ashlar::inline v0::kv {

class s3_fifo {
public:
    static constexpr bool remembers = true;
    static constexpr std::uint32_t small_percent = 10, uses_max = 3;

    explicit s3_fifo(std::uint32_t pages)
        : links_(pages), blocks_(pages),
          small_min_(at_least_one(static_cast<std::uint32_t>(std::uint64_t{pages} * small_percent / 100))),
          ghosts_(at_least_one(pages - small_min_)), ghost_slots_(static_cast<std::uint32_t>(ghosts_.size())) {}

    void insert(std::uint32_t page, std::uint64_t identity, std::uint32_t) {
        const bool known = forget(identity);
        blocks_[page] = {.identity = identity, .uses = 0, .in_main = known};
        links_.push_newest(known ? main_ : small_, page);
    }
    void use(std::uint32_t page) {
        block& b = blocks_[page];
        b.uses = static_cast<std::uint8_t>(b.uses < uses_max ? b.uses + 1 : uses_max);
        if (links_.linked(page)) return;
        b.in_main = true;
        links_.push_newest(main_, page);
    }
    void restore(std::uint32_t page) {
        if (!links_.linked(page)) links_.push_oldest(blocks_[page].in_main ? main_ : small_, page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        for (;;) {
            const bool from_small = small_.size && (small_.size >= small_min_ || main_.size == 0);
            const std::uint32_t page = links_.pop(from_small ? small_ : main_);
            if (page == no_page) return page;
            if (!may(page)) continue;
            block& b = blocks_[page];
            if (from_small ? b.uses <= 1 : b.uses == 0) {
                if (from_small) remember(b.identity);
                return page;
            }
            b.uses = static_cast<std::uint8_t>(from_small ? 0 : b.uses - 1);
            b.in_main = true;
            links_.push_newest(main_, page);
        }
    }

private:
    static constexpr std::uint32_t at_least_one(std::uint32_t n) { return n == 0 ? 1 : n; }

    struct block {
        std::uint64_t identity = 0;
        std::uint8_t uses = 0;
        bool in_main = false;
    };
    struct ghost {
        std::uint64_t identity = 0;
        bool used = false;
    };
    static std::uint32_t bits(std::uint64_t identity) { return static_cast<std::uint32_t>(identity); }

    void remember(std::uint64_t identity) {
        (void)forget(identity); // a collision of 64 bits
        if (ghosts_[next_].used) ghost_slots_.erase(bits(ghosts_[next_].identity), next_);
        ghosts_[next_] = {identity, true};
        ghost_slots_.insert(bits(identity), next_);
        next_ = next_ + 1 == ghosts_.size() ? 0 : next_ + 1;
    }
    bool forget(std::uint64_t identity) {
        const std::uint32_t slot =
            ghost_slots_.find(bits(identity), [&](std::uint32_t s) { return ghosts_[s].identity == identity; });
        if (slot == no_page) return false;
        ghost_slots_.erase(bits(identity), slot);
        ghosts_[slot] = {};
        return true;
    }

    page_links links_;
    page_queue small_, main_;
    fixed_array<block> blocks_;
    std::uint32_t small_min_;
    fixed_array<ghost> ghosts_; // a ring
    page_table ghost_slots_;    // identity -> place in the ring
    std::uint32_t next_ = 0;
};

} // namespace ashlar::inline v0::kv
