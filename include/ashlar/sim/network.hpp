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
#include <cstring>
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
    std::uint64_t late = 0;       // pieces that landed after their sender died or gave up
    std::uint64_t violations = 0; // landings that the guard did not allow
};

class network {
public:
    static constexpr std::size_t max_message = 4096;

    explicit network(const network_options& options)
        : options_(options), ports_(options.endpoints), flights_(capacity()), free_(capacity()),
          later_(std::size_t{capacity()} * (options.how.pieces_max + 3) +
                 std::size_t{options.endpoints} * options.endpoints) {
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
    random_stream random_{.seed = options_.seed};
    std::uint32_t opened_ = 0;
    write_guard guard_;
    network_counters counters_;
    trace_hash trace_;
};

// ---- how it is done

inline std::uint32_t network::open() {
    ASHLAR_ASSERT(opened_ < options_.endpoints && "more endpoints than the network was made for");
    port& p = ports_[opened_];
    p.open = true;
    p.peers = fabric::peer_table<port::link>(options_.endpoints);
    p.regions = fixed_array<port::entry>(16);
    p.finished = ring<port::finished_op>(options_.operations);
    p.inbound = ring<port::arrival>(options_.inbound);
    p.held = ring<std::uint32_t>(options_.inbound);
    std::memcpy(p.address, "ashlrsim", 8);
    const std::uint64_t number = opened_;
    std::memcpy(p.address + 8, &number, 8);
    return opened_++;
}

inline flight* network::take(std::span<const std::byte> bytes, std::size_t size) {
    if (free_.empty()) return nullptr;
    flight& f = flights_[free_.pop()];
    fixed_array<std::byte> storage = std::move(f.bytes);
    if (storage.size() < bytes.size()) storage = fixed_array<std::byte>(bytes.size());
    if (!bytes.empty()) std::memcpy(storage.data(), bytes.data(), bytes.size());
    f = {};
    f.bytes = std::move(storage);
    f.used = true;
    f.size = size;
    return &f;
}

inline flight* network::post(std::uint32_t from, fabric::peer_id peer, flight::kind what, bool inbound,
                             std::span<const std::byte> bytes, std::size_t size, fabric::op& o) {
    port& source = ports_[from];
    const std::uint32_t to = source.peers.find(peer)->link.to;
    port& target = ports_[to];
    if (source.posted == options_.operations || (inbound && target.inbound_taken == options_.inbound)) return nullptr;
    flight* f = take(bytes, size);
    if (!f) return nullptr;
    f->what = what;
    f->from = from;
    f->to = to;
    f->peer = peer;
    f->operation = &o;
    ++source.posted;
    target.inbound_taken += inbound;
    o.status = fabric::op_status::pending;
    o.fault = {};
    return f;
}

inline void network::launch(flight& f) {
    const faults& how = options_.how;
    if (random_.chance(how.stall)) f.extra = how.stall_for, ++counters_.stalled;
    if (f.what != flight::kind::message) {
        f.pieces = f.pieces_left = 1 + static_cast<std::uint32_t>(random_.below(how.pieces_max));
        if (f.what == flight::kind::write) {
            ++counters_.writes;
            if (f.size && random_.chance(how.corrupt_write)) {
                ++counters_.corrupted;
                f.bytes[random_.below(f.size)] ^= static_cast<std::byte>(1u << random_.below(8));
            }
        }
        for (std::uint32_t i = 0; i < f.pieces; ++i) schedule(f, part::piece, now() + delay() + f.extra, i);
        return;
    }
    ++counters_.messages;
    schedule(f, part::answer, now() + delay() + f.extra);
    const std::uint32_t copies = random_.chance(how.drop_message) ? 0 : random_.chance(how.duplicate_message) ? 2 : 1;
    counters_.dropped += copies == 0;
    if (copies == 0) --ports_[f.to].inbound_taken;
    instant& last = ports_[f.from].peers.find(f.peer)->link.last_message;
    for (std::uint32_t i = 0; i < copies; ++i) {
        instant time = now() + delay() + f.extra;
        if (!random_.chance(how.reorder) && time < last) time = last;
        if (last < time) last = time;
        if (i == 0) {
            schedule(f, part::arrival, time);
            continue;
        }
        flight* twin = ports_[f.to].inbound_taken < options_.inbound ? take({f.bytes.data(), f.size}, f.size) : nullptr;
        if (!twin) continue;
        ++counters_.doubled;
        ++ports_[f.to].inbound_taken;
        twin->what = flight::kind::message;
        twin->from = f.from;
        twin->to = f.to;
        schedule(*twin, part::arrival, time);
    }
}

inline void network::unreference(flight& f) {
    ASHLAR_ASSERT(f.references > 0);
    if (--f.references > 0) return;
    f.used = false;
    ASHLAR_ASSERT(free_.push(index_of(f)));
}

inline void network::happen(const happening& h) {
    if (h.what == part::notice) return notice(h.flight, h.index);
    flight& f = flights_[h.flight];
    if (const instant until = ports_[f.to].stalled_until; until > now() && ports_[f.to].open) {
        later_.at(until, h);
        return;
    }
    switch (h.what) {
    case part::piece:
        land(f, h.index);
        break;
    case part::arrival:
        arrive(f);
        break;
    default:
        answer(f);
        break;
    }
    unreference(f);
}

inline void network::land(flight& f, std::uint32_t piece) {
    port &source = ports_[f.from], &target = ports_[f.to];
    const fabric::memory* there = target.open && !f.fenced ? target.find_memory(f.remote_key) : nullptr;
    const std::size_t begin = f.piece_begin(piece), size = f.piece_begin(piece + 1) - begin;
    if (!there || !fabric::fits(f.remote_offset, f.size, there->size)) {
        ++counters_.refused;
        f.failed = true;
        f.fault = {target.open && !f.fenced ? errc::not_found : errc::peer_down, origin::sim};
    } else if (f.what == flight::kind::read) {
        const fabric::memory* here = source.open && f.operation ? source.find_memory(f.local_key) : nullptr;
        if (here && size) std::memcpy(here->data + f.local_offset + begin, there->data + f.remote_offset + begin, size);
    } else if (size) {
        std::byte* to = there->data + f.remote_offset + begin;
        if (guard_.allows && !guard_.allows(guard_.context, f.to, to, size)) ++counters_.violations;
        std::memcpy(to, f.bytes.data() + begin, size);
        counters_.late += f.operation == nullptr;
        counters_.bytes += size;
    }
    ++counters_.pieces;
    record(part::piece, f, piece);
    if (--f.pieces_left > 0) return;
    if (!f.failed && f.operation && random_.chance(options_.how.fail_write)) {
        ++counters_.failed;
        f.failed = true;
        f.fault = {errc::io, origin::sim};
    }
    if (f.has_immediate && !f.failed)
        schedule(f, part::arrival, now() + delay());
    else if (f.has_immediate)
        --target.inbound_taken;
    schedule(f, part::answer, now() + delay());
}

inline void network::arrive(flight& f) {
    port& target = ports_[f.to];
    const bool message = f.what == flight::kind::message;
    record(part::arrival, f, message ? f.size : f.immediate);
    const fabric::peer_id sender = target.peers.find_if([&](const port::link& l) { return l.to == f.from; });
    const bool down = sender != fabric::peer_id::none() && !target.peers.state(sender).up; // and it was said so
    if (!target.open || f.fenced || down) {
        ++counters_.refused;
        --target.inbound_taken;
        return;
    }
    counters_.immediates += !message;
    if (message) ++f.references; // until the poll after the one that shows it
    const auto what = message ? fabric::completion::kind::message : fabric::completion::kind::immediate;
    ASHLAR_ASSERT(target.inbound.push({what, f.from, f.immediate, message ? index_of(f) : no_flight}));
}

inline void network::answer(flight& f) {
    record(part::answer, f, f.failed);
    if (!ports_[f.to].open && !f.failed) f.failed = true, f.fault = {errc::peer_down, origin::sim};
    finish(ports_[f.from], f.operation, f.failed, f.fault);
}

inline void network::finish(port& p, fabric::op*& o, bool failed, error why) {
    if (!o) return;
    ASHLAR_ASSERT(p.finished.push({o, failed, why}));
    o = nullptr;
}

inline void network::notice(std::uint32_t who, std::uint32_t dead) {
    port& p = ports_[who];
    if (!p.open) return;
    const fabric::peer_id peer = p.peers.find_if([&](const port::link& l) { return l.to == dead; });
    if (peer == fabric::peer_id::none()) return;
    p.peers.take_down(peer, {errc::peer_down, origin::sim});
    give_up(who, dead, peer, {errc::peer_down, origin::sim});
}

inline void network::give_up(std::uint32_t from, std::uint32_t to, fabric::peer_id peer, error why) {
    for (flight& f : flights_) {
        if (f.used && f.operation && f.from == from && f.to == to && f.peer == peer)
            finish(ports_[from], f.operation, true, why);
    }
}

inline void network::fence_pair(std::uint32_t from, std::uint32_t to) {
    for (flight& f : flights_) f.fenced |= f.used && f.from == from && f.to == to;
}

inline void network::kill(std::uint32_t endpoint) {
    port& p = ports_[endpoint];
    if (!p.open) return;
    p.open = false;
    for (flight& f : flights_) {
        if (f.used && f.from == endpoint) f.operation = nullptr;
    }
    for (; !p.inbound.empty(); p.inbound.pop()) {
        if (p.inbound.front().flight != no_flight) drop(p.inbound.front().flight);
    }
    for (; !p.held.empty(); p.held.pop()) drop(p.held.front());
    p.finished.clear();
    for (std::uint32_t who = 0; who < opened_; ++who) {
        if (ports_[who].open) later_.at(now() + options_.how.notice, {part::notice, who, endpoint});
    }
}

inline void network::fence(std::uint32_t endpoint) {
    for (flight& f : flights_) f.fenced |= f.used && f.from == endpoint;
}

} // namespace ashlar::inline v0::sim
