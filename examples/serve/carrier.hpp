// SPDX-License-Identifier: Apache-2.0
// The fabric of one engine, its registered pool and the kv::mover on them, behind one face: which fabric it is gets
// known when the command line is read. Each kind is a translation unit of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <ashlar/core/number.hpp>
#include <ashlar/fabric/op.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/kv/transfer.hpp>

#include "settings.hpp"

namespace serve {

using kv_layout = ashlar::kv::block_first<ashlar::f16, ashlar::kv::tokens<tokens_per_block>>;

class carrier {
public:
    virtual ~carrier() = default;
    virtual std::string name() const = 0; // as peers must agree: "window", "ofi:net"
    virtual std::span<std::byte> pool() = 0;
    virtual void attach(ashlar::kv::cache& pages, const kv_layout& layout, const ashlar::kv::identity& self,
                        const ashlar::kv::mover_options& options) = 0; // throws std::runtime_error

    virtual std::span<const std::byte> address() const = 0;
    virtual ashlar::result<ashlar::fabric::peer_id> connect(std::span<const std::byte> address) = 0;
    // `dead`: its process is known to have ended, so it can touch nothing any more. If that is not known the fabric
    // must find out: it stays connected while transfers are in flight, whose pages are free again when it has.
    virtual void disconnect(ashlar::fabric::peer_id peer, bool dead) = 0;
    // One that was disconnected while it may have lived has ended after all.
    virtual void ended(ashlar::fabric::peer_id peer) = 0;
    virtual ashlar::fabric::peer_state state(ashlar::fabric::peer_id peer) const = 0;
    virtual bool down_is_final() const = 0; // who is down has ended: fabric::final_in_death
    // Closes the endpoint, so that nobody can touch the pool any more, and opens another of another address: all peers,
    // transfers and counters are gone; attach again. Throws where only the end of the process does that.
    virtual void reopen() = 0;
    virtual void wait(ashlar::duration most) = 0; // until something may have come

    virtual ashlar::result<ashlar::kv::granted> grant(ashlar::request_id request, std::uint32_t prompt_tokens,
                                                      std::uint32_t cached_tokens, ashlar::instant now,
                                                      std::span<std::byte> buffer) = 0;
    virtual ashlar::result<ashlar::transfer_id> send(ashlar::request_id request, ashlar::fabric::peer_id to,
                                                     std::span<const std::byte> ticket, ashlar::instant now) = 0;
    virtual ashlar::result<void> layer_ready(ashlar::transfer_id transfer, ashlar::layer_id layer, std::uint32_t first,
                                             std::uint32_t count) = 0;
    virtual ashlar::result<void> all_ready(ashlar::transfer_id transfer, ashlar::kv::block_range blocks) = 0;
    virtual ashlar::result<void> cancel(ashlar::transfer_id transfer) = 0;
    virtual std::size_t poll(ashlar::instant now) = 0;
    virtual void tick(ashlar::instant now) = 0;
    virtual bool next_event(ashlar::kv::transfer_event& out) = 0;
    virtual bool idle() const = 0; // nothing is in flight, acknowledgements included
    virtual const ashlar::kv::mover_counters& counters() const = 0;
};

// Throws std::runtime_error with a sentence.
std::unique_ptr<carrier> open_window(std::size_t pool_bytes);
std::unique_ptr<carrier> open_ofi(const std::string& provider, const std::string& host, std::size_t pool_bytes);

} // namespace serve
