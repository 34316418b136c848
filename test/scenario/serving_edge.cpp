// SPDX-License-Identifier: Apache-2.0
// The clients of a fleet and the edge around its scheduler: events in, actions out, and what each client saw.
#include "serving.hpp"

#include <algorithm>
#include <utility>

namespace ashlar::scenario {

serving::serving(std::uint64_t seed, bool calm)
    : seed_(seed), random_{.seed = seed}, calm_(calm), policy_(make_options()), said_(policy_.actions_max()) {
    log_.resize(4096);
    byte_writer head(log_);
    sched::write_log_head(head, policy_.options());
    log_.resize(head.size());
    make_fleet();
    make_clients();
}

sched::pd_options serving::make_options() {
    return {.request_limit = between(2, 24),
            .queue_limit = between(1, 16),
            .instance_limit = 8,
            .attempts_max = between(1, 4),
            .heartbeat_timeout = 500_ms,
            .deadline_max = 20_s,
            .retry_after = 1_s,
            .hold_unavailable = chance(0.3f)};
}

void serving::run() {
    while (problem_.empty()) {
        auto next = later_.next();
        if (!next) break;
        std::visit([this](auto& one) { handle(one); }, *next);
        if (later_.now() > horizon) return fail("a request does not come to its end");
        if (!idle())
            quiet_since_ = later_.now();
        else if (later_.now() - quiet_since_ > 1_s)
            break; // whatever was still on its way has come
    }
    if (problem_.empty()) check_end();
}

void serving::make_clients() {
    clients_.resize(between(1, 24));
    std::uint32_t members = 0;
    instant start{};
    for (std::size_t i = 0; i < clients_.size(); ++i, --members) {
        client& c = clients_[i];
        const bool first = members == 0;
        if (first) {
            members = chance(0.25f) ? std::min<std::uint32_t>(between(2, 5), clients_.size() - i) : 1;
            start = instant{} + wait(1000, 300'000);
        }
        c.group = first ? i : clients_[i - 1].group;
        c.follows = !first && chance(0.6f);
        c.prompt = c.follows ? clients_[c.group].prompt : between(1, 48);
        c.max_tokens = between(1, 12);
        c.stop_at = chance(0.3f) ? between(1, 12) : 0;
        c.deadline = chance(0.2f) ? start + wait(1000, 200'000) : start + 10_s;
        later_.at(start, client_word{sched::arrive{{i + 1},
                                                   c.prompt,
                                                   c.max_tokens,
                                                   c.deadline,
                                                   {first ? 0 : c.group + 1},
                                                   members,
                                                   {c.follows ? c.group + 1 : 0}}});
        if (chance(0.05f)) later_.at(start + wait(0, 5000), client_word{sched::arrive{{i + 1}, 1, 1, c.deadline}});
        if (chance(0.15f)) later_.at(start + wait(0, 100'000), client_word{sched::cancel{{i + 1}}});
        if (chance(0.10f)) later_.at(start + wait(0, 100'000), client_word{sched::stop{{i + 1}}});
    }
    if (chance(0.2f)) {
        const instant at = instant{} + wait(100'000, 500'000);
        later_.at(at, client_word{sched::drain{at + wait(0, 1'000'000)}});
    }
}

void serving::step(const sched::event& e) {
    ++steps_;
    policy_.step(e, later_.now(), said_);
    const std::size_t at = log_.size();
    log_.resize(at + sched::record_bytes_max(said_.size()));
    byte_writer out(std::span<std::byte>(log_).subspan(at));
    sched::write_record(out, later_.now(), e, said_);
    log_.resize(at + out.size());
    trace_.add(out.written());
    if (const auto broken = sched::broken_invariant(policy_); !broken.empty()) fail(std::string(broken));
    for (std::size_t i = 0; i < said_.size(); ++i) {
        const sched::action& a = said_[i];
        if (const auto* l = std::get_if<sched::launch_batch>(&a)) {
            std::vector<sched::action> batch(said_.begin() + i, said_.begin() + i + 1 + l->items);
            i += l->items;
            tell(l->instance, std::move(batch));
        } else {
            std::visit([this](const auto& one) { act(one); }, a);
        }
    }
    for (const client& c : clients_) {
        if (c.arrived && c.ends == 0 && clients_[c.group].group_failed) fail("a request outlives its group");
    }
}

void serving::tell(instance_id to, std::vector<sched::action> what) {
    for (std::size_t i = 0; i < engines_.size(); ++i) {
        engine& e = engines_[i];
        if (e.id != to) continue;
        e.told_until = std::max(e.told_until, later_.now() + wait(20, 200));
        later_.at(e.told_until, engine_order{i, told_epoch_[to.value], std::move(what)});
        return;
    }
    fail("an order for nobody");
}

serving::client* serving::ending(request_id r) {
    if (r.value == 0 || r.value > clients_.size()) return fail("an end for nobody"), nullptr;
    client& c = clients_[r.value - 1];
    if (++c.ends != 1) fail("a request ended twice");
    if (!c.arrived) fail("a request ended before it came");
    return &c;
}

void serving::group_fails(client* c) {
    if (c) clients_[c->group].group_failed = true;
}

void serving::act(const sched::reject& a) { group_fails(ending(a.request)), ++rejected_; }
void serving::act(const sched::finish& a) {
    client* c = ending(a.request);
    ++finished_;
    if (c && a.tokens != c->tokens) fail("the client has another number of tokens than it was told");
    if (c && a.reason == sched::finish_reason::length && a.tokens != c->max_tokens) fail("length, but not all tokens");
}

void serving::act(const sched::fail& a) {
    client* c = ending(a.request);
    group_fails(c);
    ++failed_;
    if (c && a.fault.code == errc::timed_out && later_.now() < std::min(c->deadline, horizon))
        fail("timed out too early");
}

void serving::act(const sched::retry& a) {
    ++retried_;
    if (clients_[a.request.value - 1].tokens != a.tokens_kept) fail("a retry forgets tokens");
}

void serving::act(const sched::reserve& a) {
    const client& c = clients_[a.request.value - 1];
    const client& first = clients_[c.group];
    if (c.follows && first.tokens == 0 && first.ends == 0) fail("a prompt is computed twice at a time");
    tell(a.instance, {a});
}
void serving::act(const sched::release& a) { tell(a.instance, {a}); }
void serving::act(const sched::instance_lost& a) { // fence it
    for (std::size_t i = 0; i < engines_.size(); ++i) {
        if (engines_[i].id == a.instance && engines_[i].epoch == a.epoch && engines_[i].up) die(i, false);
    }
}

void serving::act(const sched::set_timer& a) { later_.at(a.at, timer{a.at}); }
void serving::act(const sched::drained&) {
    if (policy_.live()) fail("drained with live requests");
}

void serving::act(const sched::launch_batch&) {}
void serving::act(const sched::batch_item&) { fail("an item outside of a batch"); }

void serving::handle(timer&) { step(sched::tick{}); }
void serving::handle(client_word& w) {
    if (const auto* a = std::get_if<sched::arrive>(&w.what)) {
        client& c = clients_[a->request.value - 1];
        if (c.ends > 0) return; // an edge never uses an id again
        c.arrived = true;
    }
    step(w.what);
}

// The edge shows a token to the client exactly when the scheduler counts it; the step may finish the request, so
// the client's count goes first.
template <class Event>
void serving::count_token(const Event& e) {
    client& c = clients_[e.request.value - 1];
    const std::uint32_t slot = policy_.requests().find(e.request);
    if (slot != sched::no_slot && policy_.requests()[slot].generated != c.tokens) fail("tokens were lost or doubled");
    const std::uint64_t ignored = policy_.ignored_events();
    const bool counts = policy_.counts(e);
    c.tokens += counts;
    step(e);
    if ((policy_.ignored_events() == ignored) != counts) fail("the edge and the scheduler disagree about a token");
}

void serving::handle(engine_word& w) {
    // What an engine said before it died may still come in; the edge has no way to know.
    if (const auto* t = std::get_if<sched::token>(&w.what))
        count_token(*t);
    else if (const auto* p = std::get_if<sched::prefill_done>(&w.what))
        count_token(*p);
    else if (const auto* u = std::get_if<sched::instance_up>(&w.what)) {
        if (engines_[w.from].epoch != w.epoch || !engines_[w.from].up) return; // its connection is closed already
        told_epoch_[u->instance.value] = u->epoch;
        step(w.what);
    } else
        step(w.what);
}

// Nothing will come from clients any more.
bool serving::idle() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const client& c) { return c.arrived && c.ends > 0; });
}

void serving::check_end() {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
        if (clients_[i].ends != 1) fail("request " + std::to_string(i + 1) + " never ended");
    }
    if (policy_.live() != 0) fail("the scheduler holds on to requests");
    for (const engine& e : engines_) {
        if (!e.up || e.hangs) continue;
        if (!e.open.empty()) fail("an engine holds on to a sequence");
        if (e.blocks_free != e.blocks) fail("blocks leaked");
    }
    for (const sched::instance& e : policy_.engines().all()) {
        if (e.live && (e.blocks_used || e.sequences || e.pending_tokens)) fail("the scheduler's accounts leak");
    }
}

} // namespace ashlar::scenario
