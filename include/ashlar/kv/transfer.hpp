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
// Every transfer that was granted or sent ends in exactly one event per side. After construction nothing is allocated.
// One thread at a time. The fabric, the cache and the pool's region outlive the mover, and it must not move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/layout.hpp>

namespace ashlar::inline v0::kv {

struct identity {
    instance_id instance;
    epoch_id epoch;    // random, new with every start of the process, never 0
    key128 fleet_key;  // shared by the engines of a fleet
};

struct mover_options {
    std::uint32_t transfers_max;  // of each direction; at most 1024
    std::uint32_t writes_max;     // fabric operations in flight
    std::uint32_t peers_max;
    duration lease;               // a transfer whose peer is silent for so long is over
    duration renew_every;         // several times in a lease
    duration resend_after;        // an unacknowledged control message
    bool verify;                  // CRC32C over every page received; true unless the fabric is trusted more than memory
    bool pull;                    // as sender: let the receiver read, instead of writing (needs fabric::readable)
};

struct transfer_event {
    enum class kind : std::uint8_t { sent, received } what = kind::sent;
    transfer_id transfer{};
    request_id request{};
    bool ok = false;
    error fault{};            // why not
    std::uint64_t bytes = 0;  // moved by this side
};

struct granted {
    transfer_id transfer{};
    std::span<const std::byte> ticket{}; // in the caller's buffer
};

struct mover_counters {
    std::uint64_t bytes_sent = 0, bytes_received = 0, blocks_sent = 0, blocks_received = 0; // blocks: of one layer
    std::uint64_t writes = 0, reads = 0, write_failures = 0, read_failures = 0;
    std::uint64_t sent = 0, received = 0, failed = 0; // transfers
    std::uint64_t checksum_failures = 0, asked_again = 0;
    std::uint64_t tickets_issued = 0, tickets_refused = 0, epoch_mismatches = 0, stray_immediates = 0;
    std::uint64_t renewals = 0, expired = 0, messages = 0, resent = 0, bad_messages = 0, peers_lost = 0;
};

template <class Fabric, class Layout>
class mover {
    static_assert(fabric::check_fabric<Fabric>());

public:
    // `pool`: the registered memory of `layout.bytes()` bytes whose pages `pages` hands out.
    mover(Fabric& net, cache& pages, const Layout& layout, const fabric::region& pool, const identity& self,
          const mover_options& options);
    mover(const mover&) = delete;
    mover& operator=(const mover&) = delete;

    // ---- decode side. The request is open; its prompt's blocks behind the cached ones become writable for whoever
    // presents the ticket. `buffer`: ticket_bytes_max is always enough. exhausted: no slot or lease is left.
    result<granted> grant(request_id request, std::uint32_t prompt_tokens, std::uint32_t cached_tokens, instant now,
                          std::span<std::byte> buffer);

    // ---- prefill side. The request is open with the whole prompt. Errors: forged, corrupt, invalid_argument (another
    // layout, or the request is not open), out_of_range, stale, replayed, expired, exhausted.
    result<transfer_id> send(request_id request, fabric::peer_id to, std::span<const std::byte> ticket, instant now);
    // Layer `layer` of blocks [first, first + count) of the sequence is computed. Ranges of a layer come in order; what
    // the receiver has cached is skipped. not_found: the transfer is over (its event tells why).
    result<void> layer_ready(transfer_id transfer, layer_id layer, std::uint32_t first_block, std::uint32_t block_count);
    result<void> all_ready(transfer_id transfer, block_range blocks); // the same for every layer

    // ---- both sides
    result<void> cancel(transfer_id transfer); // an event with errc::cancelled follows; not_found: over already
    std::size_t poll(instant now);             // moves what can be moved; how much happened, 0 when idle
    void tick(instant now);                    // renews, resends, expires; every renew_every or more often
    bool next_event(transfer_event& out);
    // The process behind this peer is dead and fenced: its memory accesses are over.
    void peer_down(fabric::peer_id peer);

    std::uint32_t sending() const;   // transfers in flight, each direction
    std::uint32_t receiving() const; // includes those that wait for a fence
    const mover_counters& counters() const;
};

} // namespace ashlar::inline v0::kv
