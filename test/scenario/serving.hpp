// SPDX-License-Identifier: Apache-2.0
// A whole serving fleet in virtual time: the real sched::pd between clients that arrive, cancel and stop, and engines
// that compute, refuse, lose transfers, hang, die and come back, all by seed. After every step the scheduler's
// invariants are checked, and each engine checks what it is told. `problem()` is empty when nothing was wrong.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/core/trace.hpp>
#include <ashlar/sched.hpp>
#include <ashlar/sim/timeline.hpp>

namespace ashlar::scenario {

using namespace ashlar::literals;

class serving {
public:
    // `calm`: no faults of engines; clients still cancel.
    explicit serving(std::uint64_t seed, bool calm = false)
        : seed_(seed), random_{.seed = seed}, calm_(calm), policy_(make_options()), said_(policy_.actions_max()) {
        log_.resize(4096);
        byte_writer head(log_);
        sched::write_log_head(head, policy_.options());
        log_.resize(head.size());
        make_fleet();
        make_clients();
    }

    void run() {
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

    const std::string& problem() const { return problem_; }
    trace_hash trace() const { return trace_; }
    std::span<const std::byte> log() const { return log_; }
    std::uint64_t steps() const { return steps_; }
    std::uint64_t finished() const { return finished_; }
    std::uint64_t failed() const { return failed_; }
    std::uint64_t rejected() const { return rejected_; }
    std::uint64_t retried() const { return retried_; }

private:
    static constexpr instant horizon{120'000'000'000};
    static constexpr std::uint32_t tokens_per_block = 4;

    struct sequence {
        std::uint32_t attempt = 0;
        sched::role as{};
        std::uint32_t context = 0, capacity = 0, computed = 0, blocks = 0;
    };
    struct engine {
        instance_id id{};
        sched::role as{};
        epoch_id epoch{};
        bool up = false;    // the process runs
        bool hangs = false; // it runs and says nothing
        std::uint32_t blocks = 0, blocks_free = 0, batch_tokens = 0, sequences = 0;
        instant busy_until{}; // computing
        std::deque<std::vector<sched::action>> inbox{};
        instant spoke_until{}; // events of one engine arrive in order
        instant told_until{};  // so do its orders
        std::map<std::uint64_t, sequence> open{};
        std::uint64_t batch = 0; // being collected or computed
    };
    struct client {
        std::uint32_t prompt = 0, max_tokens = 0, tokens = 0, stop_at = 0;
        instant deadline{};
        std::size_t group = 0;     // its first member
        bool follows = false;      // has that one's prompt
        bool group_failed = false; // of a first member: one of them
        bool arrived = false;
        int ends = 0;
    };
    // What can be under way. Orders and words carry the epoch: they die with the process they are for or from.
    struct client_word {
        sched::event what{};
    };
    struct engine_word {
        std::size_t from = 0;
        epoch_id epoch{};
        sched::event what{};
    };
    struct engine_order {
        std::size_t to = 0;
        epoch_id epoch{};
        std::vector<sched::action> what{};
    };
    struct fault {
        enum { kill, hang, start, beat, closed } what{};
        std::size_t at = 0;
        epoch_id epoch{};
    };
    struct timer {
        instant at{};
    };
    using happening = std::variant<client_word, engine_word, engine_order, fault, timer>;

    void fail(std::string what) {
        if (problem_.empty()) problem_ = "seed " + std::to_string(seed_) + ": " + std::move(what);
    }
    bool chance(float p) { return random_.chance(p); }
    std::uint32_t between(std::uint32_t low, std::uint32_t high) {
        return low + static_cast<std::uint32_t>(random_.below(high - low + 1));
    }
    duration wait(std::int64_t least_us, std::int64_t most_us) {
        return {1000 * (least_us +
                        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most_us - least_us + 1))))};
    }

    sched::pd_options make_options() {
        return {.request_limit = between(2, 24),
                .queue_limit = between(1, 16),
                .instance_limit = 8,
                .attempts_max = between(1, 4),
                .heartbeat_timeout = 500_ms,
                .deadline_max = 20_s,
                .retry_after = 1_s,
                .hold_unavailable = chance(0.3f)};
    }

    void make_fleet() {
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

    void make_clients() {
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

    // ---- the edge around the scheduler

    void step(const sched::event& e) {
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

    void tell(instance_id to, std::vector<sched::action> what) {
        for (std::size_t i = 0; i < engines_.size(); ++i) {
            engine& e = engines_[i];
            if (e.id != to) continue;
            e.told_until = std::max(e.told_until, later_.now() + wait(20, 200));
            later_.at(e.told_until, engine_order{i, told_epoch_[to.value], std::move(what)});
            return;
        }
        fail("an order for nobody");
    }

    client* ending(request_id r) {
        if (r.value == 0 || r.value > clients_.size()) return fail("an end for nobody"), nullptr;
        client& c = clients_[r.value - 1];
        if (++c.ends != 1) fail("a request ended twice");
        if (!c.arrived) fail("a request ended before it came");
        return &c;
    }
    void group_fails(client* c) {
        if (c) clients_[c->group].group_failed = true;
    }
    void act(const sched::reject& a) { group_fails(ending(a.request)), ++rejected_; }
    void act(const sched::finish& a) {
        client* c = ending(a.request);
        ++finished_;
        if (c && a.tokens != c->tokens) fail("the client has another number of tokens than it was told");
        if (c && a.reason == sched::finish_reason::length && a.tokens != c->max_tokens)
            fail("length, but not all tokens");
    }
    void act(const sched::fail& a) {
        client* c = ending(a.request);
        group_fails(c);
        ++failed_;
        if (c && a.fault.code == errc::timed_out && later_.now() < std::min(c->deadline, horizon))
            fail("timed out too early");
    }
    void act(const sched::retry& a) {
        ++retried_;
        if (clients_[a.request.value - 1].tokens != a.tokens_kept) fail("a retry forgets tokens");
    }
    void act(const sched::reserve& a) {
        const client& c = clients_[a.request.value - 1];
        const client& first = clients_[c.group];
        if (c.follows && first.tokens == 0 && first.ends == 0) fail("a prompt is computed twice at a time");
        tell(a.instance, {a});
    }
    void act(const sched::release& a) { tell(a.instance, {a}); }
    void act(const sched::instance_lost& a) { // fence it
        for (std::size_t i = 0; i < engines_.size(); ++i) {
            if (engines_[i].id == a.instance && engines_[i].epoch == a.epoch && engines_[i].up) die(i, false);
        }
    }
    void act(const sched::set_timer& a) { later_.at(a.at, timer{a.at}); }
    void act(const sched::drained&) {
        if (policy_.live()) fail("drained with live requests");
    }
    void act(const sched::launch_batch&) {}
    void act(const sched::batch_item&) { fail("an item outside of a batch"); }

    void handle(timer&) { step(sched::tick{}); }
    void handle(client_word& w) {
        if (const auto* a = std::get_if<sched::arrive>(&w.what)) {
            client& c = clients_[a->request.value - 1];
            if (c.ends > 0) return; // an edge never uses an id again
            c.arrived = true;
        }
        step(w.what);
    }

    // ---- the engines

    void say(std::size_t from, const sched::event& e, instant at) {
        engine& x = engines_[from];
        x.spoke_until = std::max(x.spoke_until, at + wait(20, 200));
        later_.at(x.spoke_until, engine_word{from, x.epoch, e});
        if (!calm_ && chance(0.03f))
            later_.at(x.spoke_until + wait(0, 50'000), engine_word{from, x.epoch, e}); // doubled
    }

    void handle(engine_word& w) {
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

    // The edge shows a token to the client exactly when the scheduler counts it; the step may finish the request, so
    // the client's count goes first.
    template <class Event>
    void count_token(const Event& e) {
        client& c = clients_[e.request.value - 1];
        const std::uint32_t slot = policy_.requests().find(e.request);
        if (slot != sched::no_slot && policy_.requests()[slot].generated != c.tokens)
            fail("tokens were lost or doubled");
        const std::uint64_t ignored = policy_.ignored_events();
        const bool counts = policy_.counts(e);
        c.tokens += counts;
        step(e);
        if ((policy_.ignored_events() == ignored) != counts) fail("the edge and the scheduler disagree about a token");
    }

    void die(std::size_t i, bool silently) {
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

    void handle(fault& f) {
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
    // Nothing will come from clients any more.
    bool idle() const {
        return std::all_of(clients_.begin(), clients_.end(), [](const client& c) { return c.arrived && c.ends > 0; });
    }

    void handle(engine_order& o) {
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

    void open(std::size_t at, const sched::reserve& r) {
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

    void close(std::size_t at, const sched::release& r) {
        engine& e = engines_[at];
        const auto found = e.open.find(r.request.value);
        if (found == e.open.end()) return; // refused with the answer still under way
        if (found->second.attempt != r.attempt) return fail("a release of another attempt");
        e.blocks_free += found->second.blocks;
        e.open.erase(found);
    }

    void compute(std::size_t at, const sched::launch_batch& l, const std::vector<sched::action>& what) {
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
    void hand_over(std::size_t from, const sched::batch_item& item) {
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
                    sched::transfer_failed{
                        item.request, item.attempt, engines_[who].id, {errc::corrupt, origin::kv, 0}},
                    there);
            else
                say(i, sched::transfer_done{item.request, item.attempt, d.id}, there);
            return;
        }
    }

    void check_end() {
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

    std::uint64_t seed_;
    random_stream random_;
    bool calm_;
    sched::pd<> policy_;
    sched::actions said_;
    sim::timeline<happening> later_{4096};
    std::vector<engine> engines_;
    std::vector<client> clients_;
    std::map<std::uint32_t, epoch_id> told_epoch_;
    std::vector<std::byte> log_;
    trace_hash trace_;
    std::string problem_;
    instant quiet_since_{};
    std::uint64_t steps_ = 0, finished_ = 0, failed_ = 0, rejected_ = 0, retried_ = 0, epochs_ = 0;
};

} // namespace ashlar::scenario
