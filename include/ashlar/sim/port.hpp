// SPDX-License-Identifier: Apache-2.0
// What the simulated network keeps: a port for each endpoint, a flight for each operation on its way. Payloads are
// copied when they are posted, so that a write may land after its sender has died, as on a real wire.
//
//     network: std::span<port> ports, fixed_array<flight> flights   (used by sim/network.hpp)
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/fabric/op.hpp>
#include <ashlar/fabric/peer_table.hpp>

namespace ashlar::inline v0::sim {

inline constexpr std::uint32_t no_flight = UINT32_MAX;

struct flight {
    enum class kind : std::uint8_t { write, read, message } what = kind::write;
    bool used = false;
    bool has_immediate = false;
    std::uint32_t from = 0, to = 0;  // ports
    fabric::peer_id peer{};          // as the sender calls the target
    fabric::op* operation = nullptr; // null: nobody waits for it any more
    error fault{};                   // of the op, once `failed`
    bool failed = false;
    bool fenced = false; // must not touch memory any more
    std::uint32_t immediate = 0;
    std::uint32_t pieces = 0, pieces_left = 0;
    std::uint32_t references = 0; // things to come, and the target's inbound queue
    duration extra{};             // of a stall
    std::uint64_t local_key = 0, remote_key = 0;
    std::size_t local_offset = 0, remote_offset = 0, size = 0;
    fixed_array<std::byte> bytes{}; // grows, is kept for the next flight in this slot

    std::size_t piece_begin(std::uint32_t i) const { return size * i / pieces; }
};

struct port {
    struct link {
        std::uint32_t to = 0;
        instant last_message{}; // messages keep their order unless they are told not to
    };
    struct arrival {
        fabric::completion::kind what{};
        std::uint32_t from = 0;
        std::uint32_t immediate = 0;
        std::uint32_t flight = no_flight; // holds a message's bytes
    };
    struct entry {
        fabric::memory bytes{};
        std::uint64_t key = 0; // 0: free; the low 16 bits are the index
    };
    struct finished_op {
        fabric::op* operation = nullptr;
        bool failed = false;
        error fault{};
    };

    bool open = false;
    instant stalled_until{};
    fabric::peer_table<link> peers{};
    fixed_array<entry> regions{};
    ring<finished_op> finished{};
    ring<arrival> inbound{};
    ring<std::uint32_t> held{};      // messages of the last poll
    std::uint32_t posted = 0;        // ops not polled yet
    std::uint32_t inbound_taken = 0; // in `inbound`, or on its way there
    std::byte address[16]{};

    const fabric::memory* find_memory(std::uint64_t key) const {
        const std::size_t i = key & 0xffff;
        return key && i < regions.size() && regions[i].key == key ? &regions[i].bytes : nullptr;
    }
};

} // namespace ashlar::inline v0::sim
