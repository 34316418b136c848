// SPDX-License-Identifier: Apache-2.0
// A network in virtual time, between endpoints of one process: what a seed wants late, split, reordered, lost, doubled
// or failed is so, the same way every time. The scenario owns time: it calls `step` or `run_until` between polls.
//
//     sim::network net({.seed = 7, .endpoints = 4, .operations = 64, .inbound = 64, .how = sim::faults::rough()});
//     sim::endpoint a(net), b(net);      // model fabric, readable
//     while (net.step()) { poll(a); poll(b); }
//     net.kill(b.number());              // without a word; what b has sent may still land until net.fence(b.number())
//
// Memory that must not be written to (free pages, say) is guarded by a `write_guard`; what hits it is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/random.hpp>
#include <ashlar/core/trace.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/op.hpp>
#include <ashlar/sim/fault.hpp>
#include <ashlar/sim/links.hpp>
#include <ashlar/sim/port.hpp>
#include <ashlar/sim/timeline.hpp>

namespace ashlar::inline v0::sim {

struct network_options {
    std::uint64_t seed;
    std::uint32_t endpoints;  // ever: a restarted process is a new one
    std::uint32_t operations; // of an endpoint, posted and not yet polled
    std::uint32_t inbound;    // of an endpoint, on the way or waiting to be polled
    faults how;
};

// Asked for every piece that lands in an endpoint's memory; false counts as a violation. The piece lands all the same.
struct write_guard {
    void* context = nullptr;
    bool (*allows)(void* context, std::uint32_t endpoint, const std::byte* at, std::size_t size) = nullptr;
};

struct network_counters {
    std::uint64_t writes = 0, pieces = 0, bytes = 0, messages = 0, immediates = 0;
    std::uint64_t dropped = 0, doubled = 0, stalled = 0, failed = 0, corrupted = 0;
    std::uint64_t refused = 0;    // landings without a registered region, or at or from a fenced or dead endpoint
    std::uint64_t held = 0;       // landings, arrivals and answers that met a link that was cut
    std::uint64_t late = 0;       // pieces that landed after their sender died or gave up
    std::uint64_t violations = 0; // landings that the guard did not allow
};

class network {
public:
    static constexpr std::size_t max_message = 4096;

    explicit network(const network_options& options)
        : options_(options), ports_(options.endpoints), flights_(capacity()), free_(capacity()),
          later_(happenings_max()), held_(happenings_max()),
          links_(options.endpoints, options.how.link_bytes_per_second) {
        ASHLAR_ASSERT(options.how.pieces_max > 0 && options.how.delay_min <= options.how.delay_max);
        for (std::uint32_t i = 0; i < capacity(); ++i) ASHLAR_ASSERT(free_.push(i));
    }
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    // ---- the scenario's side

    instant now() const { return later_.now(); }
    instant next_time() const { return later_.next_time(); }
    // Lets the next thing happen; false when nothing is on its way.
    bool step(instant until = instant::never()) {
        const auto next = later_.next(until);
        if (!next) return false;
        happen(*next);
        return true;
    }
    void run_until(instant time) {
        while (step(time)) {
        }
    }

    void kill(std::uint32_t endpoint);  // its process is gone
    void fence(std::uint32_t endpoint); // and nothing it sent lands any more
    void stall(std::uint32_t endpoint, instant until) { ports_[endpoint].stalled_until = until; } // nothing lands there
    // One direction; the other goes on. What is under way waits for the heal, and comes in its order then.
    void cut(std::uint32_t from, std::uint32_t to);
    void heal(std::uint32_t from, std::uint32_t to);
    bool alive(std::uint32_t endpoint) const { return ports_[endpoint].open; }
    void guard(const write_guard& g) { guard_ = g; }
    const network_counters& counters() const { return counters_; }
    const trace_hash& trace() const { return trace_; }

    // ---- the endpoints' side (sim/endpoint.hpp)

    std::uint32_t open();
    port& at(std::uint32_t number) { return ports_[number]; }
    const port& at(std::uint32_t number) const { return ports_[number]; }
    bool knows(std::uint32_t number) const { return number < opened_ && ports_[number].open; }

    // A flight with a payload copied from `bytes` (none for reads), or nothing when a queue is full.
    flight* post(std::uint32_t from, fabric::peer_id peer, flight::kind what, bool inbound,
                 std::span<const std::byte> bytes, std::size_t size, fabric::op& o);
    void launch(flight& f); // schedules what was posted
    void give_up(std::uint32_t from, std::uint32_t to, fabric::peer_id peer,
                 error why); // ops fail, bytes may still land
    void fence_pair(std::uint32_t from, std::uint32_t to);
    std::span<const std::byte> message(std::uint32_t i) const { return {flights_[i].bytes.data(), flights_[i].size}; }
    void drop(std::uint32_t flight_index) { unreference(flights_[flight_index]); }

private:
    enum class part : std::uint8_t { piece, arrival, answer, notice };
    struct happening {
        part what{};
        std::uint32_t flight = 0; // notice: who is told
        std::uint32_t index = 0;  // of a piece; notice: who died
    };

    // An op and its doubled message, each endpoint.
    std::uint32_t capacity() const { return options_.endpoints * (options_.operations + options_.inbound); }
    std::size_t happenings_max() const {
        return std::size_t{capacity()} * (options_.how.pieces_max + 3) +
               std::size_t{options_.endpoints} * options_.endpoints;
    }
    std::uint32_t index_of(const flight& f) const { return static_cast<std::uint32_t>(&f - flights_.begin()); }
    duration delay() {
        const auto spread = static_cast<std::uint64_t>((options_.how.delay_max - options_.how.delay_min).ns) + 1;
        return options_.how.delay_min + duration{static_cast<std::int64_t>(random_.below(spread))};
    }
    flight* take(std::span<const std::byte> bytes, std::size_t size);
    void unreference(flight& f);
    void schedule(flight& f, part what, instant time, std::uint32_t index = 0) {
        ++f.references;
        later_.at(time, {what, index_of(f), index});
    }
    void happen(const happening& h);
    bool held(const happening& h) const;
    void land(flight& f, std::uint32_t piece);
    void arrive(flight& f);
    void answer(flight& f);
    void notice(std::uint32_t who, std::uint32_t dead);
    void finish(port& p, fabric::op*& o, bool failed, error why);
    void record(part what, const flight& f, std::uint64_t detail) {
        trace_.add(now().ns);
        trace_.add(static_cast<std::uint64_t>(what) | std::uint64_t{f.from} << 8 | std::uint64_t{f.to} << 24 |
                   detail << 40);
    }

    network_options options_;
    fixed_array<port> ports_;
    fixed_array<flight> flights_;
    ring<std::uint32_t> free_;
    timeline<happening> later_;
    bounded_vector<happening> held_; // by cut links, in the order of their times
    links links_;
    random_stream random_{.seed = options_.seed};
    std::uint32_t opened_ = 0;
    write_guard guard_;
    network_counters counters_;
    trace_hash trace_;
};

} // namespace ashlar::inline v0::sim

#include <ashlar/sim/network_steps.hpp>
