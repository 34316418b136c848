// SPDX-License-Identifier: Apache-2.0
// Seeded random numbers that are the same on every compiler and in every order of asking. `mix` turns (seed, counter)
// into 64 random bits without state, so that adding an entity does not shift another's draws; `random_stream` counts
// for itself.
//
//     random_stream r{.seed = 7};   r.below(6);   r.unit();   float u = unit_float(mix(seed, position));
//
// The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
// Not for secrets.
#pragma once

#include <cstdint>

namespace ashlar::inline v0 {

constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t counter) { return mix(mix(seed) ^ counter); }

// In [0, 1), from the upper 24 bits.
constexpr float unit_float(std::uint64_t bits) { return static_cast<float>(bits >> 40) * 0x1p-24f; }

struct random_stream {
    std::uint64_t seed = 0;
    std::uint64_t count = 0;

    constexpr std::uint64_t next() { return mix(seed, count++); }
    constexpr float unit() { return unit_float(next()); }
    constexpr bool chance(float probability) { return unit() < probability; }
    // In [0, bound); bound > 0. Multiply-shift: the bias is below bound / 2^64.
    constexpr std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
    }
};

} // namespace ashlar::inline v0
