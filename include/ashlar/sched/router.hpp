// SPDX-License-Identifier: Apache-2.0
// Where a request goes. A router looks at the fleet and names an instance to prefill and one to decode, or one that
// does both, or none: then the request waits. The one here is DistServe's (Zhong et al., OSDI 2024, section 4.3): the
// shortest prefill queue, counted in tokens since lengths differ by orders of magnitude, and the least loaded decode
// pool.
//
//     placement where = shortest_queue_least_kv{}.place(engines, {.context = 512, .capacity = 576});
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <ashlar/sched/chain.hpp>
#include <ashlar/sched/fleet.hpp>

namespace ashlar::inline v0::sched {

struct need {
    std::uint32_t context = 0;  // tokens to prefill
    std::uint32_t capacity = 0; // tokens to hold while decoding
};

// Indices into the fleet. Unified: `prefill` is no_slot. Nowhere: `decode` is no_slot.
struct placement {
    std::uint32_t prefill = no_slot;
    std::uint32_t decode = no_slot;
};

template <class R>
concept router = requires(const R r, const fleet& engines, need wanted) {
    { r.place(engines, wanted) } -> std::same_as<placement>;
};

struct shortest_queue_least_kv {
    // Ties go to the lowest id; between a pair and a unified instance with queues of equal length, to the pair.
    placement place(const fleet& engines, need wanted) const {
        std::uint32_t best[3] = {no_slot, no_slot, no_slot};
        for (std::uint32_t i = 0; i < engines.all().size(); ++i) {
            const instance& at = engines[i];
            const bool prefills = at.facts.as == role::prefill;
            if (!at.live || !at.has_room(prefills ? wanted.context : wanted.capacity)) continue;
            std::uint32_t& chosen = best[static_cast<std::size_t>(at.facts.as)];
            if (chosen == no_slot || better(at, engines[chosen])) chosen = i;
        }
        const std::uint32_t prefill = best[static_cast<std::size_t>(role::prefill)];
        const std::uint32_t decode = best[static_cast<std::size_t>(role::decode)];
        const std::uint32_t unified = best[static_cast<std::size_t>(role::unified)];
        const bool pair = prefill != no_slot && decode != no_slot;
        if (unified != no_slot && (!pair || engines[unified].pending_tokens < engines[prefill].pending_tokens)) {
            return {no_slot, unified};
        }
        return pair ? placement{prefill, decode} : placement{};
    }

private:
    static bool better(const instance& a, const instance& b) {
        if (a.facts.as != role::decode && a.pending_tokens != b.pending_tokens)
            return a.pending_tokens < b.pending_tokens;
        if (a.facts.as != role::prefill) { // shares of the pool in use, as fractions without a division
            const std::uint64_t left = std::uint64_t{a.blocks_used} * b.facts.blocks_total;
            const std::uint64_t right = std::uint64_t{b.blocks_used} * a.facts.blocks_total;
            if (left != right) return left < right;
        }
        return a.facts.instance < b.facts.instance;
    }
};

static_assert(router<shortest_queue_least_kv>);

} // namespace ashlar::inline v0::sched
