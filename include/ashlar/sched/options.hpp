// SPDX-License-Identifier: Apache-2.0
// The limits of a serving scheduler. None has a default: each is a decision about a service, and each is written into
// the head of its log, so that a replay decides under the same limits.
//
//     sched::pd_options{.request_limit = 256, .queue_limit = 128, .instance_limit = 16, .attempts_max = 3,
//                       .heartbeat_timeout = 500_ms, .deadline_max = 600_s, .retry_after = 1_s, .hold_unavailable =
//                       false}
#pragma once

#include <cstdint>
#include <tuple>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/codec.hpp>

namespace ashlar::inline v0::sched {

struct pd_options {
    std::uint32_t request_limit;  // live requests, the waiting ones among them
    std::uint32_t queue_limit;    // of them, waiting for a place on an instance
    std::uint32_t instance_limit; // engines known at a time
    std::uint32_t attempts_max;   // starts of a request that may end in a fault; 1: no retry
    duration heartbeat_timeout;   // silence after which an instance is written off; two heartbeats is a good number
    duration deadline_max;        // every request ends within this, whatever it asked for
    duration retry_after;         // told to those refused as overloaded
    bool hold_unavailable; // a role without an instance: wait for one until the deadline instead of failing at once

    static constexpr auto fields =
        std::tuple{&pd_options::request_limit, &pd_options::queue_limit,       &pd_options::instance_limit,
                   &pd_options::attempts_max,  &pd_options::heartbeat_timeout, &pd_options::deadline_max,
                   &pd_options::retry_after,   &pd_options::hold_unavailable};
    friend bool operator==(const pd_options&, const pd_options&) = default;

    bool sound() const {
        return request_limit > 0 && request_limit <= 1u << 22 && queue_limit > 0 && instance_limit > 0 &&
               instance_limit <= 1u << 16 && attempts_max > 0 && heartbeat_timeout > duration{} &&
               deadline_max > duration{} && retry_after >= duration{};
    }
};

} // namespace ashlar::inline v0::sched
