// SPDX-License-Identifier: Apache-2.0
// How a transfer begins: the decode side lends pages and issues a ticket for them, the prefill side presents it and
// lends its own pages to the writes. What fails here has lent nothing. Part of mover; include kv/transfer.hpp.
//
//     auto g = mover.grant(r, prompt_tokens, cached, now, buffer);   auto t = mover.send(r, peer, g->ticket, now);
#pragma once

#include <ashlar/kv/transfer.hpp>

namespace ashlar::inline v0::kv {

template <class Fabric, class Layout, prefix_index Index>
result<granted> mover<Fabric, Layout, Index>::grant(request_id request, std::uint32_t prompt_tokens,
                                                    std::uint32_t cached_tokens, instant now,
                                                    std::span<std::byte> buffer) {
    constexpr std::uint32_t size = Layout::tokens_per_block;
    if (prompt_tokens == 0 || cached_tokens >= prompt_tokens || cached_tokens % size)
        return bad(errc::invalid_argument);
    const std::uint32_t index = unused(receivers_);
    if (index == receivers_.size() || !room_for_event()) return bad(errc::exhausted);
    const block_range blocks{cached_tokens / size, blocks_for(prompt_tokens, size) - cached_tokens / size};
    const auto lease = cache_.grant(request, blocks, access::write, now + options_.lease);
    if (!lease) return lease.error();
    auto& seat = receivers_[index];
    const std::uint32_t slot = index | (++seat.life & 1023) << 10;
    const auto fail = [&](error e) { return end_unused(*lease), result<granted>(e); };
    ticket t{.instance = self_.instance,
             .epoch = self_.epoch,
             .transfer = ledger_.issue(),
             .slot = slot,
             .layout = layout_.hash(),
             .pool = pool_.remote,
             .strides = layout_.strides(),
             .tokens = prompt_tokens,
             .cached_tokens = cached_tokens,
             .deadline = options_.lease};
    for (const granted_run& run : cache_.find(*lease)->pages) {
        if (!t.runs.push_back(run)) return fail({errc::exhausted, origin::kv});
    }
    const auto bytes = encode(t, self_.fleet_key, buffer);
    if (!bytes) return fail(bytes.error());
    const auto begun = seat.value.begin({.transfer = t.transfer,
                                         .request = request,
                                         .lease = *lease,
                                         .tag = ticket_tag(*bytes),
                                         .slot = slot,
                                         .layers = layout_.shape.layers,
                                         .page_bytes = layout_.page_bytes(),
                                         .blocks = blocks,
                                         .here = layout_.strides(),
                                         .verify = options_.verify,
                                         .can_read = fabric::readable<Fabric>},
                                        cache_.runs(request));
    if (!begun) return fail(begun.error());
    ASHLAR_ASSERT(by_id_[1].insert(t.transfer.value, index));
    ++live_[1], ++counters_.tickets_issued;
    return granted{t.transfer, *bytes};
}

template <class Fabric, class Layout, prefix_index Index>
result<transfer_id> mover<Fabric, Layout, Index>::send(request_id request, fabric::peer_id to,
                                                       std::span<const std::byte> bytes, instant now) {
    const auto t = decode_ticket(bytes, self_.fleet_key);
    if (!t) return refuse(t.error());
    const auto runs = cache_.runs(request);
    const auto ok = verify(*t, {.layout = layout_.hash(),
                                .page_bytes = layout_.page_bytes(),
                                .layers = layout_.shape.layers,
                                .tokens_per_block = Layout::tokens_per_block,
                                .blocks = count_blocks(runs)});
    if (!ok) return refuse(ok.error());
    if (by_id_[0].find(t->transfer.value)) return refuse({errc::replayed, origin::kv});
    if (!net_.state(to).up) return error{errc::peer_down, origin::kv};
    const std::uint32_t index = unused(senders_);
    link* l = find_link(to);
    if (index == senders_.size() || !l || !room_for_event()) return error{errc::exhausted, origin::kv};
    constexpr std::uint32_t size = Layout::tokens_per_block;
    const block_range blocks{t->cached_tokens / size, blocks_for(t->tokens, size) - t->cached_tokens / size};
    const auto lease = cache_.grant(request, blocks, access::read, now + options_.lease);
    if (!lease) return lease.error();
    auto& seat = senders_[index];
    const auto begun = seat.value.begin({.transfer = t->transfer,
                                         .request = request,
                                         .lease = *lease,
                                         .issuer = t->epoch,
                                         .tag = ticket_tag(bytes),
                                         .handle = index | (++seat.life & 1023) << 10,
                                         .slot = t->slot,
                                         .link = index_of(*l),
                                         .layers = layout_.shape.layers,
                                         .page_bytes = layout_.page_bytes(),
                                         .blocks = blocks,
                                         .here = layout_.strides(),
                                         .there = t->strides,
                                         .source = pool_.remote,
                                         .offer = options_.pull,
                                         .renew_every = options_.renew_every},
                                        runs, t->runs, now);
    if (!begun) return end_unused(*lease), refuse(begun.error());
    seat.remote = t->pool;
    ASHLAR_ASSERT(by_id_[0].insert(t->transfer.value, index));
    ++live_[0];
    return t->transfer;
}

} // namespace ashlar::inline v0::kv
