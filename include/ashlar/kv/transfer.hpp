// SPDX-License-Identifier: Apache-2.0
// mover: the edge that carries KV pages from an engine that computes them to one that decodes with them. The decisions
// stand in `sender` and `receiver`, which are values; this turns what they want into fabric operations, and completions
// into what happened. One per engine, both directions; everything is driven by `poll` and `tick`.
//
//     decode side    pages.open(r, prompt, max);   auto g = mover.grant(r, prompt_tokens, cached, now, buffer);
//                    ... hand the ticket to the prefill side; poll until next_event says received(r) ...
//     prefill side   pages.open(r, prompt, 0);     auto t = mover.send(r, peer, ticket, now);
//                    mover.all_ready(*t, {0, cached_blocks});             // what was in its cache
//                    on_layer: mover.layer_ready(*t, layer, first, count);  mover.poll(now);
//                    ... poll until next_event says sent(r), then pages.close(r) ...
//
// Works on any basic_cache: `mover m(net, pages, ...)` takes its index, and with it its eviction policy, from `pages`.
// Every transfer that was granted or sent ends in exactly one event per side. After construction nothing is allocated.
// One thread at a time. The fabric, the cache and the pool's region outlive the mover, and it must not move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/crc32c.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/channel.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/kv/ledger.hpp>
#include <ashlar/kv/receiver.hpp>
#include <ashlar/kv/sender.hpp>
#include <ashlar/kv/ticket.hpp>
#include <ashlar/kv/transfer_options.hpp>

namespace ashlar::inline v0::kv {

template <class Fabric, class Layout, prefix_index Index = radix_index<lru>>
class mover {
    static_assert(fabric::check_fabric<Fabric>());
    static_assert(Fabric::max_message >= frame_bytes_max, "ashlar: kv::mover needs a fabric whose messages hold 1 KiB");

public:
    // `pool`: the registered memory of `layout.bytes()` bytes whose pages `pages` hands out.
    mover(Fabric& net, basic_cache<Index>& pages, const Layout& layout, const fabric::region& pool,
          const identity& self, const mover_options& options)
        : net_(net), cache_(pages), layout_(layout), pool_(pool), self_(self), options_(options), ledger_(self.epoch),
          senders_(options.transfers_max), receivers_(options.transfers_max), links_(options.peers_max),
          link_of_peer_(options.peers_max), by_id_{id_table<std::uint64_t, std::uint32_t>(options.transfers_max),
                                                   id_table<std::uint64_t, std::uint32_t>(options.transfers_max)},
          operations_(options.writes_max), unused_operations_(options.writes_max),
          events_(std::size_t{4} * options.transfers_max) {
        ASHLAR_ASSERT(options.transfers_max <= 1024 && layout.shape.layers <= 4096 && pool.size >= layout.bytes());
        ASHLAR_ASSERT(pages.options().pages <= layout.shape.blocks && self.epoch.value != 0);
        ASHLAR_ASSERT(pages.options().tokens_per_block == Layout::tokens_per_block);
        for (auto& s : senders_) s = {sender(layout.shape.layers, pages.options().blocks_per_sequence_max)};
        for (auto& r : receivers_) r = {receiver(layout.shape.layers, pages.options().blocks_per_sequence_max)};
        for (std::uint32_t i = 0; i < options.writes_max; ++i) (void)unused_operations_.push(i);
    }
    mover(const mover&) = delete;
    mover& operator=(const mover&) = delete;

    // ---- decode side. The request is open; its prompt's blocks behind the cached ones become writable for whoever
    // presents the ticket. `buffer`: ticket_bytes_max is always enough. exhausted: no slot or lease is left.
    result<granted> grant(request_id request, std::uint32_t prompt_tokens, std::uint32_t cached_tokens, instant now,
                          std::span<std::byte> buffer);
    // The request still waits for its prefill: its ticket holds on.
    result<void> extend(transfer_id transfer, instant now) {
        const std::uint32_t* index = by_id_[1].find(transfer.value);
        if (!index) return {errc::not_found, origin::kv};
        return cache_.renew(receivers_[*index].value.setup().lease, now + options_.lease);
    }

    // ---- prefill side. The request is open with the whole prompt. Errors: forged, corrupt, invalid_argument (another
    // layout, or the request is not open), out_of_range, stale, replayed, expired, exhausted, peer_down.
    result<transfer_id> send(request_id request, fabric::peer_id to, std::span<const std::byte> ticket, instant now);
    // Layer `layer` of blocks [first, first + count) of the sequence is computed. Ranges of a layer come in order; what
    // the receiver has cached is skipped. not_found: the transfer is over (its event tells why).
    result<void> layer_ready(transfer_id transfer, layer_id layer, std::uint32_t first_block,
                             std::uint32_t block_count) {
        const std::uint32_t* index = by_id_[0].find(transfer.value);
        if (!index) return {errc::not_found, origin::kv};
        return senders_[*index].value.layer_ready(layer, {first_block, block_count});
    }
    result<void> all_ready(transfer_id transfer, block_range blocks) { // the same for every layer
        for (std::uint32_t l = 0; l < layout_.shape.layers; ++l) {
            if (auto ok = layer_ready(transfer, {l}, blocks.first, blocks.count); !ok) return ok;
        }
        return {};
    }

    // ---- both sides
    // An event with errc::cancelled follows; not_found: over already.
    result<void> cancel(transfer_id transfer) {
        bool found = false;
        if (auto* i = by_id_[0].find(transfer.value)) found = fail_sender(*i, errc::cancelled);
        if (auto* i = by_id_[1].find(transfer.value)) found = fail_receiver(*i, errc::cancelled) || found;
        return found ? result<void>{} : result<void>{errc::not_found, origin::kv};
    }
    // Moves what can be moved; how much happened, 0 when idle.
    std::size_t poll(instant now) {
        std::size_t happened = 0;
        fabric::completion done[32];
        for (int round = 0; round < 8; ++round) {
            const std::size_t n = net_.poll(done);
            for (std::size_t i = 0; i < n; ++i) handle(done[i], now);
            happened += n;
            if (n < 32) break;
        }
        for (std::uint32_t i = 0; i < receivers_.size() && live_[1]; ++i) happened += advance_receiver(i);
        if (live_[0]) {
            const std::uint32_t start = turn_++;
            for (std::uint32_t i = 0; i < senders_.size(); ++i)
                happened += advance_sender((start + i) % static_cast<std::uint32_t>(senders_.size()), now);
        }
        for (std::uint32_t i = 0; i < links_used_; ++i) {
            link& l = links_[i];
            const bool room = l.full < receivers_.size() ? receivers_[l.full].value.has_room() : l.line.room() > 0;
            if (l.line.turned_away() && room) l.line.ask_again();
            happened += flush(l, now);
        }
        return happened;
    }
    // Renews, resends, expires; to be called every renew_every or more often.
    void tick(instant now) {
        cache_.expire(now, [](lease_id) {});
        for (std::uint32_t i = 0; i < senders_.size(); ++i) {
            sender& s = senders_[i].value;
            if (s.now() == sender::state::unused) continue;
            if (s.live() && lapsed(s.setup().lease)) ++counters_.expired, fail_sender(i, errc::expired);
            s.tick(now);
        }
        for (std::uint32_t i = 0; i < receivers_.size(); ++i) {
            receiver& r = receivers_[i].value;
            if (r.live() && lapsed(r.setup().lease)) ++counters_.expired, fail_receiver(i, errc::expired);
        }
        for (std::uint32_t i = 0; i < links_used_; ++i)
            counters_.resent += links_[i].line.tick(now, options_.resend_after);
    }
    bool next_event(transfer_event& out) {
        if (events_.empty()) return false;
        out = events_.pop();
        return true;
    }
    // The process behind this peer is dead and fenced: its memory accesses are over. Not every fabric can say so by
    // itself (fabric::final_in_death): where it cannot, pages lent to a lost peer stay quarantined until this is
    // called.
    void peer_down(fabric::peer_id peer) {
        if (const std::uint32_t* i = link_of_peer_.find(peer.value)) lose(links_[*i], true);
    }

    std::uint32_t sending() const { return live_[0]; }   // transfers in flight, each direction
    std::uint32_t receiving() const { return live_[1]; } // includes those that wait for a fence
    bool idle() const {                                  // and nothing is left to say to a peer that can be reached
        for (std::uint32_t i = 0; i < links_used_; ++i) {
            if (!links_[i].line.idle() && net_.state(links_[i].peer).up) return false;
        }
        return live_[0] == 0 && live_[1] == 0 && unused_operations_.size() == operations_.size();
    }
    const mover_counters& counters() const { return counters_; }

private:
    template <class Value>
    struct seat {
        Value value;
        std::uint32_t life = 0; // makes handles of one seat differ
        fabric::remote_region remote{};
    };
    struct link {
        fabric::peer_id peer{};
        channel line;
        std::uint32_t full = 0; // who turned a message away: a receiver, or else our own outbox
    };
    struct operation {
        fabric::op op; // first: a completion's op leads back here
        enum class kind : std::uint8_t { message, write, read } what = kind::message;
        std::uint32_t owner = 0; // sender's or receiver's index
        move_step step{};
    };

    static result<granted> bad(errc code) { return {code, origin::kv}; }
    result<transfer_id> refuse(error e) {
        ++counters_.tickets_refused;
        return e;
    }
    bool room_for_event() const { return events_.size() + live_[0] + live_[1] < events_.capacity(); }
    bool lapsed(lease_id id) const {
        const lease* l = cache_.find(id);
        return !l || l->quarantined;
    }
    void end_unused(lease_id id) { ASHLAR_ASSERT(cache_.release(id)); }
    template <class Seats>
    static std::uint32_t unused(const Seats& seats) {
        std::uint32_t i = 0;
        while (i < seats.size() && seats[i].value.now() != decltype(seats[i].value.now())::unused) ++i;
        return i;
    }
    std::uint32_t index_of(const link& l) const { return static_cast<std::uint32_t>(&l - links_.begin()); }
    std::uint64_t new_life() {
        const std::uint64_t life = mix(self_.epoch.value, ++lives_);
        return life ? life : 1;
    }
    link* find_link(fabric::peer_id peer) {
        if (peer == fabric::peer_id::none()) return nullptr;
        if (const std::uint32_t* i = link_of_peer_.find(peer.value)) return &links_[*i];
        if (links_used_ == links_.size() || !link_of_peer_.insert(peer.value, links_used_)) return nullptr;
        links_[links_used_] = {peer, channel(new_life(), 64), 0};
        return &links_[links_used_++];
    }
    void tell(transfer_event::kind what, transfer_id transfer, request_id request, bool ok, errc why,
              std::uint64_t bytes) {
        ASHLAR_ASSERT(events_.push({what, transfer, request, ok, {why, origin::kv}, bytes}));
        ++(!ok ? counters_.failed : what == transfer_event::kind::sent ? counters_.sent : counters_.received);
    }

    bool fail_sender(std::uint32_t i, errc why) {
        sender& s = senders_[i].value;
        if (!s.fail(why)) return false;
        (void)cache_.quarantine(s.setup().lease);
        tell(transfer_event::kind::sent, s.setup().transfer, s.setup().request, false, why, s.bytes());
        return true;
    }
    bool fail_receiver(std::uint32_t i, errc why) {
        receiver& r = receivers_[i].value;
        const bool came = r.bound();
        if (!r.fail(why)) return false;
        (void)cache_.quarantine(r.setup().lease);
        if (!came) why == errc::cancelled ? ledger_.cancel(r.setup().transfer) : ledger_.expire(r.setup().transfer);
        tell(transfer_event::kind::received, r.setup().transfer, r.setup().request, false, why, r.bytes());
        return true;
    }
    // The connection is gone, and with it, if `over`, every access that went over it.
    void lose(link& l, bool over) {
        ++counters_.peers_lost;
        net_.disconnect(l.peer);
        for (std::uint32_t i = 0; i < senders_.size(); ++i) {
            sender& s = senders_[i].value;
            if (s.now() == sender::state::unused || s.setup().link != index_of(l)) continue;
            fail_sender(i, errc::peer_down);
            s.lost();
        }
        for (std::uint32_t i = 0; i < receivers_.size(); ++i) {
            receiver& r = receivers_[i].value;
            if (r.now() == receiver::state::unused || !r.bound() || r.link != index_of(l)) continue;
            fail_receiver(i, errc::peer_down);
            over ? r.lost() : r.mute();
        }
        l.line.reset(new_life());
    }

    // ---- what the fabric says, and what peers say through it
    void handle(const fabric::completion& c, instant now);
    void hear(link& l, std::span<const std::byte> frame, instant now);
    void renew_link(const link& l, instant now);
    void operation_done(const fabric::completion& c);
    bool understand(const control& c, link& l, instant now); // false: there is no room for it now
    bool start(const control& c, link& l, instant now);
    // The first KiB of a page that comes next; the processor finds the rest by itself.
    static void fetch_ahead(const std::byte* page) {
        for (std::size_t i = 0; i < 1024; i += 64) __builtin_prefetch(page + i, 0, 2);
    }
    std::uint32_t checksum(std::uint64_t offset, std::uint64_t bytes) const {
        return crc32c({pool_.data + offset, static_cast<std::size_t>(bytes)});
    }

    // ---- what the values want
    bool say(link& l, const control& c) {
        std::byte bytes[message_bytes_max];
        const std::size_t n = encode(c, bytes);
        ASHLAR_ASSERT(n > 0);
        return l.line.push({bytes, n});
    }
    operation* take_operation(std::uint32_t owner, typename operation::kind what, const move_step& step) {
        if (unused_operations_.empty()) return nullptr;
        operation* at = &operations_[unused_operations_.pop()];
        at->op = {};
        at->what = what, at->owner = owner, at->step = step;
        return at;
    }
    void give_operation(operation* at) {
        ASHLAR_ASSERT(unused_operations_.push(static_cast<std::uint32_t>(at - operations_.begin())));
    }

    std::size_t advance_sender(std::uint32_t i, instant now);
    std::size_t advance_receiver(std::uint32_t i);
    std::size_t flush(link& l, instant now);

    Fabric& net_;
    basic_cache<Index>& cache_;
    Layout layout_;
    fabric::region pool_;
    identity self_;
    mover_options options_;
    ticket_ledger ledger_;
    fixed_array<seat<sender>> senders_;
    fixed_array<seat<receiver>> receivers_;
    fixed_array<link> links_;
    id_table<std::uint32_t, std::uint32_t> link_of_peer_;
    std::uint32_t links_used_ = 0;
    id_table<std::uint64_t, std::uint32_t> by_id_[2]; // transfers: sent, received
    fixed_array<operation> operations_;
    ring<std::uint32_t> unused_operations_;
    ring<transfer_event> events_;
    mover_counters counters_;
    std::uint32_t live_[2] = {0, 0}; // sending, receiving
    std::uint32_t turn_ = 0;
    std::uint64_t lives_ = 0;
};

} // namespace ashlar::inline v0::kv

#include <ashlar/kv/transfer_begin.hpp>
#include <ashlar/kv/transfer_heard.hpp>
#include <ashlar/kv/transfer_steps.hpp>
