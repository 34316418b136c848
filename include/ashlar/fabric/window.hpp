// SPDX-License-Identifier: Apache-2.0
// window: a fabric between processes of one host and user. Memory comes from `allocate`; a peer maps it when it first
// writes there, and a write is one non-temporal copy straight into it, with the CRC32C of the source computed on the
// way. Immediates and messages go through a lock-free ring per sender, immediates not one by one but at the next call
// of poll, send or wait, or after 512 KiB; `wait` sleeps on a futex. Nothing has a name in the file system, and a peer
// that dies or lies costs an error.
//
//     auto net = window::open({});   auto pool = net->allocate(64 << 20);
//     auto mine = net->register_memory({pool->data(), pool->size(), memory_kind::host});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <sys/random.h>
#include <time.h>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/copy_nt.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/fabric/concepts.hpp>
#include <ashlar/fabric/finished_ops.hpp>
#include <ashlar/fabric/peer_table.hpp>
#include <ashlar/fabric/window_lanes.hpp>
#include <ashlar/fabric/window_link.hpp>
#include <ashlar/fabric/window_memory.hpp>

namespace ashlar::inline v0::fabric {

struct window_options {
    std::uint32_t peers = 16;       // connected to, and connected from
    std::uint32_t operations = 256; // posted and not yet polled
    std::uint32_t regions = 64;
    std::uint32_t ring_bytes = 64 << 10; // of immediates and messages a sender, a power of two
};

// Not for use from several threads. A forked child must not use its parent's.
class window {
public:
    static constexpr bool computes_checksum = true;
    static constexpr bool down_is_final = true;
    static constexpr std::size_t max_message = window_lanes::max_message;

    static result<window> open(window_options options) {
        const window_layout shape{options.peers, options.ring_bytes, options.regions};
        if (!shape.sane() || options.operations == 0) return fail(errc::invalid_argument);
        const auto self = process::self();
        if (!self) return self.error();
        auto block = shared_memory::create(shape.bytes());
        if (!block) return block.error();
        std::uint64_t epoch = 0;
        while (epoch == 0) {
            if (::getrandom(&epoch, sizeof epoch, 0) != sizeof epoch) return fail(errc::io);
        }
        return window(options, shape, std::move(*block), epoch, *self);
    }
    window(window&&) noexcept = default;
    window& operator=(window&&) = delete;
    ~window() {
        if (!block_) return;
        show_all();
        control().closed.store_seq_cst(1);
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            if (peers_[i].up) peers_[i].link.wake();
        }
    }

    // Zeroed shared memory for regions, in whole pages behind the scenes. Lives until `free` or the end of the window.
    result<std::span<std::byte>> allocate(std::size_t size) { return memory_.allocate(size); }
    // Ends the registrations inside as well. A peer's write that is under way goes to pages that nobody sees any more.
    result<void> free(std::span<std::byte> bytes) { return memory_.free(bytes); }

    // unsupported: not the host's, or not from this window's `allocate`.
    result<region> register_memory(memory m) {
        if (m.kind != memory_kind::host) return fail(errc::unsupported);
        if (!m.data || m.size == 0) return fail(errc::invalid_argument);
        return memory_.publish(m);
    }
    // A write that has begun is not stopped: memory goes to someone else only after its writers have been told.
    result<void> deregister_memory(const region& r) { return memory_.withdraw(r); }

    std::span<const std::byte> address() const { return address_; }
    // peer_down: that incarnation is gone. exhausted: no room here or there.
    result<peer_id> connect(std::span<const std::byte> address) {
        const auto a = window_address::get(address);
        if (!a) return a.error();
        const peer_id known = window_lanes::peer_of(peers_, a->epoch);
        if (known != peer_id::none()) return known;
        auto link = window_link::open(*a, epoch_, self_);
        if (!link) return link.error();
        return peers_.insert(std::move(*link));
    }
    peer_state state(peer_id peer) const { return peers_.state(peer); }
    void disconnect(peer_id peer) {
        show_all();
        peers_.erase(peer);
    }

    result<void> write(peer_id peer, local_slice from, remote_slice to, op& o) {
        return put(peer, from, to, nullptr, o);
    }
    result<void> write(peer_id peer, local_slice from, remote_slice to, std::uint32_t immediate, op& o) {
        return put(peer, from, to, &immediate, o);
    }
    result<void> read(peer_id peer, local_slice to, remote_slice from, op& o) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        auto theirs = check(peer, to, from);
        if (!theirs) return theirs.error();
        if (finished_.full()) return fail(errc::again);
        if (to.size) std::memcpy(to.in->data + to.offset, *theirs, to.size);
        return finished_.push(o);
    }
    result<void> send(peer_id peer, std::span<const std::byte> message, op& o) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        if (message.empty()) return fail(errc::invalid_argument);
        if (message.size() > max_message) return fail(errc::out_of_range);
        auto e = peers_.usable(peer);
        if (!e) return e.error();
        if (auto room = room_for(peer, message.size()); !room) return room;
        (*e)->link.out.append({.what = window_lanes::message_record}, message);
        copy_nt_fence(); // of writes before it
        (*e)->link.show();
        return finished_.push(o);
    }

    std::size_t poll(std::span<completion> out) {
        show_all();
        notice_the_dead();
        lanes_.begin();
        std::size_t n = 0;
        while (n < out.size() && peers_.report(out[n])) ++n;
        return take_turns(
            out, n, turn_, [this](completion& c) { return finished_.report(c); },
            [this](completion& c) { return lanes_.poll(c, peers_); });
    }

    // Sleeps on the doorbell. Wakes four times a second to see whether its peers still live.
    bool wait(duration max) {
        show_all();
        const std::int64_t end = (instant{now_ns()} + (max.ns > 0 ? max : duration{})).ns;
        control().sleeping.store_seq_cst(1);
        bool ready;
        for (;;) {
            const std::uint32_t seen = control().doorbell.load_seq_cst();
            notice_the_dead();
            ready = something_to_poll();
            const std::int64_t left = end - now_ns();
            if (ready || left <= 0) break;
            // A full ring is emptied without a bell: whoever was refused comes back soon.
            const std::int64_t nap_max = std::exchange(refused_, false) ? nap_refused_ns : nap_ns;
            const std::int64_t nap = left < nap_max ? left : nap_max;
            const timespec span{static_cast<time_t>(nap / 1'000'000'000), static_cast<long>(nap % 1'000'000'000)};
            ::syscall(SYS_futex, control().doorbell.address(), FUTEX_WAIT, seen, &span, nullptr, 0);
            if (nap == nap_refused_ns) {
                ready = true;
                break;
            }
        }
        control().sleeping.store_relaxed(0);
        return ready;
    }

private:
    // A fence waits until all is written, so that it comes once for many small writes; a target waits no longer for it
    // than these bytes take.
    static constexpr std::size_t unseen_bytes_max = 512 << 10;
    static constexpr std::int64_t look_after_peers_ns = 50'000'000, nap_ns = 250'000'000, nap_refused_ns = 100'000;

    window(window_options options, window_layout shape, shared_memory block, std::uint64_t epoch, process self)
        : block_(std::move(block)), epoch_(epoch), self_(self), memory_(options.regions, block_.data()),
          lanes_(shape, block_.data()), peers_(options.peers), finished_(options.operations) {
        window_control& c = control();
        c.magic = window_control::magic_number;
        c.epoch = epoch;
        c.lanes = shape.lanes, c.ring_bytes = shape.ring_bytes, c.regions = shape.regions;
        byte_writer to(address_);
        window_address{self_, epoch_, block_.descriptor(), shape}.put(to);
        ASHLAR_ASSERT(to.ok());
    }

    static error fail(errc code) { return {code, origin::fabric}; }
    static std::int64_t now_ns() {
        timespec t{};
        ::clock_gettime(CLOCK_MONOTONIC, &t);
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    }
    window_control& control() { return window_layout::control(block_.data()); }
    // Where the peer's bytes are mapped, or why the operation cannot be.
    result<std::byte*> check(peer_id peer, const local_slice& here, const remote_slice& there) {
        auto e = peers_.usable(peer);
        if (!e) return e.error();
        if (!in_bounds(here, there)) return fail(errc::out_of_range);
        auto at = (*e)->link.resolve(there.in, there.offset, here.size);
        if (!at && (at.error().code == errc::peer_down || at.error().code == errc::corrupt)) {
            peers_.take_down(peer, at.error());
            return {errc::peer_down, origin::fabric};
        }
        return at;
    }
    result<void> room_for(peer_id peer, std::size_t payload) {
        if (finished_.full()) return fail(errc::again);
        const auto room = peers_[peer.value].link.out.room_for(payload);
        if (room) return room;
        if (room.error().code == errc::again) return refused_ = true, room;
        peers_.take_down(peer, room.error());
        return fail(errc::peer_down);
    }
    result<void> put(peer_id peer, const local_slice& from, const remote_slice& to, const std::uint32_t* immediate,
                     op& o) {
        ASHLAR_ASSERT(o.status != op_status::pending);
        auto theirs = check(peer, from, to);
        if (!theirs) return theirs.error();
        if (immediate) {
            if (auto room = room_for(peer, 0); !room) return room;
        } else if (finished_.full())
            return fail(errc::again);
        o.checksum = from.size ? copy_nt_crc32c_unfenced(*theirs, from.in->data + from.offset, from.size) : 0;
        window_link& link = peers_[peer.value].link;
        if (immediate) link.out.append({.what = window_lanes::immediate_record, .immediate = *immediate}, {});
        unseen_ = link.unseen = true;
        link.unseen_bytes += from.size;
        if (link.unseen_bytes >= unseen_bytes_max) {
            copy_nt_fence();
            link.show();
        }
        return finished_.push(o);
    }
    // Before anyone hears that a write is done, or it waits for what we do later: its bytes, then its number.
    void show_all() {
        if (!std::exchange(unseen_, false)) return;
        copy_nt_fence();
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            if (peers_[i].used && peers_[i].link.unseen) peers_[i].link.show();
        }
    }
    void notice_the_dead() {
        const std::int64_t now = now_ns();
        const bool look = now >= next_look_ns_;
        if (look) next_look_ns_ = now + look_after_peers_ns;
        for (std::size_t i = 0; i < peers_.capacity(); ++i) {
            auto& e = peers_[i];
            if (e.up && (e.link.said_goodbye() || (look && !e.link.process_alive()))) {
                peers_.take_down({static_cast<std::uint32_t>(i)}, fail(errc::peer_down));
            }
        }
        if (look) lanes_.notice_the_dead();
    }
    bool something_to_poll() { return !finished_.empty() || peers_.has_report() || lanes_.something_to_poll(); }

    shared_memory block_;
    std::array<std::byte, window_address::wire_size> address_{};
    std::uint64_t epoch_;
    process self_;
    window_memory memory_;
    window_lanes lanes_;
    peer_table<window_link> peers_;
    finished_ops finished_;
    std::int64_t next_look_ns_ = 0;
    bool turn_ = false;
    bool refused_ = false;
    bool unseen_ = false; // some link has
};

static_assert(check_fabric<window>() && readable<window> && waitable<window>);

} // namespace ashlar::inline v0::fabric
