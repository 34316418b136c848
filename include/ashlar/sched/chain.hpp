// SPDX-License-Identifier: Apache-2.0
// Lists threaded through the slots of a table: first in, first out, removal from the middle in O(1), no allocation. A
// slot can stand in one chain for each `link` member that it has.
//
//     chain<&request::line> waiting;   waiting.push_back(slots, 3);   waiting.remove(slots, 3);
//     for (std::uint32_t i = waiting.first(); i != no_slot; i = waiting.after(slots, i)) ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/assert.hpp>

namespace ashlar::inline v0::sched {

inline constexpr std::uint32_t no_slot = UINT32_MAX;

// std::min without the 20,000 lines of <algorithm>.
template <class T>
constexpr T least(T a, T b) {
    return b < a ? b : a;
}

struct link {
    std::uint32_t before = no_slot;
    std::uint32_t after = no_slot;
    void* in = nullptr; // the chain it stands in: a slot removed from the wrong chain is a bug that must show
};

template <auto Member>
class chain;

template <class Slot, link Slot::* Member>
class chain<Member> {
public:
    std::uint32_t first() const { return first_; }
    std::uint32_t last() const { return last_; }
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    bool holds(std::span<const Slot> slots, std::uint32_t i) const { return (slots[i].*Member).in == this; }
    std::uint32_t after(std::span<const Slot> slots, std::uint32_t i) const { return (slots[i].*Member).after; }

    void push_back(std::span<Slot> slots, std::uint32_t i) { insert(slots, i, last_, no_slot); }
    void push_front(std::span<Slot> slots, std::uint32_t i) { insert(slots, i, no_slot, first_); }

    void remove(std::span<Slot> slots, std::uint32_t i) {
        link& l = slots[i].*Member;
        ASHLAR_ASSERT(l.in == this);
        (l.before == no_slot ? first_ : (slots[l.before].*Member).after) = l.after;
        (l.after == no_slot ? last_ : (slots[l.after].*Member).before) = l.before;
        l = {};
        --size_;
    }

private:
    void insert(std::span<Slot> slots, std::uint32_t i, std::uint32_t before, std::uint32_t after) {
        link& l = slots[i].*Member;
        ASHLAR_ASSERT(l.in == nullptr);
        l = {before, after, this};
        (before == no_slot ? first_ : (slots[before].*Member).after) = i;
        (after == no_slot ? last_ : (slots[after].*Member).before) = i;
        ++size_;
    }

    std::uint32_t first_ = no_slot;
    std::uint32_t last_ = no_slot;
    std::uint32_t size_ = 0;
};

} // namespace ashlar::inline v0::sched
