// SPDX-License-Identifier: Apache-2.0
// Whether a request is let in at all. What cannot be served is refused at the door, in words that become an HTTP
// status, before anything is reserved for it; queues are bounded, so that a client learns now rather than at its
// deadline.
//
//     std::optional<reject_reason> no = bounded_admission{}.judge(facts);
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/chain.hpp>

namespace ashlar::inline v0::sched {

// What an admission policy may look at.
struct arrival {
    std::uint64_t prompt_tokens = 0;
    std::uint64_t max_tokens = 0;
    std::uint32_t live = 0;          // requests in the scheduler
    std::uint32_t request_limit = 0; // at most so many
    std::uint32_t waiting = 0;       // of them, not placed yet
    std::uint32_t queue_limit = 0;
    std::uint32_t members = 1; // requests that come together, this one among them
    bool draining = false;
    bool covered = false;   // every role has a live instance
    bool could_fit = false; // some instance could hold it, were it empty
    bool hold = false;      // rather wait than refuse while a role has no instance
    duration retry_after;   // as the options say
};

template <class A>
concept admission = requires(const A a, const arrival& facts) {
    { a.judge(facts) } -> std::same_as<std::optional<reject_reason>>;
    { a.retry_after(facts) } -> std::same_as<duration>;
};

struct bounded_admission {
    std::optional<reject_reason> judge(const arrival& facts) const {
        if (facts.prompt_tokens == 0 || facts.max_tokens == 0 || facts.members == 0) return reject_reason::invalid;
        if (facts.prompt_tokens + facts.max_tokens > UINT32_MAX) return reject_reason::too_long;
        if (facts.draining) return reject_reason::draining;
        if (!facts.covered && !facts.hold) return reject_reason::unavailable;
        if (facts.covered && !facts.could_fit) return reject_reason::too_long;
        if (facts.members > least(facts.request_limit, facts.queue_limit)) return reject_reason::too_many;
        if (std::uint64_t{facts.live} + facts.members > facts.request_limit ||
            std::uint64_t{facts.waiting} + facts.members > facts.queue_limit)
            return reject_reason::overloaded;
        return std::nullopt;
    }
    duration retry_after(const arrival& facts) const { return facts.retry_after; }
};

static_assert(admission<bounded_admission>);

} // namespace ashlar::inline v0::sched
