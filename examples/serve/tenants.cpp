// SPDX-License-Identifier: Apache-2.0
#include "tenants.hpp"

#include <cstddef>
#include <iterator>
#include <utility>

#include <spdlog/spdlog.h>

#include <ashlar/kv/ticket.hpp>

#include "clock.hpp"

namespace serve {

namespace al = ashlar;
namespace sched = ashlar::sched;
namespace kv = ashlar::kv;
using namespace al::literals;

tenant* tenants::find(al::request_id request, std::uint32_t attempt) {
    const auto it = all_.find(wire::key_of(request, attempt).value);
    return it == all_.end() ? nullptr : &it->second;
}

// ---- coming

bool tenants::reserve(wire::reserve& f) {
    if (f.context.empty() || f.capacity_tokens < f.context.size()) return false;
    const auto key = wire::key_of(f.request, f.attempt).value;
    if (all_.contains(key) || waiting_.contains(key)) // not over yet
        return refuse(f, {al::errc::exhausted, al::origin::app}), true;
    if (f.how.grammar.empty()) return admit(f, std::nullopt), true;
    auto grammar = grammars_.compile(std::exchange(f.how.grammar, {}));
    if (!grammar) return refuse(f, {al::errc::exhausted, al::origin::app}), true;
    waiting_.emplace(key, unready{std::move(f), std::move(grammar)});
    return true;
}

void tenants::admit_ready() {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
        const auto* made = it->second.grammar.ready();
        if (!made) {
            ++it;
            continue;
        }
        auto rule = grammars_.begin(*made);
        if (rule)
            admit(it->second.asked, std::move(rule).value());
        else
            refuse(it->second.asked, rule.fault().what); // the router has compiled it too
        it = waiting_.erase(it);
    }
}

void tenants::refuse(const wire::reserve& f, al::error why) {
    line_.queue(wire::to_router(wire::reserve_failed{f.request, f.attempt, why}));
}

void tenants::admit(wire::reserve& f, std::optional<constraint> rule) {
    tenant one{.request = f.request,
               .attempt = f.attempt,
               .key = wire::key_of(f.request, f.attempt),
               .stay = {},
               .tokens = std::move(f.context),
               .how = std::move(f.how),
               .rule = std::move(rule),
               .transfer = {},
               .pushes = f.as == sched::role::prefill};
    const auto context = static_cast<std::uint32_t>(one.tokens.size());
    const auto opened = kv_.pages().open(one.key, one.tokens, f.capacity_tokens - context);
    if (!opened) return refuse(f, opened.error());
    wire::reserved answer{f.request, f.attempt, opened->cached_tokens, {}};
    if (const auto begun = begin_transfer(one, f, answer); !begun) {
        (void)kv_.pages().close(one.key);
        return refuse(f, begun.error());
    }
    // The prompt's own log-probabilities need every position computed: the same bits go to the same pages again.
    if (one.how.prompt_logprobs)
        answer.cached_tokens = 0;
    else if (f.as == sched::role::prefill && answer.cached_tokens)
        (void)kv_.fabric()->all_ready(*one.transfer, {0, answer.cached_tokens / kv_layout::tokens_per_block});
    one.stay = {f.as, context, answer.cached_tokens};
    if (one.transfer) one.stay.hands_over();
    all_.emplace(one.key.value, std::move(one));
    line_.queue(wire::to_router(std::move(answer)));
}

al::result<void> tenants::begin_transfer(tenant& one, const wire::reserve& f, wire::reserved& answer) {
    if (f.as == sched::role::decode) {
        std::byte buffer[kv::ticket_bytes_max];
        const auto granted = kv_.fabric()->grant(one.key, static_cast<std::uint32_t>(one.tokens.size()),
                                                 answer.cached_tokens, monotonic(), buffer);
        if (!granted) return granted.error();
        one.transfer = granted->transfer;
        answer.ticket.assign(granted->ticket.begin(), granted->ticket.end());
    } else if (f.as == sched::role::prefill) {
        const neighbour* to = kv_.others().find(f.peer);
        if (!to || !to->generation) return al::error{al::errc::peer_down, al::origin::app};
        // Whether it lives will be known in a moment: then one of the two opens its fabric anew, or it is gone.
        if (!kv_.others().up(*to)) return al::error{al::errc::exhausted, al::origin::app};
        const auto transfer = kv_.fabric()->send(one.key, to->at, f.ticket, monotonic());
        if (!transfer) {
            spdlog::warn("a ticket is refused: {}", al::to_string(transfer.error().code));
            return transfer.error();
        }
        one.transfer = *transfer;
    }
    return {};
}

// ---- transfers

bool tenants::hear_transfers(bool all) {
    bool news = false;
    kv::transfer_event event;
    while (kv_.fabric()->next_event(event)) over_.push_back(event);
    while (!over_.empty()) {
        const kv::transfer_event& e = over_.front();
        const auto it = all_.find(e.request.value);
        if (it == all_.end() || it->second.transfer != e.transfer) {
            over_.pop_front();
            continue;
        }
        if (!all) return news;
        tenant& one = it->second;
        one.transfer.reset();
        news = true;
        switch (one.stay.handed_over(e.ok)) {
        case sched::tenancy::word::failed:
            line_.queue(wire::to_router(wire::transfer_failed{one.request, one.attempt, e.fault}));
            break;
        case sched::tenancy::word::received:
            (void)kv_.pages().commit(one.key, one.tokens);
            line_.queue(wire::to_router(wire::transfer_done{one.request, one.attempt}));
            break;
        case sched::tenancy::word::nothing:
            break;
        }
        leave_if_over(it);
        over_.pop_front();
    }
    return news;
}

void tenants::call_off_transfers() {
    for (auto& [key, one] : all_) {
        if (one.transfer) (void)kv_.fabric()->cancel(*one.transfer);
    }
    settle();
}

void tenants::settle() {
    const al::instant until = monotonic() + 100_ms;
    do {
        kv_.fabric()->poll(monotonic());
        hear_transfers(true);
        if (!kv_.fabric()->idle()) kv_.fabric()->wait(1_ms);
    } while (!kv_.fabric()->idle() && monotonic() < until);
}

// ---- leaving

void tenants::release(al::request_id request, std::uint32_t attempt) {
    const auto key = wire::key_of(request, attempt).value;
    waiting_.erase(key);
    const auto it = all_.find(key);
    if (it == all_.end()) return;
    if (it->second.stay.release()) (void)kv_.fabric()->cancel(*it->second.transfer);
    leave_if_over(it);
}

void tenants::evict_all() {
    waiting_.clear();
    for (auto& [key, one] : all_) {
        if (one.stay.abandon()) (void)kv_.fabric()->cancel(*one.transfer);
    }
    if (kv_.fabric()) kv_.others().router_is_gone(), settle();
    for (auto it = all_.begin(); it != all_.end();) it = leave_if_over(it);
}

tenants::map::iterator tenants::leave_if_over(map::iterator it) {
    if (!it->second.stay.over()) return std::next(it);
    (void)kv_.pages().close(it->second.key);
    return all_.erase(it);
}

} // namespace serve
