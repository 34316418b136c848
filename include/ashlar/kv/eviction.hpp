// SPDX-License-Identifier: Apache-2.0
// Which block goes first. A policy keeps the blocks that an index offers it, in an order of its own, and gives them up
// one by one. It knows pages, not tokens or trees: the index tells it what may go. A candidate that may not is left
// out, and comes back by its next use or when its last child is gone (`restore`), so no block is looked at twice in
// vain.
//
//     lru order(4096);
//     order.insert(page, identity, depth);   // first time nobody holds the block; depth in blocks from the start
//     order.use(page);                       // used once more, and again nobody holds it
//     page = order.evict([&](std::uint32_t p) { return may_go(p); });   // or no_page
//
// A policy that knows evicted blocks again says `static constexpr bool remembers = true` and gets their identity, 64
// bits of a hash of the whole prefix; the others get 0. Intrusive 32-bit links: no allocation after construction.
#pragma once

#include <concepts>
#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/kv/prefix_index.hpp>

namespace ashlar::inline v0::kv {

template <class Policy>
concept eviction_policy =
    requires(Policy& policy, std::uint32_t page, std::uint64_t identity, bool (*may)(std::uint32_t)) {
        policy.insert(page, identity, page);
        policy.use(page);
        policy.restore(page); // of one that was left out: it comes up next
        { policy.evict(may) } -> std::same_as<std::uint32_t>;
    };

template <class Policy>
concept remembering_policy = eviction_policy<Policy> && Policy::remembers;

// Queues over one array of links; a page is in one of them or in none.
struct page_queue {
    std::uint32_t oldest = no_page, newest = no_page, size = 0;
};

class page_links {
public:
    explicit page_links(std::uint32_t pages) : links_(pages) {}

    bool linked(std::uint32_t page) const { return links_[page].linked(); }
    void push_newest(page_queue& q, std::uint32_t page) {
        link* links = links_.data();
        ASHLAR_ASSERT(page < links_.size() && !links[page].linked());
        links[page] = {q.newest, no_page};
        (q.newest == no_page ? q.oldest : links[q.newest].newer) = page;
        q.newest = page;
        ++q.size;
    }
    void push_oldest(page_queue& q, std::uint32_t page) {
        ASHLAR_ASSERT(!linked(page));
        links_[page] = {no_page, q.oldest};
        (q.oldest == no_page ? q.newest : links_[q.oldest].older) = page;
        q.oldest = page;
        ++q.size;
    }
    void erase(page_queue& q, std::uint32_t page) {
        link* links = links_.data();
        ASHLAR_ASSERT(page < links_.size() && links[page].linked());
        const link l = links[page];
        (l.older == no_page ? q.oldest : links[l.older].newer) = l.newer;
        (l.newer == no_page ? q.newest : links[l.newer].older) = l.older;
        links[page] = {};
        --q.size;
    }
    // The oldest, or no_page.
    std::uint32_t pop(page_queue& q) {
        const std::uint32_t page = q.oldest;
        if (page != no_page) erase(q, page);
        return page;
    }

private:
    static constexpr std::uint32_t nowhere = no_page - 1;
    struct link {
        std::uint32_t older = nowhere, newer = nowhere;
        bool linked() const { return older != nowhere; }
    };
    fixed_array<link> links_;
};

// Least recently used first.
class lru {
public:
    explicit lru(std::uint32_t pages) : links_(pages) {}
    void insert(std::uint32_t page, std::uint64_t, std::uint32_t) { links_.push_newest(queue_, page); }
    void use(std::uint32_t page) {
        if (links_.linked(page)) links_.erase(queue_, page);
        links_.push_newest(queue_, page);
    }
    void restore(std::uint32_t page) {
        if (!links_.linked(page)) links_.push_oldest(queue_, page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        std::uint32_t page = links_.pop(queue_);
        while (page != no_page && !may(page)) page = links_.pop(queue_);
        return page;
    }

private:
    page_links links_;
    page_queue queue_;
};

} // namespace ashlar::inline v0::kv
