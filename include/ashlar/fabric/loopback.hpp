// SPDX-License-Identifier: Apache-2.0
// loopback: endpoints of one thread, joined by a hub. Deterministic and synchronous: a write is there when it returns.
// Queues are as bounded as a real network's, so that errc::again happens. For tests, and for two roles in one process.
//
//     loopback_hub hub;   loopback a(hub), b(hub);
//     peer_id to_b = a.connect(b.address()).value();
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/fabric/finished_ops.hpp>
#include <ashlar/fabric/peer_table.hpp>

namespace ashlar::inline v0::fabric {

class loopback;

// Knows the living endpoints by number. Outlives them.
class loopback_hub {
public:
    explicit loopback_hub(std::size_t endpoints = 16) : members_(endpoints) {}

private:
    friend class loopback;
    struct member {
        std::uint64_t number = 0;
        loopback* at = nullptr;
    };
    std::uint64_t join(loopback* at) {
        const bool room = members_.push_back({++last_number_, at});
        ASHLAR_ASSERT(room && "more endpoints than the hub was made for");
        return last_number_;
    }
    void leave(std::uint64_t number) {
        for (std::size_t i = 0; i < members_.size(); ++i) {
            if (members_[i].number == number) return members_.erase(i);
        }
    }
    loopback* find(std::uint64_t number) const {
        for (const member& m : members_) {
            if (m.number == number) return m.at;
        }
        return nullptr;
    }
    bounded_vector<member> members_;
    std::uint64_t last_number_ = 0;
};

struct loopback_options {
    std::uint32_t operations = 64; // posted and not yet polled
    std::uint32_t inbound = 64;    // immediates and messages waiting to be polled
    std::uint32_t regions = 64;
    std::uint32_t peers = 16;
};

// Not for use from several threads; neither is its hub.
class loopback {
public:
    static constexpr bool computes_checksum = false;
    static constexpr bool down_is_final = true;
    static constexpr std::size_t max_message = 4096;

    explicit loopback(loopback_hub& hub, loopback_options options = {})
        : hub_(&hub), peers_(options.peers), regions_(options.regions), finished_(options.operations),
          inbound_(options.inbound), bytes_(std::size_t{options.inbound} * max_message), number_(hub.join(this)) {
        std::memcpy(address_.data(), magic, 8);
        std::memcpy(address_.data() + 8, &number_, 8);
    }
    loopback(const loopback&) = delete;
    loopback& operator=(const loopback&) = delete;
    ~loopback() { hub_->leave(number_); }

    result<region> register_memory(memory m) {
        if (m.kind != memory_kind::host) return fail(errc::unsupported);
        if (!m.data || m.size == 0) return fail(errc::invalid_argument);
        for (std::size_t i = 0; i < regions_.size(); ++i) {
            if (regions_[i].key) continue;
            regions_[i] = {m, ++serial_ << 16 | i};
            return region{m.data, m.size, {0, regions_[i].key, m.size}, i};
        }
        return fail(errc::exhausted);
    }
    result<void> deregister_memory(const region& r) {
        const memory* m = find_memory(r.remote.key);
        if (!m || m->data != r.data) return fail(errc::not_found);
        regions_[r.remote.key & 0xffff] = {};
        return {};
    }

    std::span<const std::byte> address() const { return address_; }
    result<peer_id> connect(std::span<const std::byte> address) {
        if (address.size() != address_.size() || std::memcmp(address.data(), magic, 8) != 0) {
            return fail(errc::invalid_argument);
        }
        std::uint64_t number;
        std::memcpy(&number, address.data() + 8, 8);
        if (!hub_->find(number)) return fail(errc::peer_down);
        const peer_id known = peers_.find_if([&](std::uint64_t n) { return n == number; });
        return known == peer_id::none() ? peers_.insert(number) : result<peer_id>(known);
    }
    peer_state state(peer_id peer) const { return peers_.state(peer); }
    void disconnect(peer_id peer) { peers_.erase(peer); }

    result<void> write(peer_id peer, local_slice from, remote_slice to, op& o) { return move(peer, from, to, o, {}); }
    result<void> write(peer_id peer, local_slice from, remote_slice to, std::uint32_t immediate, op& o) {
        return move(peer, from, to, o, {.present = true, .value = immediate});
    }
    result<void> read(peer_id peer, local_slice to, remote_slice from, op& o) {
        return move(peer, to, from, o, {.inward = true});
    }
    result<void> send(peer_id peer, std::span<const std::byte> message, op& o) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        if (message.empty()) return fail(errc::invalid_argument);
        if (message.size() > max_message) return fail(errc::out_of_range);
        auto target = reach(peer);
        if (!target) return target.error();
        if (finished_.full() || target.value()->inbound_full()) return fail(errc::again);
        target.value()->deliver({completion::kind::message, number_, 0, message.size()}, message);
        return finished_.push(o);
    }

    std::size_t poll(std::span<completion> out) {
        held_ = 0; // messages of the last poll may be overwritten from here on
        notice_the_dead();
        std::size_t n = 0;
        while (n < out.size() && peers_.report(out[n])) ++n;
        return take_turns(
            out, n, turn_, [this](completion& c) { return finished_.report(c); },
            [this](completion& c) { return poll_inbound(c); });
    }

private:
    static constexpr char magic[9] = "loopback";
    struct entry {
        memory bytes;
        std::uint64_t key = 0; // 0: free; the low 16 bits are the index
    };
    struct arrival {
        completion::kind what;
        std::uint64_t from;
        std::uint32_t immediate;
        std::size_t size;
    };
    struct how {
        bool present = false;
        std::uint32_t value = 0;
        bool inward = false;
    };

    static error fail(errc code) { return {code, origin::fabric}; }

    result<loopback*> reach(peer_id peer) {
        auto e = peers_.usable(peer);
        if (!e) return e.error();
        loopback* at = hub_->find((*e)->link);
        if (!at) {
            peers_.take_down(peer, fail(errc::peer_down));
            return fail(errc::peer_down);
        }
        return at;
    }
    const memory* find_memory(std::uint64_t key) const {
        const std::size_t i = key & 0xffff;
        return key && i < regions_.size() && regions_[i].key == key ? &regions_[i].bytes : nullptr;
    }
    result<void> move(peer_id peer, const local_slice& here, const remote_slice& there, op& o, how h) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        auto target = reach(peer);
        if (!target) return target.error();
        if (!in_bounds(here, there)) return fail(errc::out_of_range);
        if (here.size && !find_memory(here.in->remote.key)) return fail(errc::invalid_argument);
        const memory* m = target.value()->find_memory(there.in.key);
        if (!m) return fail(errc::not_found);
        if (!fits(there.offset, here.size, m->size)) return fail(errc::out_of_range);
        if (finished_.full() || (h.present && target.value()->inbound_full())) return fail(errc::again);
        if (here.size) {
            std::byte* mine = here.in->data + here.offset;
            std::byte* theirs = m->data + there.offset;
            std::memmove(h.inward ? mine : theirs, h.inward ? theirs : mine, here.size);
        }
        if (h.present) target.value()->deliver({completion::kind::immediate, number_, h.value, 0}, {});
        return finished_.push(o);
    }
    // Arrival number n (of those not polled yet) keeps its message in slot (first_ + n) of bytes_.
    bool inbound_full() const { return inbound_.size() + held_ >= inbound_.capacity(); }
    std::byte* slot(std::size_t n) { return bytes_.data() + (first_ + n) % inbound_.capacity() * max_message; }
    void deliver(arrival a, std::span<const std::byte> message) {
        if (!message.empty()) std::memcpy(slot(inbound_.size()), message.data(), message.size());
        const bool room = inbound_.push(a);
        ASHLAR_ASSERT(room);
    }
    bool poll_inbound(completion& out) {
        if (inbound_.empty()) return false;
        const std::byte* bytes = slot(0);
        const arrival a = inbound_.pop();
        first_ = (first_ + 1) % inbound_.capacity();
        ++held_;
        out = completion{.what = a.what,
                         .peer = peers_.find_if([&](std::uint64_t n) { return n == a.from; }),
                         .immediate = a.immediate,
                         .message = {bytes, a.size}};
        return true;
    }
    void notice_the_dead() {
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            if (peers_[i].up && !hub_->find(peers_[i].link)) {
                peers_.take_down({static_cast<std::uint32_t>(i)}, fail(errc::peer_down));
            }
        }
    }

    loopback_hub* hub_;
    peer_table<std::uint64_t> peers_;
    fixed_array<entry> regions_;
    finished_ops finished_;
    ring<arrival> inbound_;
    fixed_array<std::byte> bytes_;
    std::array<std::byte, 16> address_{};
    std::uint64_t serial_ = 0;
    std::size_t first_ = 0;
    std::size_t held_ = 0; // slots whose messages the caller may still read
    std::uint64_t number_;
    bool turn_ = false;
};

static_assert(check_fabric<loopback>() && readable<loopback>);

} // namespace ashlar::inline v0::fabric
