// SPDX-License-Identifier: Apache-2.0
// What a scheduler is told. Each event is a trivially copyable struct; `event` is any one of them. The edge fills them
// in from sockets, the simulator from virtual time, a replay from a log.
//
//     policy.step(sched::arrive{.request = id, .prompt_tokens = 512, .max_tokens = 64, .deadline = now + 30_s}, now,
//     out);
//
// Whatever an engine says about a request carries (request, attempt, instance): a scheduler ignores what does not match
// the request's present attempt, so events may be late, doubled or out of order between instances.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <variant>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/codec.hpp>

namespace ashlar::inline v0::sched {

using batch_id = strong_id<struct batch_tag, std::uint64_t>; // unique within one scheduler, counted from 1

enum class role : std::uint8_t {
    prefill, // computes prompts, hands the KV cache on
    decode,  // takes KV caches in, generates
    unified, // both, without a hand-over
};

// ---- the fleet

// An engine process is ready. A known id with a new epoch means that the old incarnation is gone.
struct instance_up {
    instance_id instance;
    role as = role::unified;
    epoch_id epoch;
    std::uint32_t blocks_total = 0; // of its KV pool
    std::uint32_t tokens_per_block = 0;
    std::uint32_t batch_tokens_max = 0; // tokens of one batch: the budget that prefill chunks are cut to
    std::uint32_t sequences_max = 0;    // requests that may hold KV there at a time
    static constexpr auto fields = std::tuple{&instance_up::instance,
                                              &instance_up::as,
                                              &instance_up::epoch,
                                              &instance_up::blocks_total,
                                              &instance_up::tokens_per_block,
                                              &instance_up::batch_tokens_max,
                                              &instance_up::sequences_max};
    friend bool operator==(const instance_up&, const instance_up&) = default;
};

// Its connection closed or its process ended. Everything it held is gone.
struct instance_down {
    instance_id instance;
    epoch_id epoch;
    static constexpr auto fields = std::tuple{&instance_down::instance, &instance_down::epoch};
    friend bool operator==(const instance_down&, const instance_down&) = default;
};

struct heartbeat {
    instance_id instance;
    epoch_id epoch;
    std::uint32_t blocks_free = 0; // free or evictable
    static constexpr auto fields = std::tuple{&heartbeat::instance, &heartbeat::epoch, &heartbeat::blocks_free};
    friend bool operator==(const heartbeat&, const heartbeat&) = default;
};

// ---- what the client's edge says

// The requests of one answer (its choices) are a group: they arrive one after another, the first without a `group`, the
// others with the first one's id. A group is let in whole or not at all, and when one of it fails, all of it does.
struct arrive {
    request_id request;
    std::uint32_t prompt_tokens = 0; // >= 1
    std::uint32_t max_tokens = 0;    // tokens to generate at most, >= 1
    instant deadline = instant::never();
    request_id group{};        // 0: the first of its group
    std::uint32_t members = 1; // of the group: this one and those that are still to come
    request_id prompt_of{};    // one of its group that came before, with the same prompt: this one waits until that is
                               // computed, to find it cached; 0: none
    static constexpr auto fields =
        std::tuple{&arrive::request, &arrive::prompt_tokens, &arrive::max_tokens, &arrive::deadline,
                   &arrive::group,   &arrive::members,       &arrive::prompt_of};
    friend bool operator==(const arrive&, const arrive&) = default;
};

// The client went away. Ends in fail{cancelled}, for the whole of its group.
struct cancel {
    request_id request;
    static constexpr auto fields = std::tuple{&cancel::request};
    friend bool operator==(const cancel&, const cancel&) = default;
};

// The edge saw a stop string in the text: enough generated. Ends in finish{stop}.
struct stop {
    request_id request;
    static constexpr auto fields = std::tuple{&stop::request};
    friend bool operator==(const stop&, const stop&) = default;
};

// ---- what an engine says about a request

// The answer to `reserve`: the sequence is open there, and its first `cached_tokens` tokens (whole blocks, fewer than
// were to be computed) are in that instance's pool already.
struct reserved {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    std::uint32_t cached_tokens = 0;
    static constexpr auto fields =
        std::tuple{&reserved::request, &reserved::attempt, &reserved::instance, &reserved::cached_tokens};
    friend bool operator==(const reserved&, const reserved&) = default;
};

// The other answer. `exhausted` means "not now"; anything else uses up an attempt.
struct reserve_failed {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    error fault;
    static constexpr auto fields = std::tuple{&reserve_failed::request, &reserve_failed::attempt,
                                              &reserve_failed::instance, &reserve_failed::fault};
    friend bool operator==(const reserve_failed&, const reserve_failed&) = default;
};

// The last chunk of the prompt is computed and its token sampled: the client's first token of this attempt.
struct prefill_done {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    batch_id batch;
    bool stop = false; // the token ends the answer (end of sequence)
    static constexpr auto fields = std::tuple{&prefill_done::request, &prefill_done::attempt, &prefill_done::instance,
                                              &prefill_done::batch, &prefill_done::stop};
    friend bool operator==(const prefill_done&, const prefill_done&) = default;
};

// A decode item of a batch is computed and its token sampled.
struct token {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    batch_id batch;
    bool stop = false;
    static constexpr auto fields =
        std::tuple{&token::request, &token::attempt, &token::instance, &token::batch, &token::stop};
    friend bool operator==(const token&, const token&) = default;
};

// The engine could not do this item of a batch.
struct item_failed {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    batch_id batch;
    error fault;
    static constexpr auto fields = std::tuple{&item_failed::request, &item_failed::attempt, &item_failed::instance,
                                              &item_failed::batch, &item_failed::fault};
    friend bool operator==(const item_failed&, const item_failed&) = default;
};

// The batch is over; comes after the events of its items. Prefill chunks that are not the last report nothing else.
struct batch_done {
    instance_id instance;
    batch_id batch;
    static constexpr auto fields = std::tuple{&batch_done::instance, &batch_done::batch};
    friend bool operator==(const batch_done&, const batch_done&) = default;
};

// The decode instance holds the verified KV cache of the whole prompt. May come before prefill_done.
struct transfer_done {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance; // who says so
    static constexpr auto fields =
        std::tuple{&transfer_done::request, &transfer_done::attempt, &transfer_done::instance};
    friend bool operator==(const transfer_done&, const transfer_done&) = default;
};

// Said by either side.
struct transfer_failed {
    request_id request;
    std::uint32_t attempt = 0;
    instance_id instance;
    error fault;
    static constexpr auto fields = std::tuple{&transfer_failed::request, &transfer_failed::attempt,
                                              &transfer_failed::instance, &transfer_failed::fault};
    friend bool operator==(const transfer_failed&, const transfer_failed&) = default;
};

// ---- time and the end

// The timer that set_timer asked for went off; harmless at any other time. Deliver what the sockets hold first: a tick
// is where silent instances are written off.
struct tick {
    static constexpr auto fields = std::tuple{};
    friend bool operator==(const tick&, const tick&) = default;
};

// Admit nothing more; say `drained` when the last request has ended; fail what is left at the deadline.
struct drain {
    instant deadline = instant::never();
    static constexpr auto fields = std::tuple{&drain::deadline};
    friend bool operator==(const drain&, const drain&) = default;
};

using event = std::variant<instance_up, instance_down, heartbeat, arrive, cancel, stop, reserved, reserve_failed,
                           prefill_done, token, item_failed, batch_done, transfer_done, transfer_failed, tick, drain>;
static_assert(std::is_trivially_copyable_v<event>);

} // namespace ashlar::inline v0::sched
