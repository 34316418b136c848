// SPDX-License-Identifier: Apache-2.0
// The KV memory of one engine: the pool, its pages and, unless the engine does all by itself, the fabric over which
// pages move and the neighbours there. Tickets are worth something in one epoch only: one opening of the fabric.
//
//     kv_store kv(how, role, facts, fleet_key, host);
//     kv.pages().open(key, prompt, max_tokens);   if (kv.fabric()) kv.fabric()->grant(key, ...);
//     if (kv.must_reopen(now)) kv.reopen(now);    // when all transfers are called off
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/kv/cache.hpp>
#include <ashlar/model/llama.hpp>
#include <ashlar/sched/reopening.hpp>

#include "carrier.hpp"
#include "neighbours.hpp"
#include "settings.hpp"
#include "wire.hpp"

namespace serve {

class kv_store {
public:
    // `host`: of this machine, where others reach it; empty: this machine only. Throws std::runtime_error.
    kv_store(const settings& how, ashlar::sched::role as, const ashlar::model::llama_facts& facts,
             ashlar::key128 fleet_key, const std::string& host);

    const kv_layout& layout() const { return layout_; }
    std::byte* pool() const { return pool_.data(); }
    ashlar::kv::cache& pages() { return *pages_; }
    carrier* fabric() { return carrier_.get(); } // none in a unified engine
    neighbours& others() { return *others_; }    // with a fabric
    ashlar::epoch_id epoch() const { return epoch_; }

    void poll(ashlar::instant now); // moves what can be moved

    // A peer that lives is lost, or may hold on to pages for good. Where nothing is in the way of a new connection,
    // connects again instead.
    bool must_reopen(ashlar::instant now);
    // Under another address and a new epoch. All transfers have been called off.
    void reopen(ashlar::instant now);

    void count(wire::counters& into) const;

private:
    void attach();

    const ashlar::key128 fleet_key_;
    kv_layout layout_;
    std::unique_ptr<carrier> carrier_;
    std::span<std::byte> pool_;
    std::optional<ashlar::kv::cache> pages_;
    std::optional<neighbours> others_;
    ashlar::epoch_id epoch_{};
    ashlar::sched::reopening when_;
    ashlar::instant last_tick_;
    wire::counters before_; // of the fabric's former openings
};

} // namespace serve
