// SPDX-License-Identifier: Apache-2.0
// The engines of a fleet: they compute what they are told, check it, and break by seed.
#include "serving.hpp"

#include <algorithm>
#include <utility>

namespace ashlar::scenario {

void serving::make_fleet() {
    std::vector<sched::role> roles;
    if (chance(0.7f)) {
        for (std::uint32_t n = between(1, 3); n > 0; --n) roles.push_back(sched::role::prefill);
        for (std::uint32_t n = between(1, 3); n > 0; --n) roles.push_back(sched::role::decode);
    }
    for (std::uint32_t n = between(roles.empty() ? 1 : 0, roles.empty() ? 2 : 1); n > 0; --n)
        roles.push_back(sched::role::unified);
    for (std::size_t i = 0; i < roles.size(); ++i) {
        engine e;
        e.id = {static_cast<std::uint32_t>(100 - i)};
        e.as = roles[i];
        e.blocks = between(8, 48);
        e.batch_tokens = between(1, 32);
        e.sequences = between(1, 8);
        engines_.push_back(e);
        later_.after(wait(0, 5000), fault{fault::start, i, {}});
        if (calm_) continue;
        for (std::uint32_t n = between(0, 2); n > 0; --n) {
            const auto what = chance(0.3f) ? fault::hang : fault::kill;
            later_.after(wait(0, 400'000), fault{what, i, {}});
        }
    }
}

void serving::say(std::size_t from, const sched::event& e, instant at) {
    engine& x = engines_[from];
    x.spoke_until = std::max(x.spoke_until, at + wait(20, 200));
    later_.at(x.spoke_until, engine_word{from, x.epoch, e});
    if (!calm_ && chance(0.03f)) later_.at(x.spoke_until + wait(0, 50'000), engine_word{from, x.epoch, e}); // doubled
}

void serving::die(std::size_t i, bool silently) {
    engine& e = engines_[i];
    if (!e.up) return;
    const epoch_id old = e.epoch;
    e.up = false;
    e.open.clear();
    e.inbox.clear();
    e.batch = 0;
    if (!silently) later_.after(wait(100, 20'000), fault{fault::closed, i, old});
    later_.after(wait(50'000, 900'000), fault{fault::start, i, {}});
}

void serving::handle(fault& f) {
    engine& e = engines_[f.at];
    switch (f.what) {
    case fault::kill:
        return die(f.at, false);
    case fault::hang:
        if (e.up) e.hangs = true;
        return;
    case fault::closed:
        return step(sched::instance_down{e.id, f.epoch});
    case fault::start:
        if (e.up) return;
        e.up = true;
        e.hangs = false;
        e.epoch = {mix(seed_, ++epochs_)};
        e.blocks_free = e.blocks;
        e.busy_until = later_.now();
        e.spoke_until = e.told_until = later_.now();
        say(f.at, sched::instance_up{e.id, e.as, e.epoch, e.blocks, tokens_per_block, e.batch_tokens, e.sequences},
            later_.now());
        later_.after(250_ms, fault{fault::beat, f.at, e.epoch});
        return;
    case fault::beat:
        if (!e.up || e.epoch != f.epoch) return;
        if (!e.hangs) say(f.at, sched::heartbeat{e.id, e.epoch, e.blocks_free}, later_.now());
        later_.after(250_ms, fault{fault::beat, f.at, e.epoch});
        return;
    }
}

void serving::handle(engine_order& o) {
    engine& e = engines_[o.to];
    if (!e.up || e.epoch != o.epoch) return; // the connection is gone, and the order with it
    if (e.hangs) return;
    if (!o.what.empty()) e.inbox.push_back(std::move(o.what)); // nothing in it: just a look at the inbox
    while (!e.inbox.empty() && problem_.empty()) {
        if (later_.now() < e.busy_until) return later_.at(e.busy_until, engine_order{o.to, e.epoch, {}});
        const std::vector<sched::action> what = std::move(e.inbox.front());
        e.inbox.pop_front();
        if (const auto* r = std::get_if<sched::reserve>(&what.front())) open(o.to, *r);
        if (const auto* r = std::get_if<sched::release>(&what.front())) close(o.to, *r);
        if (const auto* l = std::get_if<sched::launch_batch>(&what.front())) compute(o.to, *l, what);
    }
}

void serving::open(std::size_t at, const sched::reserve& r) {
    engine& e = engines_[at];
    if (r.as != e.as) return fail("a reservation for another role");
    if (e.open.contains(r.request.value)) return fail("a sequence is opened twice");
    const std::uint32_t blocks = (r.capacity_tokens + tokens_per_block - 1) / tokens_per_block;
    if (!calm_ && chance(0.03f)) {
        const errc why = chance(0.5f) ? errc::exhausted : errc::io;
        return say(at, sched::reserve_failed{r.request, r.attempt, e.id, {why, origin::kv, 0}}, later_.now());
    }
    if (blocks > e.blocks_free || e.open.size() == e.sequences) return fail("more is reserved than there is");
    e.blocks_free -= blocks;
    const std::uint32_t cached =
        chance(0.3f) ? between(0, (r.context_tokens - 1) / tokens_per_block) * tokens_per_block : 0;
    const std::uint32_t computed = e.as == sched::role::decode ? r.context_tokens : cached;
    e.open[r.request.value] = {r.attempt, r.as, r.context_tokens, r.capacity_tokens, computed, blocks};
    say(at, sched::reserved{r.request, r.attempt, e.id, cached}, later_.now());
}

void serving::close(std::size_t at, const sched::release& r) {
    engine& e = engines_[at];
    const auto found = e.open.find(r.request.value);
    if (found == e.open.end()) return; // refused with the answer still under way
    if (found->second.attempt != r.attempt) return fail("a release of another attempt");
    e.blocks_free += found->second.blocks;
    e.open.erase(found);
}

void serving::compute(std::size_t at, const sched::launch_batch& l, const std::vector<sched::action>& what) {
    engine& e = engines_[at];
    if (e.batch >= l.batch.value) return fail("batches are not counted up");
    e.batch = l.batch.value;
    if (l.items + 1 != what.size() || l.items == 0) return fail("a batch has another number of items than it says");
    if (l.tokens > e.batch_tokens) return fail("a batch is over its budget");
    e.busy_until = later_.now() + wait(200, 1000) + duration{20'000 * static_cast<std::int64_t>(l.tokens)};
    std::uint32_t tokens = 0;
    for (std::size_t i = 1; i < what.size() && problem_.empty(); ++i) {
        const auto& item = std::get<sched::batch_item>(what[i]);
        const auto found = e.open.find(item.request.value);
        if (found == e.open.end() || found->second.attempt != item.attempt) return fail("an item of no sequence");
        sequence& s = found->second;
        tokens += item.count;
        if (item.position != s.computed) return fail("an item at the wrong position");
        if (item.position + item.count > s.capacity) return fail("an item beyond its reservation");
        const bool prefill = item.kind == sched::item_kind::prefill;
        if (prefill ? e.as == sched::role::decode : e.as == sched::role::prefill)
            return fail("an item of another role");
        if (item.last != (!prefill || item.position + item.count == s.context)) return fail("`last` is wrong");
        if (!calm_ && chance(0.01f)) {
            say(at, sched::item_failed{item.request, item.attempt, e.id, l.batch, {errc::io, origin::model, 0}},
                e.busy_until);
            continue;
        }
        if (!calm_ && chance(0.005f) && item.last) continue; // forgotten: will be asked again
        s.computed += item.count;
        if (!item.last) continue;
        const client& c = clients_[item.request.value - 1];
        const bool ends = c.stop_at && s.computed == c.prompt + c.stop_at - 1;
        if (!prefill) {
            say(at, sched::token{item.request, item.attempt, e.id, l.batch, ends}, e.busy_until);
            continue;
        }
        say(at, sched::prefill_done{item.request, item.attempt, e.id, l.batch, ends}, e.busy_until);
        if (e.as == sched::role::prefill) hand_over(at, item);
    }
    if (tokens != l.tokens && problem_.empty()) fail("a batch has another number of tokens than it says");
    say(at, sched::batch_done{e.id, l.batch}, e.busy_until);
}

// The KV cache travels; the decode side, or the prefill side when it fails, speaks when it is over.
void serving::hand_over(std::size_t from, const sched::batch_item& item) {
    for (std::size_t i = 0; i < engines_.size(); ++i) {
        engine& d = engines_[i];
        const auto found = d.open.find(item.request.value);
        if (d.as != sched::role::decode || found == d.open.end() || found->second.attempt != item.attempt) continue;
        if (!d.up || d.hangs) return;
        const instant there = engines_[from].busy_until + wait(0, 3000);
        if (!calm_ && chance(0.03f)) return; // stalled for ever: the deadline's business
        const bool breaks = !calm_ && chance(0.05f);
        const std::size_t who = breaks && chance(0.5f) ? from : i;
        if (breaks)
            say(who,
                sched::transfer_failed{item.request, item.attempt, engines_[who].id, {errc::corrupt, origin::kv, 0}},
                there);
        else
            say(i, sched::transfer_done{item.request, item.attempt, d.id}, there);
        return;
    }
}

} // namespace ashlar::scenario
