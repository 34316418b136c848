// SPDX-License-Identifier: Apache-2.0
// What becomes of an operation on the simulated network: it leaves in pieces or as a message, lands, arrives, is
// answered; or is stalled, held by a cut link, refused, given up. Part of network; include sim/network.hpp.
//
//     flight* f = net.post(...);   net.launch(*f);   while (net.step()) ...
#pragma once

#include <cstring>

#include <ashlar/sim/network.hpp>

namespace ashlar::inline v0::sim {

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
        for (std::uint32_t i = 0; i < f.pieces; ++i) {
            const std::size_t size = f.piece_begin(i + 1) - f.piece_begin(i);
            const bool read = f.what == flight::kind::read; // then the bytes come from over there
            const instant out = links_.carry(read ? f.to : f.from, read ? f.from : f.to, size, now());
            schedule(f, part::piece, out + delay() + f.extra, i);
        }
        return;
    }
    ++counters_.messages;
    const instant out = links_.carry(f.from, f.to, f.size, now());
    schedule(f, part::answer, out + delay() + f.extra);
    const std::uint32_t copies = random_.chance(how.drop_message) ? 0 : random_.chance(how.duplicate_message) ? 2 : 1;
    counters_.dropped += copies == 0;
    if (copies == 0) --ports_[f.to].inbound_taken;
    instant& last = ports_[f.from].peers.find(f.peer)->link.last_message;
    for (std::uint32_t i = 0; i < copies; ++i) {
        instant time = out + delay() + f.extra;
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

// A piece and an arrival come out of the link from the sender, a read's piece and an answer out of the one to it.
inline bool network::held(const happening& h) const {
    const flight& f = flights_[h.flight];
    const bool there = h.what != part::answer, back = h.what == part::answer || f.what == flight::kind::read;
    return (there && links_.is_cut(f.from, f.to)) || (back && links_.is_cut(f.to, f.from));
}

inline void network::cut(std::uint32_t from, std::uint32_t to) {
    links_.cut(from, to);
    trace_.add(now().ns), trace_.add(std::uint64_t{from} << 32 | to);
}

inline void network::heal(std::uint32_t from, std::uint32_t to) {
    links_.heal(from, to);
    trace_.add(now().ns), trace_.add(std::uint64_t{to} << 32 | from);
    std::size_t still = 0;
    for (std::size_t i = 0; i < held_.size(); ++i) {
        if (held(held_[i]))
            held_[still++] = held_[i];
        else
            later_.at(now(), held_[i]);
    }
    while (held_.size() > still) held_.pop_back();
}

inline void network::happen(const happening& h) {
    if (h.what == part::notice) return notice(h.flight, h.index);
    flight& f = flights_[h.flight];
    if (held(h)) {
        ++counters_.held;
        ASHLAR_ASSERT(held_.push_back(h));
        return;
    }
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
