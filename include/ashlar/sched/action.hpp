// SPDX-License-Identifier: Apache-2.0
// What a scheduler wants done. Each action is a trivially copyable struct; the edge carries them out in order and
// decides nothing. `actions` is the buffer that a step fills: allocated once, large enough for any step of its
// scheduler.
//
//     sched::actions out(policy.actions_max());
//     policy.step(event, now, out);
//     for (const sched::action& a : out) std::visit(edge, a);
//
// Of reject, finish and fail every request gets exactly one, as the last action that names it.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <variant>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/codec.hpp>
#include <ashlar/sched/event.hpp>

namespace ashlar::inline v0::sched {

// ---- to the client's edge

enum class reject_reason : std::uint8_t {
    overloaded,  // 429: the queue is full; try again after `retry_after`
    unavailable, // 503: no live instance of a role that it needs
    draining,    // 503: shutting down
    too_long,    // 400: prompt + max_tokens fit into no instance's pool
    invalid,     // 400: no prompt or nothing to generate
    too_many,    // 400: a group larger than the limits would ever let in
    cancelled,   // the group that it belongs to has been refused or has failed already
};

// Never admitted: nothing was reserved anywhere.
struct reject {
    request_id request;
    reject_reason reason = reject_reason::overloaded;
    duration retry_after;
    static constexpr auto fields = std::tuple{&reject::request, &reject::reason, &reject::retry_after};
    friend bool operator==(const reject&, const reject&) = default;
};

enum class finish_reason : std::uint8_t { stop, length };

struct finish {
    request_id request;
    finish_reason reason = finish_reason::stop;
    std::uint32_t tokens = 0; // generated, with the one that ended it
    static constexpr auto fields = std::tuple{&finish::request, &finish::reason, &finish::tokens};
    friend bool operator==(const finish&, const finish&) = default;
};

// cancelled, timed_out, peer_down (attempts or instances ran out), closed (drain's deadline), or an engine's own error.
struct fail {
    request_id request;
    error fault;
    static constexpr auto fields = std::tuple{&fail::request, &fail::fault};
    friend bool operator==(const fail&, const fail&) = default;
};

// For the record: the request starts over as `attempt`; the `tokens_kept` that its client already has are prefilled
// again.
struct retry {
    request_id request;
    std::uint32_t attempt = 0;
    std::uint32_t tokens_kept = 0;
    error because;
    static constexpr auto fields = std::tuple{&retry::request, &retry::attempt, &retry::tokens_kept, &retry::because};
    friend bool operator==(const retry&, const retry&) = default;
};

// ---- to an engine

// Open the sequence: take a prefix hit and blocks for `capacity_tokens` in all, or refuse; answer reserved or
// reserve_failed. A decode instance is asked first and answers with a ticket, which the edge keeps and hands to the
// prefill instance with its own `reserve`. The edge sends the first `context_tokens` tokens (prompt, then generated).
struct reserve {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    role as = role::unified;           // what the instance will do for this request
    std::uint32_t context_tokens = 0;  // to be prefilled: prompt + generated so far
    std::uint32_t capacity_tokens = 0; // prefill: the same; decode and unified: prompt + max_tokens
    instance_id peer{};                // prefill: the decode instance that it hands over to; else 0
    static constexpr auto fields =
        std::tuple{&reserve::request,        &reserve::attempt,         &reserve::instance, &reserve::as,
                   &reserve::context_tokens, &reserve::capacity_tokens, &reserve::peer};
    friend bool operator==(const reserve&, const reserve&) = default;
};

// The next `items` actions are its batch_items. At most one batch is out per instance.
struct launch_batch {
    instance_id instance;
    batch_id batch;
    std::uint32_t items = 0;
    std::uint32_t tokens = 0; // sum of the items' counts
    static constexpr auto fields =
        std::tuple{&launch_batch::instance, &launch_batch::batch, &launch_batch::items, &launch_batch::tokens};
    friend bool operator==(const launch_batch&, const launch_batch&) = default;
};

enum class item_kind : std::uint8_t { prefill, decode };

// Compute the tokens [position, position + count) of the request's sequence (prompt, then generated); sample the next
// token when `last` (a decode item always is). KV of everything before `position` is in place.
struct batch_item {
    request_id request;
    std::uint32_t attempt = 0;
    item_kind kind = item_kind::prefill;
    std::uint32_t position = 0;
    std::uint32_t count = 0;
    bool last = false;
    static constexpr auto fields = std::tuple{&batch_item::request,  &batch_item::attempt, &batch_item::kind,
                                              &batch_item::position, &batch_item::count,   &batch_item::last};
    friend bool operator==(const batch_item&, const batch_item&) = default;
};

// Close the sequence; stop what is under way for it. Blocks that a peer may still write go to quarantine, as the
// engine's cache decides. Sent exactly once for each `reserve`, unless that failed or the instance is gone.
struct release {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    static constexpr auto fields = std::tuple{&release::request, &release::attempt, &release::instance};
    friend bool operator==(const release&, const release&) = default;
};

// ---- to whoever runs the fleet

// No heartbeat in time: the scheduler has written this incarnation off. Fence it: close its connection, end its
// process.
struct instance_lost {
    instance_id instance;
    epoch_id epoch;
    static constexpr auto fields = std::tuple{&instance_lost::instance, &instance_lost::epoch};
    friend bool operator==(const instance_lost&, const instance_lost&) = default;
};

// Send `tick` then. Replaces the timer before it.
struct set_timer {
    instant at = instant::never();
    static constexpr auto fields = std::tuple{&set_timer::at};
    friend bool operator==(const set_timer&, const set_timer&) = default;
};

struct drained {
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const drained&, const drained&) = default;
};

using action = std::variant<reject, finish, fail, retry, reserve, launch_batch, batch_item, release, instance_lost,
                            set_timer, drained>;
static_assert(std::is_trivially_copyable_v<action>);

using actions = bounded_vector<action>;

} // namespace ashlar::inline v0::sched
