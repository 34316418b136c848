// SPDX-License-Identifier: Apache-2.0
// What a mover is told when it is made, and what it tells: who we are, limits and times, how a transfer ended,
// counters. Plain values, for metrics and logs as they are.
//
//     kv::mover_options options{.transfers_max = 64, .writes_max = 256, ..., .verify = true, .pull = false};
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::kv {

struct identity {
    instance_id instance;
    epoch_id epoch;   // random, new with every start of the process, never 0
    key128 fleet_key; // shared by the engines of a fleet
};

struct mover_options {
    std::uint32_t transfers_max; // of each direction; at most 1024
    std::uint32_t writes_max;    // fabric operations in flight
    std::uint32_t peers_max;
    duration lease;        // a transfer whose peer is silent for so long is over
    duration renew_every;  // several times in a lease
    duration resend_after; // an unacknowledged control message
    bool verify;           // CRC32C over every page received; true unless the fabric is trusted more than memory
    bool pull;             // as sender: let the receiver read, instead of writing (needs fabric::readable)
};

struct transfer_event {
    enum class kind : std::uint8_t { sent, received } what = kind::sent;
    transfer_id transfer{};
    request_id request{};
    bool ok = false;
    error fault{};           // why not
    std::uint64_t bytes = 0; // moved by this side
};

struct granted {
    transfer_id transfer{};
    std::span<const std::byte> ticket{}; // in the caller's buffer
};

struct mover_counters {
    std::uint64_t bytes_sent = 0, bytes_received = 0, blocks_sent = 0, blocks_received = 0; // blocks: of one layer
    std::uint64_t writes = 0, reads = 0, write_failures = 0, read_failures = 0;
    std::uint64_t sent = 0, received = 0, failed = 0; // transfers
    std::uint64_t checksum_failures = 0, asked_again = 0;
    std::uint64_t tickets_issued = 0, tickets_refused = 0, epoch_mismatches = 0, stray_immediates = 0;
    std::uint64_t renewals = 0, expired = 0, messages = 0, resent = 0, bad_messages = 0, peers_lost = 0;
};

} // namespace ashlar::inline v0::kv
