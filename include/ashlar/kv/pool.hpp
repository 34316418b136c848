// SPDX-License-Identifier: Apache-2.0
// The pages of a pool and who may touch them. A page counts its users (references), its leases (a peer may read or
// write it) and its quarantines (a peer might still touch it), and has a generation that grows each time it becomes
// free, so that an old name of it is recognised. Its state is the strongest of what it counts:
//
//     quarantined > leased > owned (referenced, or kept by the prefix index) > free
//
// free + owned + leased + quarantined = total after every call; `check` says so in O(pages), `counts` in O(1).
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/kv/allocator.hpp>
#include <ashlar/kv/block_table.hpp>

namespace ashlar::inline v0::kv {

enum class page_state : std::uint8_t { free, owned, leased, quarantined };

struct page_counts {
    std::uint32_t free = 0, owned = 0, leased = 0, quarantined = 0;
    std::uint32_t cached = 0; // of the owned ones: kept by the index alone, given up when room is needed
    std::uint32_t total = 0;
    friend constexpr bool operator==(const page_counts&, const page_counts&) = default;
};

class pool {
public:
    explicit pool(std::uint32_t pages) : allocator_(pages), pages_(pages) { counts_.free = counts_.total = pages; }

    // Appends `count` free pages, each with one reference; errc::exhausted changes nothing.
    result<void> allocate(std::uint32_t count, block_table& into) {
        const std::uint32_t before = into.blocks();
        if (auto taken = allocator_.allocate(count, into); !taken) return taken;
        run_cursor at(into.runs(), before);
        for (std::uint32_t i = 0; i < count; ++i, at.advance(1)) {
            change(at.page(), [](page& p) { p.references = 1; });
        }
        return {};
    }

    // One more user of a page that is not free.
    void retain(block_id b) {
        ASHLAR_ASSERT(state(b) != page_state::free);
        change(b.value, [](page& p) { ++p.references; });
    }
    // One user less. invalid_argument when the page has none: it was released twice.
    result<void> release(block_id b) { return drop(b, &page::references); }

    void lease(block_id b) {
        ASHLAR_ASSERT(state(b) != page_state::free);
        change(b.value, [](page& p) { ++p.leases; });
    }
    result<void> unlease(block_id b) { return drop(b, &page::leases); }
    // A lease ended, but its holder may not know: nobody gets this page before `fence`.
    result<void> quarantine(block_id b) {
        if (pages_[b.value].leases == 0) return {errc::invalid_argument, origin::kv};
        change(b.value, [](page& p) { --p.leases, ++p.quarantines; });
        return {};
    }
    // The holder has acknowledged, or is dead.
    result<void> fence(block_id b) { return drop(b, &page::quarantines); }

    // The prefix index keeps the page, or gives it up.
    void set_indexed(block_id b, bool indexed) {
        ASHLAR_ASSERT(state(b) != page_state::free);
        change(b.value, [=](page& p) { p.indexed = indexed; });
    }

    page_state state(block_id b) const { return state_of(pages_[b.value]); }
    generation_id generation(block_id b) const { return {pages_[b.value].generation}; }
    std::uint32_t references(block_id b) const { return pages_[b.value].references; }
    bool indexed(block_id b) const { return pages_[b.value].indexed; }
    // Kept by the index alone.
    bool idle(block_id b) const { return is_cached(pages_[b.value]); }
    const page_counts& counts() const { return counts_; }
    std::uint32_t longest_free_run() const { return allocator_.longest_run(); }

    bool check() const {
        page_counts seen{.total = static_cast<std::uint32_t>(pages_.size())};
        for (std::uint32_t i = 0; i < pages_.size(); ++i) {
            add(seen, pages_[i], 1);
            if (allocator_.is_free(i) != (state_of(pages_[i]) == page_state::free)) return false;
        }
        return seen == counts_ && seen.free + seen.owned + seen.leased + seen.quarantined == seen.total &&
               allocator_.free() == seen.free && allocator_.check();
    }

private:
    struct page {
        std::uint32_t generation = 0;
        std::uint16_t references = 0, leases = 0, quarantines = 0;
        bool indexed = false;
    };

    static page_state state_of(const page& p) {
        return p.quarantines               ? page_state::quarantined
               : p.leases                  ? page_state::leased
               : p.references || p.indexed ? page_state::owned
                                           : page_state::free;
    }
    static bool is_cached(const page& p) { return p.indexed && !p.references && !p.leases && !p.quarantines; }

    static void add(page_counts& counts, const page& p, std::uint32_t n) {
        std::uint32_t* const by_state[] = {&counts.free, &counts.owned, &counts.leased, &counts.quarantined};
        *by_state[static_cast<std::size_t>(state_of(p))] += n;
        if (is_cached(p)) counts.cached += n;
    }

    // Every change of a page goes through here: the sums follow, and a page that nothing holds any more becomes free.
    template <class Change>
    void change(std::uint32_t index, Change&& how) {
        page& p = pages_[index];
        const bool was_free = state_of(p) == page_state::free;
        add(counts_, p, ~std::uint32_t{0});
        how(p);
        add(counts_, p, 1);
        if (!was_free && state_of(p) == page_state::free) {
            ++p.generation;
            allocator_.release({index, 1});
        }
        ASHLAR_ASSERT(counts_.free + counts_.owned + counts_.leased + counts_.quarantined == counts_.total);
    }

    result<void> drop(block_id b, std::uint16_t page::* what) {
        if (pages_[b.value].*what == 0) return {errc::invalid_argument, origin::kv};
        change(b.value, [=](page& p) { --(p.*what); });
        return {};
    }

    allocator allocator_;
    fixed_array<page> pages_;
    page_counts counts_;
};

} // namespace ashlar::inline v0::kv
