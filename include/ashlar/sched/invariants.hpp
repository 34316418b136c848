// SPDX-License-Identifier: Apache-2.0
// What must hold after every step, looked at from outside: each request is in exactly one state, stands in the line
// that belongs to it, holds exactly the places it should, and the accounts of every instance are the sums over its
// requests. O(requests + instances): for tests, the simulator and a debug build of an edge.
//
//     ASHLAR_ASSERT(sched::broken_invariant(policy).empty());
#pragma once

#include <cstdint>
#include <string_view>

#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/lifecycle.hpp>
#include <ashlar/sched/request_table.hpp>

namespace ashlar::inline v0::sched {

namespace detail {

inline std::string_view broken_request(const lifecycle& s, const request& r) {
    const fleet& f = s.engines();
    const auto live = [&](const leg& l) { return l.held() && f[l.at].live; };
    const auto in = [](const request& one, const line_chain& line) { return one.line.in == &line; };
    if (s.requests().find(r.id) == no_slot || &s.requests()[s.requests().find(r.id)] != &r) return "a request is lost";
    if (r.heap_index == no_slot) return "a request has no deadline";
    if (r.doomed || s.requests()[r.sibling].now == phase::none) return "a request's group has ended without it";
    if (r.attempt == 0 || r.generated >= r.max_tokens) return "a finished request is still here";
    if (r.computed > r.context || r.context > r.prompt_tokens + r.generated) return "more computed than there is";
    if (s.stands_aside(r)) {
        const std::uint32_t first = s.requests().find(r.prompt_of);
        if (first == no_slot || !s.requests()[first].awaited)
            return "a request waits for a prompt that nobody computes";
    }
    if (r.now == phase::waiting) {
        return r.prefill.held() || r.decode.held() || !r.line.in ? "a waiting request holds a place" : "";
    }
    if (!live(r.decode)) return "a placed request has no live decode instance";
    const instance& d = f[r.decode.at];
    const bool split = d.facts.as == role::decode;
    const bool decoding = r.now == phase::decode_ready || r.now == phase::decoding;
    if (r.prefill.held() != (split && !decoding)) return "a prefill place is held too long or too short";
    if (r.prefill.held() && (!live(r.prefill) || f[r.prefill.at].facts.as != role::prefill))
        return "a wrong prefill place";
    const instance& p = r.prefill.held() ? f[r.prefill.at] : d;
    const bool running = r.now == phase::prefilling || r.now == phase::decoding;
    if (running != (r.batch != batch_id{})) return "a request and its batch disagree";
    switch (r.now) {
    case phase::reserving_decode:
    case phase::reserving_prefill:
    case phase::handing_over:
        return r.line.in ? "a request stands in a line while it waits for an answer" : "";
    case phase::prefill_ready:
        return in(r, p.prefill_line) ? "" : "a ready prompt is in no prefill line";
    case phase::prefilling:
        return in(r, p.running) && p.batch == r.batch ? "" : "a chunk is in no batch";
    case phase::decode_ready:
        return in(r, d.decode_line) ? "" : "a ready sequence is in no decode line";
    case phase::decoding:
        return in(r, d.running) && d.batch == r.batch ? "" : "a sequence is in no batch";
    default:
        return "a live request in no state";
    }
}

inline std::string_view broken_instance(const lifecycle& s, std::uint32_t i) {
    const instance& at = s.engines()[i];
    std::uint64_t blocks = 0, sequences = 0, pending = 0, prefills = 0, decodes = 0, ready = 0, running = 0;
    for (const request& r : s.requests().slots()) {
        if (r.now == phase::none) continue;
        for (const leg* l : {&r.prefill, &r.decode}) {
            if (l->at != i) continue;
            blocks += l->blocks;
            ++sequences;
            if (l == &r.prefill || !r.prefill.held()) pending += r.context - r.computed;
        }
        prefills += r.prefill.at == i;
        decodes += r.decode.at == i;
        ready += r.line.in == &at.prefill_line || r.line.in == &at.decode_line;
        running += r.line.in == &at.running;
    }
    if (!at.live) return sequences ? "a dead instance has members" : "";
    if (blocks != at.blocks_used || at.blocks_used > at.facts.blocks_total) return "an instance's blocks do not add up";
    if (sequences != at.sequences || sequences > at.facts.sequences_max) return "an instance's sequences do not add up";
    if (pending != at.pending_tokens) return "an instance's pending tokens do not add up";
    if (prefills != at.prefill_members.size() || decodes != at.decode_members.size()) return "members do not add up";
    if (ready != at.prefill_line.size() + at.decode_line.size()) return "lines do not add up";
    if (running != at.running.size() || (running && at.batch == batch_id{})) return "a batch does not add up";
    if (ready && at.batch == batch_id{}) return "an idle instance has work";
    return "";
}

} // namespace detail

// Empty when all is well, else what is wrong.
inline std::string_view broken_invariant(const lifecycle& s) {
    std::uint32_t live = 0, waiting = 0;
    for (const request& r : s.requests().slots()) {
        if (r.now == phase::none) continue;
        ++live;
        waiting += r.now == phase::waiting;
        if (const auto what = detail::broken_request(s, r); !what.empty()) return what;
    }
    if (live != s.live()) return "the number of requests is wrong";
    if (waiting != s.waiting()) return "the number of waiting requests is wrong";
    for (std::uint32_t i = 0; i < s.engines().all().size(); ++i) {
        if (const auto what = detail::broken_instance(s, i); !what.empty()) return what;
    }
    return "";
}

} // namespace ashlar::inline v0::sched
