// SPDX-License-Identifier: Apache-2.0
// What will happen when, in virtual time. Order is total: by time, then by the order of asking, so that one seed gives
// one history. Time only moves when the next event is taken.
//
//     timeline<my_event> later(1024);   later.at(now + 5_ms, e);
//     while (auto e = later.next()) handle(later.now(), *e);
//
// The capacity is fixed; asking for more is a bug in the scenario.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sim {

template <class Event>
class timeline {
public:
    explicit timeline(std::size_t capacity) : heap_(capacity) {}

    instant now() const { return now_; }
    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }
    instant next_time() const { return heap_.empty() ? instant::never() : heap_[0].time; }

    // Not before now.
    void at(instant time, Event e) {
        const bool fits = heap_.push_back({time < now_ ? now_ : time, sequence_++, std::move(e)});
        ASHLAR_ASSERT(fits && "more under way than the timeline was made for");
        std::size_t i = heap_.size() - 1;
        for (; i > 0 && heap_[i].before(heap_[(i - 1) / 2]); i = (i - 1) / 2) std::swap(heap_[i], heap_[(i - 1) / 2]);
    }
    void after(duration wait, Event e) { at(now_ + wait, std::move(e)); }

    // Moves time to the next event that is due by `until`; nothing when there is none, and then time stands at `until`,
    // if that is a time at all.
    std::optional<Event> next(instant until = instant::never()) {
        if (next_time() > until || heap_.empty()) {
            if (until != instant::never() && until > now_) now_ = until;
            return std::nullopt;
        }
        now_ = heap_[0].time;
        std::optional<Event> e(std::move(heap_[0].what));
        heap_[0] = std::move(heap_.back());
        heap_.pop_back();
        for (std::size_t i = 0;;) {
            std::size_t child = 2 * i + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
            if (!heap_[child].before(heap_[i])) break;
            std::swap(heap_[i], heap_[child]);
            i = child;
        }
        return e;
    }

private:
    struct entry {
        instant time{};
        std::uint64_t sequence = 0;
        Event what{};
        bool before(const entry& other) const {
            return time != other.time ? time < other.time : sequence < other.sequence;
        }
    };
    bounded_vector<entry> heap_;
    std::uint64_t sequence_ = 0;
    instant now_{};
};

} // namespace ashlar::inline v0::sim
