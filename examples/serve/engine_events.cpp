// SPDX-License-Identifier: Apache-2.0
#include "engine_events.hpp"

#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "clock.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;

void engine_events::hear(engine_connection& from, wire::to_router& frame) {
    std::visit([&](auto& one) { said(from, one); }, frame);
}

void engine_events::said(engine_connection& from, const wire::heartbeat& f) {
    from.totals = f.totals;
    to_.feed(sched::heartbeat{from.instance, from.facts.epoch, f.blocks_free});
}

void engine_events::said(engine_connection& from, wire::reserved& f) {
    const sched::reserved e{f.request, f.attempt, from.instance, f.cached_tokens};
    sequence* s = to_.policy().heeds(e) ? clients_.find(f.request) : nullptr;
    if (s && from.facts.as == sched::role::decode) {
        s->ticket = std::move(f.ticket);
    } else if (s && !std::exchange(s->counted_prompt, true)) { // what need not be computed again
        if (s->index % s->of->want.n == 0) s->of->used.cached_tokens += f.cached_tokens; // a prompt counts once
        numbers_.prefix(s->prompt_tokens, f.cached_tokens);
    }
    to_.feed(e);
}

void engine_events::said(engine_connection& from, const wire::reserve_failed& f) {
    to_.feed(sched::reserve_failed{f.request, f.attempt, from.instance, f.fault});
}

void engine_events::said(engine_connection& from, const wire::token& f) {
    if (f.kind == sched::item_kind::prefill)
        counted(f, sched::prefill_done{f.request, f.attempt, from.instance, f.batch, false});
    else
        counted(f, sched::token{f.request, f.attempt, from.instance, f.batch, false});
}

template <class Event>
void engine_events::counted(const wire::token& f, Event e) {
    sequence* s = to_.policy().counts(e) ? clients_.find(f.request) : nullptr;
    if (s && f.position != s->tokens.size()) return; // the engine is wrong: it will be asked again
    if (s) e.stop = clients_.show(*s, f);
    to_.feed(e);
}

void engine_events::said(engine_connection& from, const wire::prompt_token& f) {
    sequence* s = clients_.find(f.request);
    if (s && to_.policy().heeds(sched::token{f.request, f.attempt, from.instance, {}, false})) clients_.note(*s, f);
}

void engine_events::said(engine_connection& from, const wire::item_failed& f) {
    to_.feed(sched::item_failed{f.request, f.attempt, from.instance, f.batch, f.fault});
}

void engine_events::said(engine_connection& from, const wire::batch_done& f) {
    to_.feed(sched::batch_done{from.instance, f.batch});
}

void engine_events::said(engine_connection& from, const wire::transfer_done& f) {
    const sched::transfer_done e{f.request, f.attempt, from.instance};
    if (const sequence* s = to_.policy().heeds(e) ? clients_.find(f.request) : nullptr) // zero: there before the token
        numbers_.transfer_seconds(s->first == al::instant{} ? 0 : seconds(monotonic() - s->last));
    to_.feed(e);
}

void engine_events::said(engine_connection& from, const wire::transfer_failed& f) {
    spdlog::warn("engine {}: handing over the KV of request {:x} failed: {} ({}, {})", from.name, f.request.value,
                 al::to_string(f.fault.code), al::to_string(f.fault.from), f.fault.os_code);
    to_.feed(sched::transfer_failed{f.request, f.attempt, from.instance, f.fault});
}

} // namespace serve
