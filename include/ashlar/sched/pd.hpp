// SPDX-License-Identifier: Apache-2.0
// The serving scheduler, one value: it is told events and says what to do. It owns every decision about a request from
// arrival to its end: admission, which instances, batches, retries, deadlines. No clock, no I/O, no allocation after
// construction; equal events at equal times give equal actions, in production, in the simulator and in a replay.
//
//     sched::pd<> policy{{.request_limit = 256, .queue_limit = 128, .instance_limit = 16, ...}};
//     sched::actions out(policy.actions_max());
//     policy.step(event, now, out);      // out holds what to do, in order
//
// The three policies are types: pd<my_router, my_batcher, my_admission>. The states and their transitions are drawn in
// docs/sched.md. Not for use from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/admission.hpp>
#include <ashlar/sched/attendance.hpp>
#include <ashlar/sched/batcher.hpp>
#include <ashlar/sched/event.hpp>
#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/options.hpp>
#include <ashlar/sched/request_table.hpp>
#include <ashlar/sched/router.hpp>

namespace ashlar::inline v0::sched {

template <class Router = shortest_queue_least_kv, class Batcher = chunked_batcher, class Admission = bounded_admission>
class pd : public attendance {
    static_assert(router<Router>, "pd: the first parameter must have place(const fleet&, need) -> placement");
    static_assert(batcher<Batcher>,
                  "pd: the second parameter must have fill(const instance&, const request_table&, take)");
    static_assert(admission<Admission>, "pd: the third parameter must have judge(arrival) and retry_after(arrival)");

public:
    explicit pd(const pd_options& options) : attendance(options) {}

    // Replaces what `out` held. Events that match nothing alive are counted and otherwise ignored. `now` never goes
    // back and is never instant::never(), at which everything that has no deadline would be due.
    void step(const event& e, instant now, actions& out) {
        ASHLAR_ASSERT(out.capacity() >= actions_max() && now >= now_ && now < instant::never());
        out.clear();
        out_ = &out;
        now_ = now;
        std::visit([this](const auto& one) { this->on(one); }, e);
        expire();
        end_doomed();
        place_waiting();
        for (std::uint32_t i : touched_) launch(i);
        touched_.clear();
        if (draining_ && !drained_ && requests_.size() == 0) drained_ = true, emit(drained{});
        arm_timer();
        out_ = nullptr;
    }

    // No step says more than this.
    std::size_t actions_max() const {
        return std::size_t{6} * options_.request_limit + std::size_t{4} * options_.instance_limit + 8;
    }

    bool is_drained() const { return drained_; }

private:
    using attendance::on; // of engines: up, down, heartbeat

    // ---- the client

    void on(const arrive& e) {
        if (requests_.find(e.request) != no_slot) return ignore();
        const arrival facts{.prompt_tokens = e.prompt_tokens,
                            .max_tokens = e.max_tokens,
                            .live = requests_.size(),
                            .request_limit = options_.request_limit,
                            .waiting = waiting(),
                            .queue_limit = options_.queue_limit,
                            .members = e.members,
                            .draining = draining_,
                            .covered = engines_.covers(),
                            .could_fit =
                                engines_.could_hold(e.prompt_tokens, std::uint64_t{e.prompt_tokens} + e.max_tokens),
                            .hold = options_.hold_unavailable,
                            .retry_after = options_.retry_after};
        const std::uint32_t first = e.group == request_id{} ? no_slot : requests_.find(e.group);
        const bool orphaned = e.group != request_id{} && first == no_slot;
        std::optional<reject_reason> no = orphaned ? reject_reason::cancelled : admission_.judge(facts);
        if (!no && requests_.size() == requests_.capacity()) no = reject_reason::overloaded; // whatever the policy says
        if (no) {
            emit(reject{e.request, *no, admission_.retry_after(facts)});
            if (first != no_slot) end(first, fail{e.group, {errc::cancelled, origin::sched, 0}});
            return;
        }
        const std::uint32_t slot = requests_.open(e.request);
        request& r = requests_[slot];
        join(slot, first);
        r.now = phase::waiting;
        r.attempt = 1;
        r.failures_left = options_.attempts_max - 1;
        r.prompt_tokens = r.context = e.prompt_tokens;
        r.max_tokens = e.max_tokens;
        r.deadline = least(e.deadline, now_ + options_.deadline_max);
        requests_.watch(slot);
        line_up(slot, e.prompt_of);
    }

    void on(const cancel& e) {
        const std::uint32_t slot = requests_.find(e.request);
        if (slot == no_slot) return ignore();
        end(slot, fail{e.request, {errc::cancelled, origin::sched, 0}});
    }

    void on(const stop& e) {
        const std::uint32_t slot = requests_.find(e.request);
        if (slot == no_slot) return ignore();
        end(slot, finish{e.request, finish_reason::stop, requests_[slot].generated});
    }

    // ---- engines about requests

    // The slot of a request in this attempt that has a leg on the instance which speaks; counts as a sign of life.
    template <class E>
    std::uint32_t match(const E& e) {
        if (!heeds(e)) return no_slot;
        engines_[engines_.find(e.instance)].last_seen = now_;
        return requests_.find(e.request);
    }

    void on(const reserved& e) {
        const std::uint32_t slot = match(e);
        if (slot == no_slot) return ignore();
        request& r = requests_[slot];
        const std::uint32_t at = engines_.find(e.instance);
        const std::uint32_t cached = least(e.cached_tokens, r.context - 1); // the last token's logits are needed
        if (r.now == phase::reserving_decode && at == r.decode.at) {
            if (!r.prefill.held()) return ready_to_prefill(slot, r.decode.at, cached);
            r.now = phase::reserving_prefill;
            emit(reserve{r.id, r.attempt, engines_[r.prefill.at].facts.instance, role::prefill, r.context, r.context,
                         e.instance});
        } else if (r.now == phase::reserving_prefill && at == r.prefill.at) {
            ready_to_prefill(slot, r.prefill.at, cached);
        } else {
            ignore();
        }
    }

    void on(const reserve_failed& e) {
        const std::uint32_t slot = match(e);
        if (slot == no_slot) return ignore();
        request& r = requests_[slot];
        const std::uint32_t at = engines_.find(e.instance);
        leg& refused = r.now == phase::reserving_decode ? r.decode : r.prefill;
        if ((r.now != phase::reserving_decode && r.now != phase::reserving_prefill) || refused.at != at)
            return ignore();
        const bool never_asked = r.now == phase::reserving_decode && r.prefill.held();
        drop_leg(slot, refused, false);
        if (never_asked) drop_leg(slot, r.prefill, false);
        if (e.fault.code == errc::exhausted) {
            engines_[at].full = true;
            start_over(slot, e.fault);
        } else {
            restart(slot, e.fault);
        }
    }

    void on(const prefill_done& e) {
        const std::uint32_t slot = match(e);
        if (!counts(e)) return ignore();
        request& r = requests_[slot];
        leave_line(slot);
        computed(r, r.chunk);
        ++r.generated;
        if (ended(slot, e.stop)) return;
        r.now = phase::handing_over;
        if (r.transferred || !r.prefill.held()) ready_to_decode(slot);
    }

    void on(const transfer_done& e) {
        const std::uint32_t slot = match(e);
        if (slot == no_slot) return ignore();
        request& r = requests_[slot];
        if (!r.prefill.held() || r.decode.at != engines_.find(e.instance) || r.transferred) return ignore();
        if (r.now != phase::handing_over && !(r.now == phase::prefilling && r.last_chunk())) return ignore();
        r.transferred = true;
        if (r.now == phase::handing_over) ready_to_decode(slot);
    }

    void on(const transfer_failed& e) {
        const std::uint32_t slot = match(e);
        if (slot == no_slot || !requests_[slot].prefill.held()) return ignore();
        restart(slot, e.fault);
    }

    void on(const token& e) {
        const std::uint32_t slot = match(e);
        if (!counts(e)) return ignore();
        request& r = requests_[slot];
        leave_line(slot);
        ++r.generated;
        if (!ended(slot, e.stop)) ready_to_decode(slot);
    }

    void on(const item_failed& e) {
        const std::uint32_t slot = match(e);
        if (slot == no_slot || !in_batch(requests_[slot], e.batch)) return ignore();
        restart(slot, e.fault);
    }

    void on(const batch_done& e) {
        const std::uint32_t i = engines_.find(e.instance);
        if (i == no_slot || engines_[i].batch != e.batch || e.batch == batch_id{}) return ignore();
        engines_[i].last_seen = now_;
        close_batch(i);
    }

    // ---- time and the end

    void on(const tick&) {
        if (now_ >= announced_) announced_ = instant::never();
        look_for_silence();
    }

    void on(const drain& e) {
        draining_ = true;
        drain_deadline_ = least(drain_deadline_, e.deadline);
    }

    void expire() {
        while (requests_.next_deadline() <= now_) {
            const std::uint32_t slot = requests_.earliest();
            end(slot, fail{requests_[slot].id, {errc::timed_out, origin::sched, 0}});
        }
        if (!draining_ || now_ < drain_deadline_) return;
        while (requests_.size() > 0) {
            const std::uint32_t slot = requests_.earliest();
            end(slot, fail{requests_[slot].id, {errc::closed, origin::sched, 0}});
        }
    }

    void arm_timer() {
        instant due = least(requests_.next_deadline(), silence_due());
        if (draining_ && !drained_) due = least(due, drain_deadline_);
        if (due >= announced_) return;
        announced_ = due;
        emit(set_timer{due});
    }

    // ---- what every step ends with

    void place_waiting() {
        for (;;) {
            const std::uint32_t slot = ahead_.empty() ? arrived_.first() : ahead_.first();
            if (slot == no_slot || !engines_.covers()) return;
            const placement where = router_.place(engines_, {requests_[slot].context, requests_[slot].capacity()});
            if (where.decode == no_slot) return; // first come first served: nobody overtakes
            place(slot, where);
        }
    }

    void launch(std::uint32_t i) {
        instance& at = engines_[i];
        at.touched = false;
        if (!at.live || at.batch != batch_id{} || (at.decode_line.empty() && at.prefill_line.empty())) return;
        launch_batch head{at.facts.instance, {batches_ + 1}, 0, 0};
        const std::size_t place_of_head = out_->size();
        emit(head);
        batcher_.fill(at, requests_, [&](std::uint32_t slot, item_kind kind, std::uint32_t count) {
            request& r = requests_[slot];
            const bool decodes = kind == item_kind::decode;
            ASHLAR_ASSERT(r.now == (decodes ? phase::decode_ready : phase::prefill_ready));
            ASHLAR_ASSERT(count > 0 && count <= (decodes ? 1 : r.context - r.computed));
            leave_line(slot);
            at.running.push_back(requests_.slots(), slot);
            r.batch = head.batch;
            r.chunk = count;
            r.now = decodes ? phase::decoding : phase::prefilling;
            emit(batch_item{r.id, r.attempt, kind, decodes ? r.prompt_tokens + r.generated - 1 : r.computed, count,
                            decodes || r.last_chunk()});
            ++head.items;
            head.tokens += count;
        });
        if (head.items == 0) return out_->pop_back(); // the batcher would rather wait for the next event
        (*out_)[place_of_head] = head;
        at.batch = head.batch;
        ++batches_;
    }

    [[no_unique_address]] Router router_;
    [[no_unique_address]] Batcher batcher_;
    [[no_unique_address]] Admission admission_;
    instant announced_ = instant::never(); // the timer that the edge has
    instant drain_deadline_ = instant::never();
    bool draining_ = false;
    bool drained_ = false;
    std::uint64_t batches_ = 0;
};

} // namespace ashlar::inline v0::sched
