// SPDX-License-Identifier: Apache-2.0
// The engines that a scheduler knows: role, size, what the live requests take of it, and the lines in front of it.
// Blocks are counted as the requests' worst case (prefix hits and early ends give back more than is counted), so a
// reservation that fits here fits there, quarantine apart. Slots are stable while an instance lives.
//
//     fleet engines(16);   std::uint32_t i = engines.find(id);   engines[i].blocks_free() >=
//     engines[i].blocks_for(tokens);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/chain.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/request_table.hpp>

namespace ashlar::inline v0::sched {

struct instance {
    instance_up facts{};
    bool live = false;
    bool full = false;    // it refused for want of room: not asked again before it gives something back or beats
    bool touched = false; // by the present step
    std::uint32_t blocks_used = 0;
    std::uint32_t sequences = 0;
    std::uint64_t pending_tokens = 0; // placed here to be prefilled and not computed yet
    instant last_seen{};
    batch_id batch{};          // under way; 0: idle
    line_chain prefill_line{}; // ready, first come first served
    line_chain decode_line{};  // ready
    line_chain running{};      // in the batch, not answered yet
    chain<&request::prefill_members> prefill_members{};
    chain<&request::decode_members> decode_members{};

    std::uint32_t blocks_for(std::uint64_t tokens) const {
        return static_cast<std::uint32_t>((tokens + facts.tokens_per_block - 1) / facts.tokens_per_block);
    }
    std::uint32_t blocks_free() const { return facts.blocks_total - blocks_used; }
    bool could_hold(std::uint64_t tokens) const { return blocks_for(tokens) <= facts.blocks_total; }
    // Room for one more sequence of so many tokens now.
    bool has_room(std::uint64_t tokens) const {
        return !full && sequences < facts.sequences_max && blocks_for(tokens) <= blocks_free();
    }
};

class fleet {
public:
    explicit fleet(std::uint32_t capacity) : slots_(capacity), by_id_(capacity) {}

    // Free slots are among them: look at `live`. In no promised order: break ties by id.
    std::span<const instance> all() const { return {slots_.data(), slots_.size()}; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(by_id_.size()); }
    std::uint32_t live(role as) const { return live_[static_cast<std::size_t>(as)]; }
    instance& operator[](std::uint32_t i) { return slots_[i]; }
    const instance& operator[](std::uint32_t i) const { return slots_[i]; }

    std::uint32_t find(instance_id id) const {
        const std::uint32_t* at = by_id_.find(id.value);
        return at ? *at : no_slot;
    }

    // no_slot when full. The id must be new.
    std::uint32_t add(const instance_up& facts, instant now) {
        for (std::uint32_t i = 0; i < slots_.size(); ++i) {
            if (slots_[i].live) continue;
            slots_[i] = instance{.facts = facts, .live = true, .last_seen = now};
            (void)by_id_.insert(facts.instance.value, i);
            ++live_[static_cast<std::size_t>(facts.as)];
            return i;
        }
        return no_slot;
    }

    // From here on it takes part in nothing; its members are still to be dealt with.
    void remove(std::uint32_t i) {
        slots_[i].live = false;
        by_id_.erase(slots_[i].facts.instance.value);
        --live_[static_cast<std::size_t>(slots_[i].facts.as)];
    }

    // Some instance of each role that a request needs is there.
    bool covers() const { return live(role::unified) || (live(role::prefill) && live(role::decode)); }

    // Some instances could hold the request if they were empty.
    bool could_hold(std::uint64_t context, std::uint64_t capacity) const {
        bool prefill = false, decode = false, unified = false;
        for (const instance& i : all()) {
            if (!i.live) continue;
            prefill |= i.facts.as == role::prefill && i.could_hold(context);
            decode |= i.facts.as == role::decode && i.could_hold(capacity);
            unified |= i.facts.as == role::unified && i.could_hold(capacity);
        }
        return unified || (prefill && decode);
    }

private:
    fixed_array<instance> slots_;
    id_table<std::uint32_t, std::uint32_t> by_id_;
    std::uint32_t live_[3] = {};
};

} // namespace ashlar::inline v0::sched
