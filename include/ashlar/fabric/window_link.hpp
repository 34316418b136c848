// SPDX-License-Identifier: Apache-2.0
// The sending half of a window: one peer's control block, the lane claimed in it, and those of the peer's allocations
// that were written to so far, mapped when first needed. Everything read from the peer is checked before it is used.
//
//     auto link = window_link::open(address, my_epoch, self);   auto to = link->resolve(remote, offset, size);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/process.hpp>
#include <ashlar/fabric/shared_memory.hpp>
#include <ashlar/fabric/window_layout.hpp>

namespace ashlar::inline v0::fabric {

inline constexpr std::size_t window_allocations = 16; // of one endpoint

// What a window tells about itself: 48 bytes.
struct window_address {
    static constexpr std::size_t wire_size = 48;
    process owner{};
    std::uint64_t epoch = 0;
    std::int32_t descriptor = -1;
    window_layout shape{};

    void put(byte_writer& out) const {
        out.put(window_control::magic_number), out.put(owner.pid), out.put(owner.start), out.put(epoch);
        out.put(descriptor), out.put(shape.lanes), out.put(shape.ring_bytes), out.put(shape.regions);
        out.put(std::uint64_t{0});
    }
    static result<window_address> get(std::span<const std::byte> bytes) {
        byte_reader in(bytes);
        const auto magic = in.get<std::uint64_t>();
        window_address a;
        a.owner.pid = in.get<std::int32_t>(), a.owner.start = in.get<std::uint32_t>();
        a.epoch = in.get<std::uint64_t>();
        a.descriptor = in.get<std::int32_t>();
        a.shape = {in.get<std::uint32_t>(), in.get<std::uint32_t>(), in.get<std::uint32_t>()};
        in.get<std::uint64_t>();
        if (!in.done() || magic != window_control::magic_number || a.epoch == 0 || !a.shape.sane()) {
            return {errc::invalid_argument, origin::fabric};
        }
        return a;
    }
};

// Wakes the owner of a control block if it sleeps. After a sequentially consistent store of what it shall find.
inline void ring_doorbell(window_control& control) {
    if (control.sleeping.load_seq_cst() == 0) return;
    control.doorbell.fetch_add_seq_cst(1);
    ::syscall(SYS_futex, control.doorbell.address(), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

class window_link {
public:
    window_link() = default;
    window_link(window_link&&) noexcept = default;
    window_link& operator=(window_link&& other) noexcept {
        leave();
        control_ = std::move(other.control_);
        files_ = std::move(other.files_);
        address_ = other.address_, lane_ = other.lane_, out = other.out;
        unseen = other.unseen, unseen_bytes = other.unseen_bytes;
        return *this;
    }
    ~window_link() { leave(); }

    static result<window_link> open(const window_address& a, std::uint64_t my_epoch, process self) {
        if (!a.owner.alive()) return {errc::peer_down, origin::fabric};
        auto block = shared_memory::open(a.owner.pid, a.descriptor, a.shape.bytes());
        if (!block) return block.error();
        window_link link;
        link.control_ = std::move(*block);
        link.address_ = a;
        const window_control& c = link.control();
        if (c.magic != window_control::magic_number || c.epoch != a.epoch || c.closed.load_acquire()) {
            return {errc::peer_down, origin::fabric}; // the number belongs to something else by now
        }
        for (std::uint32_t i = 0; i < a.shape.lanes; ++i) {
            window_lane& lane = a.shape.lane(link.base(), i);
            std::uint64_t nobody = 0;
            if (!lane.owner.compare_exchange_acq_rel(nobody, self.packed())) continue;
            link.lane_ = i;
            link.out = ring_sender(lane.at, a.shape.ring(link.base(), i), a.shape.ring_bytes);
            lane.epoch.store_seq_cst(my_epoch);
            return link;
        }
        return {errc::exhausted, origin::fabric}; // the peer was made for fewer senders
    }

    std::uint64_t epoch() const { return address_.epoch; }
    bool said_goodbye() { return control().closed.load_seq_cst() != 0; }
    bool process_alive() const { return address_.owner.alive(); }
    window_control& control() { return window_layout::control(base()); }
    void wake() { ring_doorbell(control()); }

    // What was appended to `out` and copied before is shown to the peer.
    void show() {
        out.publish();
        unseen_bytes = 0;
        unseen = false;
        wake();
    }

    // Where [offset, offset + size) of the peer's region is mapped here.
    result<std::byte*> resolve(const remote_region& in, std::size_t offset, std::size_t size) {
        const std::size_t i = in.key & 0xffff;
        if (in.key == 0 || i >= address_.shape.regions) return fail(errc::not_found);
        const window_region& entry = window_layout::region(base(), i);
        if (entry.key.load_acquire() != in.key) return fail(errc::not_found);
        // Acquire, against the release of publish(): whoever reads a later entry's number also finds another key below.
        const std::uint64_t at = entry.offset.load_acquire();
        const std::uint64_t whole = entry.size.load_acquire();
        const std::uint64_t file_size = entry.file_size.load_acquire();
        const std::uint64_t file = entry.file.load_acquire();
        const std::uint64_t serial = entry.serial.load_acquire();
        if (entry.key.load_acquire() != in.key) return fail(errc::not_found);
        if (!fits(offset, size, whole)) return fail(errc::out_of_range);
        if (!fits(at, whole, file_size) || file >> 32 >= window_allocations) return fail(errc::corrupt);
        mapped& m = files_[file >> 32];
        if (!m.memory || m.serial != serial || m.memory.size() != file_size) {
            auto opened = shared_memory::open(address_.owner.pid, static_cast<std::int32_t>(file), file_size);
            if (!opened) return opened.error();
            if (entry.key.load_acquire() != in.key) return fail(errc::not_found); // gone meanwhile
            if (!process_alive()) return fail(errc::peer_down); // its number may be another process's by now
            m = {std::move(*opened), serial};
        }
        return m.memory.data() + at + offset;
    }

private:
    struct mapped {
        shared_memory memory;
        std::uint64_t serial = 0;
    };
    static error fail(errc code) { return {code, origin::fabric}; }
    std::byte* base() { return control_.data(); }
    void leave() {
        if (!control_) return;
        if (lane_ != no_lane) address_.shape.lane(base(), lane_).leaving.store_seq_cst(1);
        wake();
    }
    static constexpr std::uint32_t no_lane = ~std::uint32_t{0};

    shared_memory control_;
    std::array<mapped, window_allocations> files_{};
    window_address address_{};
    std::uint32_t lane_ = no_lane;

public:
    ring_sender out;
    bool unseen = false;          // something was appended to `out` and not shown yet
    std::size_t unseen_bytes = 0; // of the writes that go with it
};

} // namespace ashlar::inline v0::fabric
