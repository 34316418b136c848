// SPDX-License-Identifier: Apache-2.0
// The life of a lease: granted over a request's pages, bound to the first who comes, renewed, released when all agree;
// or quarantined, and fenced when its holder can touch nothing any more. Part of cache; include kv/cache.hpp.
//
//     auto id = pages.grant(r, blocks, access::write, until);   pages.bind(*id, peer);   ...   pages.release(*id);
#pragma once

#include <ashlar/kv/cache.hpp>

namespace ashlar::inline v0::kv {

template <prefix_index Index>
result<lease_id> basic_cache<Index>::grant(request_id request, block_range blocks, access how, instant until) {
    sequence* s = find(request);
    if (!s) return {errc::not_found, origin::kv};
    if (blocks.first > s->table.blocks() || blocks.count > s->table.blocks() - blocks.first) {
        return {errc::out_of_range, origin::kv};
    }
    const std::span<granted_run> pages = leases_.next_pages();
    if (pages.empty()) return {errc::exhausted, origin::kv};
    std::size_t used = 0;
    run_cursor at(s->table.runs(), blocks.first);
    for (std::uint32_t i = 0; i < blocks.count; ++i, at.advance(1)) {
        const std::uint32_t page = at.page(), generation = pool_.generation({page}).value;
        granted_run* last = used ? &pages[used - 1] : nullptr;
        if (last && last->first + last->count == page && last->generation == generation)
            ++last->count;
        else
            pages[used++] = {page, 1, generation};
        change(page, [this](block_id b) { pool_.lease(b); });
    }
    s->writers += how == access::write;
    ++counters_.leases_granted;
    return leases_.add(kv::lease{.request = request,
                                 .opening = s->opening,
                                 .how = how,
                                 .until = until,
                                 .blocks = blocks,
                                 .pages = pages.first(used)});
}

template <prefix_index Index>
result<void> basic_cache<Index>::bind(lease_id id, epoch_id holder) {
    kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    if (l->quarantined) return {errc::expired, origin::kv};
    if (l->holder.value && l->holder != holder) return {errc::replayed, origin::kv};
    l->holder = holder;
    return {};
}

template <prefix_index Index>
result<void> basic_cache<Index>::renew(lease_id id, instant until) {
    kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    if (l->quarantined) return {errc::expired, origin::kv};
    if (until > l->until) l->until = until;
    ++counters_.leases_renewed;
    return {};
}

template <prefix_index Index>
result<void> basic_cache<Index>::verify(lease_id id) const {
    const kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    bool same = true;
    each_page(l->pages, [&](std::uint32_t page, std::uint32_t generation) {
        same = same && pool_.generation({page}).value == generation;
    });
    return same ? result<void>{} : result<void>{errc::stale, origin::kv};
}

template <prefix_index Index>
void basic_cache<Index>::end(kv::lease& l) {
    each_page(l.pages, [&](std::uint32_t page, std::uint32_t) {
        change(page, [&](block_id b) { ASHLAR_ASSERT(l.quarantined ? pool_.fence(b) : pool_.unlease(b)); });
    });
    if (sequence* s = find(l.request); s && s->opening == l.opening && l.how == access::write) --s->writers;
    leases_.remove(l.id);
}

template <prefix_index Index>
result<void> basic_cache<Index>::release(lease_id id) {
    kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    if (l->quarantined) return {errc::invalid_argument, origin::kv};
    end(*l);
    return {};
}

template <prefix_index Index>
result<void> basic_cache<Index>::quarantine(lease_id id) {
    kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    if (l->quarantined) return {};
    each_page(l->pages, [this](std::uint32_t page, std::uint32_t) {
        change(page, [this](block_id b) { ASHLAR_ASSERT(pool_.quarantine(b)); });
    });
    l->quarantined = true;
    return {};
}

template <prefix_index Index>
result<void> basic_cache<Index>::fence(lease_id id) {
    kv::lease* l = leases_.find(id);
    if (!l) return {errc::not_found, origin::kv};
    if (!l->quarantined) return {errc::invalid_argument, origin::kv};
    end(*l);
    ++counters_.leases_fenced;
    return {};
}

template <prefix_index Index>
std::uint32_t basic_cache<Index>::fence(epoch_id dead) {
    std::uint32_t ended = 0;
    for (std::uint32_t i = 0; i < leases_.capacity(); ++i) {
        kv::lease* l = leases_.at(i);
        if (!l || dead.value == 0 || l->holder != dead) continue;
        end(*l);
        ++ended;
    }
    counters_.leases_fenced += ended;
    return ended;
}

template <prefix_index Index>
std::uint32_t basic_cache<Index>::fence_all() {
    std::uint32_t ended = 0;
    for (std::uint32_t i = 0; i < leases_.capacity(); ++i) {
        if (kv::lease* l = leases_.at(i)) end(*l), ++ended;
    }
    counters_.leases_fenced += ended;
    return ended;
}

} // namespace ashlar::inline v0::kv
