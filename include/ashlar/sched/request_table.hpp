// SPDX-License-Identifier: Apache-2.0
// Every live request of a scheduler: what it asked for, how far it is, where it holds KV. A table of fixed size; a
// request keeps its slot from arrival to its end. Deadlines stand in a heap beside the slots, so that the next one due
// is known in O(1) and a request leaves in O(log n). Equal deadlines fall in order of request id.
//
//     request_table live(1024);   std::uint32_t slot = live.open(id);   live[slot].deadline = ...;   live.watch(slot);
//     while (live.next_deadline() <= now) expire(live.earliest());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/sched/chain.hpp>
#include <ashlar/sched/event.hpp>

namespace ashlar::inline v0::sched {

// docs/sched.md draws how these follow each other.
enum class phase : std::uint8_t {
    none,              // the slot is free
    waiting,           // for a place on some instance
    reserving_decode,  // asked the decode (or unified) instance for blocks
    reserving_prefill, // asked the prefill instance
    prefill_ready,     // in that instance's line
    prefilling,        // a chunk is in its present batch
    handing_over,      // prompt computed, first token out, KV still on its way
    decode_ready,      // in the decode instance's line
    decoding,          // in its present batch
};

// A request's hold on one instance.
struct leg {
    std::uint32_t at = no_slot; // index into the fleet
    std::uint32_t blocks = 0;   // accounted there
    bool held() const { return at != no_slot; }
};

struct request {
    request_id id{};
    phase now = phase::none;
    std::uint32_t attempt = 0;       // counts every start, so that late answers to an earlier one are known as such
    std::uint32_t failures_left = 0; // attempts that may still fail before the request does
    std::uint32_t prompt_tokens = 0;
    std::uint32_t max_tokens = 0;
    std::uint32_t generated = 0; // tokens that the client has
    std::uint32_t context = 0;   // tokens to prefill in this attempt: prompt + generated at its start
    std::uint32_t computed = 0;  // of these, in place on the instance that prefills
    std::uint32_t chunk = 0;     // tokens in the present batch
    bool transferred = false;    // the decode side holds all of them
    batch_id batch{};            // the one it is part of; 0: none
    instant deadline{};
    leg prefill{}, decode{}; // unified: only the second
    std::uint32_t heap_index = no_slot;
    std::uint32_t sibling = no_slot; // the next one of its group, in a ring; itself when alone
    request_id prompt_of{};          // stands aside until that one's prompt is computed
    bool awaited = false;            // some of its group do so for this one's
    bool doomed = false;             // one of its group has failed in this step
    link line{}; // aside, a waiting line, an instance's lines, its running batch, or the free slots: at most one
    link prefill_members{}; // everyone with a leg on an instance
    link decode_members{};

    std::uint32_t capacity() const { return prompt_tokens + max_tokens; }
    bool last_chunk() const { return computed + chunk == context; }
};

using line_chain = chain<&request::line>;

class request_table {
public:
    explicit request_table(std::uint32_t capacity) : slots_(capacity), heap_(capacity), by_id_(capacity) {
        for (std::uint32_t i = 0; i < capacity; ++i) free_.push_back(slots(), i);
    }
    request_table(request_table&&) = delete; // chains know their address

    std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()) - free_.size(); }
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(slots_.size()); }
    std::span<request> slots() { return {slots_.data(), slots_.size()}; }
    std::span<const request> slots() const { return {slots_.data(), slots_.size()}; }
    request& operator[](std::uint32_t slot) { return slots_[slot]; }
    const request& operator[](std::uint32_t slot) const { return slots_[slot]; }

    std::uint32_t find(request_id id) const {
        const std::uint32_t* slot = by_id_.find(id.value);
        return slot ? *slot : no_slot;
    }

    // The table must not be full and the id must be new.
    std::uint32_t open(request_id id) {
        const std::uint32_t slot = free_.first();
        ASHLAR_ASSERT(slot != no_slot);
        free_.remove(slots(), slot);
        slots_[slot] = request{.id = id};
        const bool fresh = by_id_.insert(id.value, slot) != nullptr;
        ASHLAR_ASSERT(fresh);
        return slot;
    }

    // The request must stand in no chain any more.
    void close(std::uint32_t slot) {
        request& r = slots_[slot];
        ASHLAR_ASSERT(!r.line.in && !r.prefill.held() && !r.decode.held());
        if (r.heap_index != no_slot) unwatch(slot);
        by_id_.erase(r.id.value);
        r = {};
        free_.push_back(slots(), slot);
    }

    // ---- deadlines

    instant next_deadline() const { return heap_.empty() ? instant::never() : slots_[heap_[0]].deadline; }
    std::uint32_t earliest() const { return heap_.empty() ? no_slot : heap_[0]; }

    void watch(std::uint32_t slot) {
        const bool fits = heap_.push_back(slot);
        ASHLAR_ASSERT(fits);
        up(static_cast<std::uint32_t>(heap_.size() - 1));
    }

private:
    bool before(std::uint32_t a, std::uint32_t b) const {
        const request &x = slots_[a], &y = slots_[b];
        return x.deadline != y.deadline ? x.deadline < y.deadline : x.id < y.id;
    }
    void place(std::uint32_t index, std::uint32_t slot) {
        heap_[index] = slot;
        slots_[slot].heap_index = index;
    }
    void up(std::uint32_t index) {
        const std::uint32_t slot = heap_[index];
        for (; index > 0 && before(slot, heap_[(index - 1) / 2]); index = (index - 1) / 2) {
            place(index, heap_[(index - 1) / 2]);
        }
        place(index, slot);
    }
    void down(std::uint32_t index) {
        const std::uint32_t slot = heap_[index];
        for (;;) {
            std::uint32_t child = 2 * index + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
            if (!before(heap_[child], slot)) break;
            place(index, heap_[child]);
            index = child;
        }
        place(index, slot);
    }
    void unwatch(std::uint32_t slot) {
        const std::uint32_t index = slots_[slot].heap_index;
        const std::uint32_t moved = heap_.back();
        heap_.pop_back();
        slots_[slot].heap_index = no_slot;
        if (moved == slot) return;
        place(index, moved);
        up(index);
        down(slots_[moved].heap_index);
    }

    fixed_array<request> slots_;
    bounded_vector<std::uint32_t> heap_;
    id_table<std::uint64_t, std::uint32_t> by_id_;
    line_chain free_;
};

} // namespace ashlar::inline v0::sched
