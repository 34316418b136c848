// SPDX-License-Identifier: Apache-2.0
// Running scenarios: a scenario is a callable from a seed to the hash of everything that happened. Run twice, it must
// give the same hash; if not, something depends on an address, a clock, a hash order or uninitialised memory.
//
//     sim::runs_identically(7, [](std::uint64_t seed) { world w(seed); w.run(); return w.trace(); });
#pragma once

#include <concepts>
#include <cstdint>

#include <ashlar/core/trace.hpp>

namespace ashlar::inline v0::sim {

template <class S>
concept scenario = requires(S s, std::uint64_t seed) {
    { s(seed) } -> std::same_as<trace_hash>;
};

template <scenario S>
bool runs_identically(std::uint64_t seed, S&& run) {
    const trace_hash first = run(seed);
    return first == run(seed);
}

} // namespace ashlar::inline v0::sim
