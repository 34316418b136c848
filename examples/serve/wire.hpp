// SPDX-License-Identifier: Apache-2.0
// What the router and an engine say to each other: frames of bounded size, [u32 size][u8 kind][fields], little-endian.
// A frame that does not decode to its last byte ends the connection (wire_codec.hpp). Nothing here does I/O.
//
//     std::vector<std::byte> bytes;   wire::append(bytes, wire::to_engine(wire::release{id, attempt}));
//     wire::to_engine frame;          if (!wire::decode(body, frame)) hang_up();
//
// A connection opens with challenges over the fleet's key; nothing else is heard before both sides have answered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/event.hpp>

#include "wire_codec.hpp"

namespace serve::wire {

namespace al = ashlar;

inline constexpr std::uint32_t version = 4;

// Roles by the words of the command line, the peers file and the log.
constexpr std::string_view role_name(al::sched::role as) {
    return as == al::sched::role::prefill ? "prefill" : as == al::sched::role::decode ? "decode" : "unified";
}
constexpr al::sched::role role_of(std::string_view name) {
    return name == "prefill"  ? al::sched::role::prefill
           : name == "decode" ? al::sched::role::decode
                              : al::sched::role::unified;
}

// What an attempt of a request is called in pools and transfers. A request that waits for room starts over with every
// heartbeat, so attempts have no end; 256 of them later the name of one is free again.
constexpr al::request_id key_of(al::request_id request, std::uint32_t attempt) {
    return {request.value << 8 | (attempt & 255)};
}

// ---- opening a connection

struct challenge { // router first
    std::uint32_t protocol = version;
    al::digest128 nonce;
    static constexpr auto fields = std::tuple{&challenge::protocol, &challenge::nonce};
};
struct response { // engine: proves the key and challenges back
    al::digest128 proof;
    al::digest128 nonce;
    static constexpr auto fields = std::tuple{&response::proof, &response::nonce};
};
struct counter_response { // router
    al::digest128 proof;
    static constexpr auto fields = std::tuple{&counter_response::proof};
};

inline al::digest128 prove(al::key128 key, std::string_view who, al::digest128 theirs, al::digest128 ours) {
    std::array<std::byte, 64> text{};
    al::byte_writer out(text);
    out.put(std::as_bytes(std::span(who)));
    out.put(theirs.lo), out.put(theirs.hi), out.put(ours.lo), out.put(ours.hi);
    return al::siphash128(key, out.written());
}

// ---- what an engine is

struct hello {
    al::sched::role as = al::sched::role::unified;
    al::epoch_id epoch;
    std::uint32_t pid = 0;
    std::uint32_t blocks_total = 0, tokens_per_block = 0, batch_tokens_max = 0, sequences_max = 0;
    al::digest128 layout;           // of the KV pool: peers must agree
    al::digest128 model;            // of the model file's metadata: everybody must agree
    std::string fabric;             // "ofi:net", "window"
    std::vector<std::byte> address; // of the fabric endpoint
    std::uint64_t pid_space = 0;    // number of the process namespace that pid is of
    std::uint64_t member = 0;       // its incarnation in the directory
    static constexpr auto fields = std::tuple{&hello::as,
                                              &hello::epoch,
                                              &hello::pid,
                                              &hello::blocks_total,
                                              &hello::tokens_per_block,
                                              &hello::batch_tokens_max,
                                              &hello::sequences_max,
                                              &hello::layout,
                                              &hello::model,
                                              &hello::fabric,
                                              &hello::address,
                                              &hello::pid_space,
                                              &hello::member};
};
struct welcome {
    al::instance_id instance;
    std::uint32_t heartbeat_ms = 0;
    static constexpr auto fields = std::tuple{&welcome::instance, &welcome::heartbeat_ms};
};
// Another engine that this one will exchange KV with: connect to it.
struct peer {
    al::instance_id instance;
    al::epoch_id epoch;
    std::vector<std::byte> address;
    static constexpr auto fields = std::tuple{&peer::instance, &peer::epoch, &peer::address};
};
struct peer_gone {
    al::instance_id instance;
    al::epoch_id epoch;
    bool dead = false; // its process has ended: it can touch nothing any more
    static constexpr auto fields = std::tuple{&peer_gone::instance, &peer_gone::epoch, &peer_gone::dead};
};

// ---- router to engine

struct bias {
    al::token_id token = 0;
    float value = 0; // added to its logit
    static constexpr auto fields = std::tuple{&bias::token, &bias::value};
};
struct sampling {
    float temperature = 1, top_p = 1, min_p = 0;
    std::uint32_t top_k = 0;
    std::uint64_t seed = 0;
    std::uint32_t prompt_tokens = 0; // of the request: generated tokens are counted from here
    std::uint32_t min_tokens = 0;    // none of late_tokens before so many
    std::uint32_t max_tokens = 0;    // after which it is cut
    float repetition = 1, frequency = 0, presence = 0;
    bool logprobs = false;
    std::uint32_t top_logprobs = 0;
    bool prompt_logprobs = false; // also of the prompt's own tokens
    std::uint32_t prompt_top_logprobs = 0;
    std::vector<al::token_id> stop_tokens; // each ends the answer
    std::vector<al::token_id> late_tokens;
    std::vector<bias> biases;
    std::string grammar; // GBNF that the answer follows; empty: none
    static constexpr auto fields = std::tuple{&sampling::temperature,
                                              &sampling::top_p,
                                              &sampling::min_p,
                                              &sampling::top_k,
                                              &sampling::seed,
                                              &sampling::prompt_tokens,
                                              &sampling::min_tokens,
                                              &sampling::max_tokens,
                                              &sampling::repetition,
                                              &sampling::frequency,
                                              &sampling::presence,
                                              &sampling::logprobs,
                                              &sampling::top_logprobs,
                                              &sampling::prompt_logprobs,
                                              &sampling::prompt_top_logprobs,
                                              &sampling::stop_tokens,
                                              &sampling::late_tokens,
                                              &sampling::biases,
                                              &sampling::grammar};
};
struct reserve {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::sched::role as = al::sched::role::unified;
    std::uint32_t capacity_tokens = 0;
    std::vector<al::token_id> context; // the tokens to be prefilled
    sampling how;
    al::instance_id peer;          // prefill: where the KV goes; decode: unused
    std::vector<std::byte> ticket; // prefill: issued by that peer
    static constexpr auto fields =
        std::tuple{&reserve::request, &reserve::attempt, &reserve::as,   &reserve::capacity_tokens,
                   &reserve::context, &reserve::how,     &reserve::peer, &reserve::ticket};
};
struct item {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::sched::item_kind kind = al::sched::item_kind::prefill;
    std::uint32_t position = 0, count = 0;
    bool last = false;
    al::token_id input = 0; // decode: the token at `position`
    static constexpr auto fields = std::tuple{&item::request, &item::attempt, &item::kind, &item::position,
                                              &item::count,   &item::last,    &item::input};
};
struct batch {
    al::sched::batch_id id;
    std::vector<item> items;
    static constexpr auto fields = std::tuple{&batch::id, &batch::items};
};
struct release {
    al::request_id request;
    std::uint32_t attempt = 0;
    static constexpr auto fields = std::tuple{&release::request, &release::attempt};
};
struct shutdown {
    static constexpr auto fields = std::tuple{};
};
struct refused { // this engine may not join
    std::string why;
    static constexpr auto fields = std::tuple{&refused::why};
};

// ---- engine to router

struct counters { // since the engine started
    std::uint64_t blocks_free = 0, blocks_quarantined = 0, blocks_leased = 0;
    std::uint64_t transfers_done = 0, transfers_failed = 0, bytes_sent = 0, blocks_sent = 0, checksum_failures = 0;
    std::uint64_t tickets_refused = 0, epoch_mismatches = 0, blocks_received = 0, bytes_received = 0;
    std::uint64_t batches = 0, batch_tokens = 0, busy_ns = 0;
    std::uint64_t reopened = 0; // the fabric
    static constexpr auto fields =
        std::tuple{&counters::blocks_free,      &counters::blocks_quarantined, &counters::blocks_leased,
                   &counters::transfers_done,   &counters::transfers_failed,   &counters::bytes_sent,
                   &counters::blocks_sent,      &counters::checksum_failures,  &counters::tickets_refused,
                   &counters::epoch_mismatches, &counters::blocks_received,    &counters::bytes_received,
                   &counters::batches,          &counters::batch_tokens,       &counters::busy_ns,
                   &counters::reopened};
};
struct heartbeat {
    std::uint32_t blocks_free = 0;
    counters totals;
    static constexpr auto fields = std::tuple{&heartbeat::blocks_free, &heartbeat::totals};
};
struct reserved {
    al::request_id request;
    std::uint32_t attempt = 0;
    std::uint32_t cached_tokens = 0;
    std::vector<std::byte> ticket;
    static constexpr auto fields =
        std::tuple{&reserved::request, &reserved::attempt, &reserved::cached_tokens, &reserved::ticket};
};
struct reserve_failed {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::error fault;
    static constexpr auto fields =
        std::tuple{&reserve_failed::request, &reserve_failed::attempt, &reserve_failed::fault};
};
struct chance {
    al::token_id token = 0;
    float logprob = 0;
    static constexpr auto fields = std::tuple{&chance::token, &chance::logprob};
};
// The sampled token of a batch's item.
struct token {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::sched::batch_id batch;
    al::sched::item_kind kind = al::sched::item_kind::decode; // prefill: the first of this attempt
    bool stop = false;                                        // it ends the answer and is no text
    std::uint32_t position = 0;                               // its own
    chance chosen;
    std::vector<chance> top;
    static constexpr auto fields = std::tuple{&token::request, &token::attempt,  &token::batch,  &token::kind,
                                              &token::stop,    &token::position, &token::chosen, &token::top};
};
// What the model thought of the prompt's own token at `position` (>= 1).
struct prompt_token {
    al::request_id request;
    std::uint32_t attempt = 0;
    std::uint32_t position = 0;
    chance chosen;
    std::uint32_t rank = 0; // of it; 1: the likeliest
    std::vector<chance> top;
    static constexpr auto fields = std::tuple{&prompt_token::request, &prompt_token::attempt, &prompt_token::position,
                                              &prompt_token::chosen,  &prompt_token::rank,    &prompt_token::top};
};
struct item_failed {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::sched::batch_id batch;
    al::error fault;
    static constexpr auto fields =
        std::tuple{&item_failed::request, &item_failed::attempt, &item_failed::batch, &item_failed::fault};
};
struct batch_done {
    al::sched::batch_id batch;
    static constexpr auto fields = std::tuple{&batch_done::batch};
};
struct transfer_done {
    al::request_id request;
    std::uint32_t attempt = 0;
    static constexpr auto fields = std::tuple{&transfer_done::request, &transfer_done::attempt};
};
struct transfer_failed {
    al::request_id request;
    std::uint32_t attempt = 0;
    al::error fault;
    static constexpr auto fields =
        std::tuple{&transfer_failed::request, &transfer_failed::attempt, &transfer_failed::fault};
};
// The engine's fabric endpoint was closed and another opened: peers find it there.
struct reopened {
    al::epoch_id epoch;
    std::vector<std::byte> address;
    static constexpr auto fields = std::tuple{&reopened::epoch, &reopened::address};
};

// An index never changes its meaning.
using to_engine =
    std::variant<challenge, counter_response, welcome, peer, peer_gone, reserve, batch, release, shutdown, refused>;
using to_router = std::variant<response, hello, heartbeat, reserved, reserve_failed, token, prompt_token, item_failed,
                               batch_done, transfer_done, transfer_failed, reopened>;

} // namespace serve::wire
