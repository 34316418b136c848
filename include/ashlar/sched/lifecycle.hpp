// SPDX-License-Identifier: Apache-2.0
// The moves of a request, whatever event caused them: it takes and gives back places on instances, starts over, ends.
// The accounts of requests and instances change here and nowhere else, so that they always add up. Base of `pd`, which
// decides when; not used by itself.
//
//     class my_scheduler : lifecycle { ... restart(slot, {errc::peer_down, origin::sched, 0}); ... };
#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/action.hpp>
#include <ashlar/sched/fleet.hpp>
#include <ashlar/sched/options.hpp>
#include <ashlar/sched/request_table.hpp>
#include <ashlar/sched/router.hpp>

namespace ashlar::inline v0::sched {

class lifecycle {
public:
    const pd_options& options() const { return options_; }
    const request_table& requests() const { return requests_; }
    const fleet& engines() const { return engines_; }
    std::uint32_t live() const { return requests_.size(); }
    std::uint32_t waiting() const { return arrived_.size() + ahead_.size() + aside_.size(); }
    bool stands_aside(const request& r) const { return r.line.in == &aside_; }

    // Whether an engine that says this (any event with request, attempt and instance) works on the request's present
    // attempt; what anyone else says is late or doubled, and is ignored.
    template <class E>
    bool heeds(const E& e) const {
        const std::uint32_t slot = requests_.find(e.request), at = engines_.find(e.instance);
        if (slot == no_slot || at == no_slot) return false;
        const request& r = requests_[slot];
        return r.attempt == e.attempt && (r.prefill.at == at || r.decode.at == at);
    }

    // Whether a sampled token will be counted. A client may be shown no other: it would be generated again.
    bool counts(const prefill_done& e) const {
        if (!heeds(e)) return false;
        const request& r = requests_[requests_.find(e.request)];
        return r.now == phase::prefilling && r.last_chunk() && in_batch(r, e.batch);
    }
    bool counts(const token& e) const {
        if (!heeds(e)) return false;
        const request& r = requests_[requests_.find(e.request)];
        return r.now == phase::decoding && in_batch(r, e.batch);
    }

protected:
    explicit lifecycle(const pd_options& options)
        : options_(options), requests_(options.request_limit), engines_(options.instance_limit),
          touched_(options.instance_limit), doomed_(options.request_limit) {
        ASHLAR_ASSERT(options.sound());
    }

    void emit(const action& a) {
        const bool fits = out_->push_back(a);
        ASHLAR_ASSERT(fits);
    }

    // The instance has something new to do: its batch is looked at when the step ends.
    void touch(std::uint32_t at) {
        if (engines_[at].touched) return;
        engines_[at].touched = true;
        const bool fits = touched_.push_back(at);
        ASHLAR_ASSERT(fits);
    }

    static bool in_batch(const request& r, batch_id batch) { return r.batch == batch && batch != batch_id{}; }

    // ---- places

    // The instance that prefills this request.
    instance& prefills(request& r) { return engines_[r.prefill.held() ? r.prefill.at : r.decode.at]; }

    void computed(request& r, std::uint32_t tokens) {
        r.computed += tokens;
        prefills(r).pending_tokens -= tokens;
    }

    void take_leg(std::uint32_t slot, leg& l, std::uint32_t at, std::uint32_t tokens) {
        instance& host = engines_[at];
        l = {at, host.blocks_for(tokens)};
        host.blocks_used += l.blocks;
        ++host.sequences;
        if (&l == &requests_[slot].prefill)
            host.prefill_members.push_back(requests_.slots(), slot);
        else
            host.decode_members.push_back(requests_.slots(), slot);
    }

    // `tell`: the instance was asked and did not refuse.
    void drop_leg(std::uint32_t slot, leg& l, bool tell) {
        request& r = requests_[slot];
        instance& host = engines_[l.at];
        if (host.facts.as != role::decode) host.pending_tokens -= r.context - r.computed;
        if (&l == &r.prefill)
            host.prefill_members.remove(requests_.slots(), slot);
        else
            host.decode_members.remove(requests_.slots(), slot);
        host.blocks_used -= l.blocks;
        --host.sequences;
        l = {};
        if (!tell || !host.live) return;
        host.full = false;
        emit(release{r.id, r.attempt, host.facts.instance});
    }

    void place(std::uint32_t slot, placement where) {
        request& r = requests_[slot];
        leave_line(slot);
        const bool split = where.prefill != no_slot;
        if (split) take_leg(slot, r.prefill, where.prefill, r.context);
        take_leg(slot, r.decode, where.decode, r.capacity());
        prefills(r).pending_tokens += r.context;
        r.now = phase::reserving_decode;
        emit(reserve{r.id, r.attempt, engines_[where.decode].facts.instance, split ? role::decode : role::unified,
                     r.context, r.capacity()});
    }

    void leave_line(std::uint32_t slot) {
        request& r = requests_[slot];
        r.batch = {};
        if (r.line.in) static_cast<line_chain*>(r.line.in)->remove(requests_.slots(), slot);
    }

    void leave_all(std::uint32_t slot) {
        request& r = requests_[slot];
        leave_line(slot);
        if (r.prefill.held()) drop_leg(slot, r.prefill, r.now != phase::reserving_decode);
        if (r.decode.held()) drop_leg(slot, r.decode, true);
    }

    // ---- lines

    void ready_to_prefill(std::uint32_t slot, std::uint32_t at, std::uint32_t cached) {
        request& r = requests_[slot];
        r.now = phase::prefill_ready;
        r.computed = cached;
        engines_[at].pending_tokens -= cached;
        engines_[at].prefill_line.push_back(requests_.slots(), slot);
        touch(at);
    }

    void ready_to_decode(std::uint32_t slot) {
        request& r = requests_[slot];
        if (r.prefill.held()) drop_leg(slot, r.prefill, true);
        let_follow(slot);
        r.now = phase::decode_ready;
        engines_[r.decode.at].decode_line.push_back(requests_.slots(), slot);
        touch(r.decode.at);
    }

    // What the batch left unanswered goes back to the head of its line, in its order: middle chunks are done, anything
    // else is asked for again (the same tokens into the same places).
    void close_batch(std::uint32_t i) {
        instance& at = engines_[i];
        at.batch = {};
        while (!at.running.empty()) {
            const std::uint32_t slot = at.running.last();
            request& r = requests_[slot];
            leave_line(slot);
            if (r.now == phase::decoding) {
                r.now = phase::decode_ready;
                at.decode_line.push_front(requests_.slots(), slot);
            } else {
                if (!r.last_chunk()) computed(r, r.chunk);
                r.now = phase::prefill_ready;
                at.prefill_line.push_front(requests_.slots(), slot);
            }
        }
        touch(i);
    }

    // ---- groups

    void join(std::uint32_t slot, std::uint32_t first) {
        requests_[slot].sibling = first == no_slot ? slot : std::exchange(requests_[first].sibling, slot);
    }

    // The others end when the step does: whoever walks a line now may rely on it.
    void leave_group(std::uint32_t slot, bool failed) {
        std::uint32_t before = slot;
        for (std::uint32_t i = requests_[slot].sibling; i != slot; before = i, i = requests_[i].sibling) {
            if (!failed || std::exchange(requests_[i].doomed, true)) continue;
            const bool fits = doomed_.push_back(i);
            ASHLAR_ASSERT(fits);
        }
        requests_[before].sibling = requests_[slot].sibling;
    }

    bool same_group(std::uint32_t a, std::uint32_t b) const {
        for (std::uint32_t i = requests_[a].sibling; i != a; i = requests_[i].sibling) {
            if (i == b) return true;
        }
        return false;
    }

    // To the end of the line; or aside, while another of its group computes the same prompt.
    void line_up(std::uint32_t slot, request_id prompt_of) {
        const std::uint32_t first = prompt_of == request_id{} ? no_slot : requests_.find(prompt_of);
        const bool computes = first != no_slot && same_group(slot, first) && !stands_aside(requests_[first]) &&
                              requests_[first].now < phase::decode_ready;
        if (!computes) return arrived_.push_back(requests_.slots(), slot);
        requests_[first].awaited = true;
        requests_[slot].prompt_of = prompt_of;
        aside_.push_back(requests_.slots(), slot);
    }

    // The prompt is where it is decoded, or its request has ended well: prefix caches hold it as long as they can.
    void let_follow(std::uint32_t slot) {
        if (!std::exchange(requests_[slot].awaited, false)) return;
        for (std::uint32_t i = aside_.first(), next; i != no_slot; i = next) {
            next = aside_.after(requests_.slots(), i);
            if (requests_[i].prompt_of != requests_[slot].id) continue;
            leave_line(i);
            ahead_.push_back(requests_.slots(), i);
        }
    }

    void end_doomed() {
        for (std::uint32_t slot : doomed_) { // one that has ended by itself is doomed no more
            if (requests_[slot].doomed) end(slot, fail{requests_[slot].id, {errc::cancelled, origin::sched, 0}});
        }
        doomed_.clear();
    }

    // ---- endings and beginnings

    void end(std::uint32_t slot, const action& how) {
        const bool failed = std::holds_alternative<fail>(how);
        if (!failed) let_follow(slot);
        leave_group(slot, failed);
        leave_all(slot);
        requests_.close(slot);
        emit(how);
    }

    // After a sampled token: is that all? Then the request is gone.
    bool ended(std::uint32_t slot, bool stopped) {
        const request& r = requests_[slot];
        if (!stopped && r.generated < r.max_tokens) return false;
        end(slot, finish{r.id, stopped ? finish_reason::stop : finish_reason::length, r.generated});
        return true;
    }

    // Something broke: try again while attempts are left and another try can help.
    void restart(std::uint32_t slot, error why) {
        request& r = requests_[slot];
        const bool hopeless = why.code == errc::invalid_argument || why.code == errc::unsupported;
        if (r.failures_left == 0 || hopeless) return end(slot, fail{r.id, why});
        --r.failures_left;
        start_over(slot, why);
    }

    // From the beginning, with what the client has already as part of the prompt.
    void start_over(std::uint32_t slot, error why) {
        request& r = requests_[slot];
        leave_all(slot);
        ++r.attempt;
        r.context = r.prompt_tokens + r.generated;
        r.computed = r.chunk = 0;
        r.transferred = false;
        r.now = phase::waiting;
        if (end_if_unplaceable(slot)) return;
        ahead_.push_back(requests_.slots(), slot);
        emit(retry{r.id, r.attempt, r.generated, why});
    }

    // No instance of a role is left, or none large enough: waiting would hold up everybody behind.
    bool end_if_unplaceable(std::uint32_t slot) {
        const request& r = requests_[slot];
        if (!engines_.covers()) {
            if (options_.hold_unavailable) return false;
            end(slot, fail{r.id, {errc::peer_down, origin::sched, 0}});
            return true;
        }
        if (engines_.could_hold(r.context, r.capacity())) return false;
        end(slot, fail{r.id, {errc::exhausted, origin::sched, 0}});
        return true;
    }

    // The fleet has changed.
    void sift_waiting() {
        for (line_chain* line : {&ahead_, &arrived_, &aside_}) {
            for (std::uint32_t i = line->first(), next; i != no_slot; i = next) {
                next = line->after(requests_.slots(), i);
                end_if_unplaceable(i);
            }
        }
    }

    pd_options options_;
    request_table requests_;
    fleet engines_;
    line_chain arrived_; // first come first served
    line_chain ahead_;   // before them: who starts over, and whose prompt another has computed
    line_chain aside_;   // waiting for that
    bounded_vector<std::uint32_t> touched_;
    bounded_vector<std::uint32_t> doomed_;
    actions* out_ = nullptr;
};

} // namespace ashlar::inline v0::sched
