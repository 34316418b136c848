// SPDX-License-Identifier: Apache-2.0
// cache: the KV memory of one engine as a value. A request opens with its prompt and gets what is cached of it plus all
// the pages it can ever need, up front, so that nothing is preempted later; full blocks join the prefix index as they
// are computed; what is closed stays cached until room is needed.
//
//     cache pages({.pages = 4096, .tokens_per_block = 16, .sequences_max = 256, .blocks_per_sequence_max = 512,
//                  .leases_max = 64, .salt = secret, .prefix_caching = true});
//     auto o = pages.open(request, prompt, max_tokens);  // errc::exhausted: later; out_of_range: never
//     ... compute from o->cached_tokens on into o->runs ...
//     pages.commit(request, tokens_so_far);   pages.close(request);   // close at any state: that is cancel
//
// `cache` is basic_cache over a radix index, least recently used first; basic_cache<chain_index<slru>> is another.
// Leases let a peer touch a request's pages; pages under a lease outlive `close`. No allocation after construction.
// free + owned + leased + quarantined = total after every call. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/kv/block_table.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/kv/lease.hpp>
#include <ashlar/kv/pool.hpp>
#include <ashlar/kv/prefix_index.hpp>
#include <ashlar/kv/radix_index.hpp>

namespace ashlar::inline v0::kv {

struct cache_options {
    std::uint32_t pages; // blocks in the pool
    std::uint32_t tokens_per_block;
    std::uint32_t sequences_max;           // requests open at a time
    std::uint32_t blocks_per_sequence_max; // bounds prompt + max_tokens
    std::uint32_t leases_max;
    key128 salt; // of the prefix keys
    bool prefix_caching;
};

struct opened {
    std::uint32_t cached_tokens = 0;   // a whole number of blocks, less than the prompt
    std::span<const block_run> runs{}; // of the whole sequence, prefix included; valid until close
};

struct cache_counters {
    std::uint64_t prefix_query_tokens = 0, prefix_hit_tokens = 0;
    std::uint64_t evictions = 0; // blocks
    std::uint64_t refused = 0;   // opens
    std::uint64_t leases_granted = 0, leases_renewed = 0, leases_expired = 0, leases_fenced = 0;
};

template <prefix_index Index>
class basic_cache {
public:
    explicit basic_cache(const cache_options& options)
        : options_(options), pool_(options.pages),
          index_({.pages = options.pages, .tokens_per_block = options.tokens_per_block, .salt = options.salt}),
          leases_(options.leases_max, options.blocks_per_sequence_max), sequences_(options.sequences_max),
          by_request_(options.sequences_max), unused_(options.sequences_max),
          runs_(std::size_t{options.sequences_max} * options.blocks_per_sequence_max),
          anchors_(std::size_t{options.sequences_max} * options.blocks_per_sequence_max) {
        for (std::uint32_t i = 0; i < options.sequences_max; ++i) (void)unused_.push(i);
    }

    // Errors: invalid_argument (empty prompt, or the request is open), out_of_range (larger than a sequence or the pool
    // can be), exhausted (now; nothing has changed but evictions).
    result<opened> open(request_id request, std::span<const token_id> prompt, std::uint32_t max_tokens);

    // Of an open request; empty otherwise.
    std::span<const block_run> runs(request_id request) const {
        const sequence* s = find(request);
        return s ? s->table.runs() : std::span<const block_run>{};
    }
    bool is_open(request_id request) const { return find(request) != nullptr; }

    // `tokens`: all of the request's tokens whose KV is in its pages, from its start. Full blocks join the index.
    // invalid_argument while a peer may still write to the request's pages; not_found: not open.
    result<void> commit(request_id request, std::span<const token_id> tokens);

    // Gives everything back that nobody else holds. not_found: not open (a second cancel is harmless).
    result<void> close(request_id request);

    // ---- leases: which peer may touch which pages, until when
    result<lease_id> grant(request_id request, block_range blocks, access how, instant until);
    const kv::lease* find(lease_id id) const { return leases_.find(id); }
    result<void> bind(lease_id id, epoch_id holder); // replayed: another holder came first
    result<void> renew(lease_id id, instant until);  // expired: quarantined already
    // stale when a page has changed hands since the lease was granted.
    result<void> verify(lease_id id) const;
    result<void> release(lease_id id);    // all agree that it is over: invalid_argument once quarantined
    result<void> quarantine(lease_id id); // over for us; the holder may not know
    result<void> fence(lease_id id);      // the holder knows, or nobody ever held it
    // Quarantines each lease whose time has passed, and tells `expired(lease_id)` of it.
    template <class Expired>
    void expire(instant now, Expired&& expired) {
        for (std::uint32_t i = 0; i < leases_.capacity(); ++i) {
            const kv::lease* l = leases_.at(i);
            if (!l || l->quarantined || l->until > now) continue;
            const lease_id id = l->id;
            (void)quarantine(id);
            ++counters_.leases_expired;
            expired(id);
        }
    }
    // The holder is dead and can touch nothing any more: all its leases are gone. Returns how many there were.
    std::uint32_t fence(epoch_id dead);
    // Nobody can touch this memory any more, its endpoint is closed: all leases are gone. Returns how many there were.
    std::uint32_t fence_all();
    // Whether some lease is quarantined that ended before `since`.
    bool overdue(instant since) const {
        for (std::uint32_t i = 0; i < leases_.capacity(); ++i) {
            const kv::lease* l = leases_.at(i);
            if (l && l->quarantined && l->until < since) return true;
        }
        return false;
    }

    const page_counts& counts() const { return pool_.counts(); }
    const cache_counters& counters() const { return counters_; }
    const cache_options& options() const { return options_; }
    std::uint32_t open_count() const { return options_.sequences_max - static_cast<std::uint32_t>(unused_.size()); }
    const kv::pool& pool() const { return pool_; }
    // All invariants. O(pages).
    bool check() const;

private:
    struct sequence {
        block_table table{};
        std::span<std::uint32_t> anchors{}; // the page that stands for block i in the index: ours, or an equal one
        std::uint64_t opening = 0;          // serial number
        std::uint32_t committed = 0;        // blocks that the index knows
        std::uint32_t writers = 0;          // leases under which a peer may write
    };

    sequence* find(request_id request) {
        const std::uint32_t* slot = by_request_.find(request.value);
        return slot ? &sequences_[*slot] : nullptr;
    }
    const sequence* find(request_id request) const { return const_cast<basic_cache*>(this)->find(request); }

    // Every change of a page's holders: the index learns whether anybody uses the page.
    template <class Change>
    void change(std::uint32_t page, Change&& how) {
        const bool was_idle = pool_.idle({page});
        how(block_id{page});
        const bool is_idle = pool_.idle({page});
        if (was_idle && !is_idle) index_.hold(page);
        if (!was_idle && is_idle) index_.release(page);
    }
    void hold(std::uint32_t page) {
        change(page, [this](block_id b) { pool_.retain(b); });
    }
    void drop(std::uint32_t page) {
        change(page, [this](block_id b) { ASHLAR_ASSERT(pool_.release(b)); });
    }
    template <class Page>
    static void each_page(std::span<const granted_run> runs, Page&& page) {
        for (const granted_run& run : runs)
            for (std::uint32_t i = 0; i < run.count; ++i) page(run.first + i, run.generation);
    }
    bool make_room(std::uint32_t pages);
    void end(kv::lease& l);

    cache_options options_;
    kv::pool pool_;
    Index index_;
    lease_table leases_;
    fixed_array<sequence> sequences_;
    id_table<std::uint64_t, std::uint32_t> by_request_;
    ring<std::uint32_t> unused_;
    fixed_array<block_run> runs_;
    fixed_array<std::uint32_t> anchors_;
    cache_counters counters_;
    std::uint64_t openings_ = 0;
};

using cache = basic_cache<radix_index<lru>>;

template <prefix_index Index>
bool basic_cache<Index>::make_room(std::uint32_t pages) {
    if (counts().free + counts().cached < pages) return false;
    while (counts().free < pages) {
        const std::uint32_t page = index_.evict();
        if (page == no_page) return false; // the rest are prefixes of what a lease still keeps
        pool_.set_indexed({page}, false);
        ++counters_.evictions;
    }
    return true;
}

template <prefix_index Index>
result<opened> basic_cache<Index>::open(request_id request, std::span<const token_id> prompt,
                                        std::uint32_t max_tokens) {
    if (prompt.empty() || find(request)) return {errc::invalid_argument, origin::kv};
    const std::uint64_t tokens = std::uint64_t{prompt.size()} + max_tokens;
    if (tokens > std::uint64_t{options_.blocks_per_sequence_max} * options_.tokens_per_block ||
        tokens > std::uint64_t{options_.pages} * options_.tokens_per_block) {
        return {errc::out_of_range, origin::kv};
    }
    const std::uint32_t blocks = blocks_for(tokens, options_.tokens_per_block);
    if (unused_.empty()) return ++counters_.refused, result<opened>{errc::exhausted, origin::kv};

    const std::uint32_t slot = unused_.front();
    const std::size_t at = std::size_t{slot} * options_.blocks_per_sequence_max;
    sequence s{.table = block_table({runs_.data() + at, options_.blocks_per_sequence_max}),
               .anchors = {anchors_.data() + at, options_.blocks_per_sequence_max}};
    if (options_.prefix_caching) s.committed = index_.match(prompt, s.anchors);
    for (std::uint32_t i = 0; i < s.committed; ++i) {
        hold(s.anchors[i]);
        ASHLAR_ASSERT(s.table.push({s.anchors[i], 1}));
    }
    if (!make_room(blocks - s.committed)) {
        for (std::uint32_t i = s.committed; i-- > 0;) drop(s.anchors[i]);
        return ++counters_.refused, result<opened>{errc::exhausted, origin::kv};
    }
    ASHLAR_ASSERT(pool_.allocate(blocks - s.committed, s.table));
    s.opening = ++openings_;
    unused_.pop();
    sequences_[slot] = s;
    ASHLAR_ASSERT(by_request_.insert(request.value, slot));
    counters_.prefix_query_tokens += prompt.size();
    counters_.prefix_hit_tokens += std::uint64_t{s.committed} * options_.tokens_per_block;
    return opened{s.committed * options_.tokens_per_block, s.table.runs()};
}

template <prefix_index Index>
result<void> basic_cache<Index>::commit(request_id request, std::span<const token_id> tokens) {
    sequence* s = find(request);
    if (!s) return {errc::not_found, origin::kv};
    if (s->writers) return {errc::invalid_argument, origin::kv};
    const std::size_t size = options_.tokens_per_block;
    if (blocks_for(tokens.size(), options_.tokens_per_block) > s->table.blocks())
        return {errc::out_of_range, origin::kv};
    if (!options_.prefix_caching) return {};
    run_cursor at(s->table.runs(), s->committed);
    for (; (s->committed + 1) * size <= tokens.size(); ++s->committed, at.advance(1)) {
        const std::uint32_t parent = s->committed ? s->anchors[s->committed - 1] : no_page;
        const std::uint32_t page = index_.insert(parent, tokens.subspan(s->committed * size, size), at.page());
        if (page == at.page())
            pool_.set_indexed({page}, true);
        else // somebody computed the same block: keep theirs alive as long as we use what may follow it
            hold(page);
        s->anchors[s->committed] = page;
    }
    return {};
}

template <prefix_index Index>
result<void> basic_cache<Index>::close(request_id request) {
    const std::uint32_t* found = by_request_.find(request.value);
    if (!found) return {errc::not_found, origin::kv};
    const std::uint32_t slot = *found;
    sequence& s = sequences_[slot];
    std::uint32_t block = s.table.blocks();
    for (std::size_t r = s.table.runs().size(); r-- > 0;) { // tails before heads
        const block_run run = s.table.runs()[r];
        for (std::uint32_t page = run.first + run.count; page-- > run.first;) {
            --block;
            if (block < s.committed && s.anchors[block] != page) drop(s.anchors[block]);
            drop(page);
        }
    }
    s = {};
    (void)by_request_.erase(request.value);
    ASHLAR_ASSERT(unused_.push(slot));
    return {};
}

template <prefix_index Index>
bool basic_cache<Index>::check() const {
    std::uint64_t held = 0, used = 0;
    std::uint32_t indexed = 0, idle = 0;
    for (std::uint32_t page = 0; page < options_.pages; ++page) {
        held += pool_.references({page});
        indexed += pool_.indexed({page});
        idle += pool_.idle({page});
        if (pool_.indexed({page}) != index_.contains(page)) return false;
        if (pool_.idle({page}) != (index_.contains(page) && !index_.held(page))) return false;
    }
    for (const sequence& s : sequences_) {
        used += s.table.blocks();
        run_cursor at(s.table.runs());
        for (std::uint32_t i = 0; i < s.committed; ++i, at.advance(1)) used += s.anchors[i] != at.page();
    }
    return pool_.check() && held == used && indexed == index_.size() && idle == counts().cached;
}

} // namespace ashlar::inline v0::kv

#include <ashlar/kv/cache_leases.hpp>
