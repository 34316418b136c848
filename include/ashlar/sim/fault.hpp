// SPDX-License-Identifier: Apache-2.0
// What a simulated network does to those who use it. Every probability is per operation and drawn from the network's
// seed; a write that is done is in the target's memory, whatever else happens. Killing, stalling and cutting links are
// not here: a scenario does that when it wants to.
//
//     sim::network net({.seed = 7, .endpoints = 4, .operations = 64, .inbound = 64, .how = sim::faults::rough()});
#pragma once

#include <cstdint>

#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::sim {

struct faults {
    duration delay_min{}; // of a landing, one way
    duration delay_max{};
    duration notice{};                       // from a death until its peers are told
    std::uint64_t link_bytes_per_second = 0; // of each direction of each pair; 0: as much as you like
    std::uint32_t pieces_max = 1;            // a write lands in up to so many pieces, in any order
    float reorder = 0;                       // a message may overtake the one before it
    float drop_message = 0;                  // though its op says done
    float duplicate_message = 0;
    float stall = 0; // everything of this operation takes `stall_for` longer
    duration stall_for{};
    float fail_write = 0;    // the op fails; its bytes land all the same, its number does not
    float corrupt_write = 0; // one bit of what lands is wrong

    // A perfect network, in 1 to 3 microseconds.
    static constexpr faults none() { return {.delay_min = {1'000}, .delay_max = {3'000}, .notice = {10'000}}; }
    // A reliable transport on a bad day: late, split, out of order, stalling; nothing lost.
    static constexpr faults slow() {
        return {.delay_min = {1'000},
                .delay_max = {200'000},
                .notice = {1'000'000},
                .pieces_max = 4,
                .reorder = 0.3f,
                .stall = 0.02f,
                .stall_for = {20'000'000}};
    }
    // The same with everything that may go wrong going wrong.
    static constexpr faults rough() {
        faults f = slow();
        f.drop_message = 0.1f;
        f.duplicate_message = 0.1f;
        f.fail_write = 0.01f;
        f.corrupt_write = 0.005f;
        return f;
    }
};

} // namespace ashlar::inline v0::sim
