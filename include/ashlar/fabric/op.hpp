// SPDX-License-Identifier: Apache-2.0
// An operation is a struct that the caller owns and a driver fills in; a completion is what `poll` says about it, or
// about something that a peer did. Nothing calls back. An op must stay where it is from a successful post until its one
// completion; then it may be posted again at once.
//
//     op o;   net.write(peer, from, to, o);   completion done[32];
//     for (std::size_t n = net.poll(done), i = 0; i < n; ++i) if (done[i].operation == &o) ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::fabric {

// A peer as one endpoint numbers it: small, reused after disconnect. (id, generation) is never reused.
struct peer_id {
    std::uint32_t value = std::numeric_limits<std::uint32_t>::max();
    // Whoever it was: it is not connected here, or the driver cannot tell.
    static constexpr peer_id none() { return {}; }
    friend constexpr bool operator==(peer_id, peer_id) = default;
};

struct peer_state {
    bool up = false;
    std::uint32_t generation = 0; // how often this peer_id has been connected; 0: never
    friend constexpr bool operator==(peer_state, peer_state) = default;
};

enum class op_status : std::uint8_t {
    idle,
    pending, // posted; the driver points at it
    done,    // write: the source may be reused (not: the target has seen it; that is what immediates are for)
    failed,  // see fault
};

struct op {
    void* provider[8] = {}; // the driver's scratch; as large as libfabric's FI_CONTEXT2 asks
    op_status status = op_status::idle;
    error fault{};
    std::uint32_t checksum = 0; // CRC32C of a write's source, if the driver computes_checksum; set when write returns
};

struct completion {
    enum class kind : std::uint8_t {
        operation, // `operation` is done or failed (then `fault` says why)
        immediate, // a peer's write is complete in our memory, and this number came with it
        message,   // `message` holds what a peer sent
        peer_down, // once a connection; `fault` says why
    };
    kind what = kind::operation;
    op* operation = nullptr;
    peer_id peer{}; // of an immediate or a message: none() if that peer is not connected here or cannot be told
    std::uint32_t immediate = 0;
    std::span<const std::byte> message{}; // valid until the next poll of the same endpoint
    error fault{};
};

} // namespace ashlar::inline v0::fabric
