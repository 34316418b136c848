// SPDX-License-Identifier: Apache-2.0
// What a window shares with its peers: one control block, then a table of its regions, then one lane per sender (who
// sends, and the ring of his immediates and messages). The owner keeps private copies of everything that it acts upon.
//
//     window_layout shape{lanes, ring_bytes, regions};   auto block = shared_memory::create(shape.bytes());
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/core/atomic.hpp>
#include <ashlar/fabric/process.hpp>
#include <ashlar/fabric/shared_ring.hpp>

namespace ashlar::inline v0::fabric {

struct window_control {
    static constexpr std::uint64_t magic_number = 0x31776e7772616c68; // "hlarwnw1"
    std::uint64_t magic;
    std::uint64_t epoch; // random: this incarnation
    std::uint32_t lanes;
    std::uint32_t ring_bytes;
    std::uint32_t regions;
    std::uint32_t reserved;
    alignas(64) atomic_u32 doorbell; // the futex that the owner sleeps on
    atomic_u32 sleeping;
    atomic_u32 closed;
};

struct window_region {
    atomic_u64 key;    // 0: nothing; the low 16 bits are the index. Written last, checked before and after
    atomic_u64 offset; // bytes in the allocation
    atomic_u64 size;   // bytes
    atomic_u64 file_size;
    atomic_u64 file;   // allocation slot << 32 | descriptor
    atomic_u64 serial; // of the allocation; never reused
};

struct window_lane {
    alignas(64) atomic_u64 owner; // process::packed() of the sender; 0: free
    atomic_u64 epoch;             // the sender's; 0: not ready
    atomic_u32 leaving;           // the sender is done with it
    ring_positions at;
};

struct window_layout {
    std::uint32_t lanes = 0, ring_bytes = 0, regions = 0;

    constexpr bool sane() const {
        return lanes > 0 && lanes <= 4096 && regions > 0 && regions <= 65536 && ring_bytes >= 8192 &&
               ring_bytes <= (1u << 24) && (ring_bytes & (ring_bytes - 1)) == 0;
    }
    constexpr std::size_t lanes_at() const {
        return (sizeof(window_control) + regions * sizeof(window_region) + 63) / 64 * 64;
    }
    constexpr std::size_t lane_bytes() const { return sizeof(window_lane) + ring_bytes; }
    constexpr std::size_t bytes() const { return lanes_at() + lanes * lane_bytes(); }

    static window_control& control(std::byte* base) { return *reinterpret_cast<window_control*>(base); }
    static window_region& region(std::byte* base, std::size_t i) {
        return reinterpret_cast<window_region*>(base + sizeof(window_control))[i];
    }
    window_lane& lane(std::byte* base, std::size_t i) const {
        return *reinterpret_cast<window_lane*>(base + lanes_at() + i * lane_bytes());
    }
    std::byte* ring(std::byte* base, std::size_t i) const {
        return base + lanes_at() + i * lane_bytes() + sizeof(window_lane);
    }
};
static_assert(sizeof(window_control) % 64 == 0 && sizeof(window_lane) % 64 == 0);

} // namespace ashlar::inline v0::fabric
