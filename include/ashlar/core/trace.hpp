// SPDX-License-Identifier: Apache-2.0
// trace_hash: what happened, in which order, in 64 bits. Two runs of one seed must end with equal hashes; the first
// place where they do not is found by comparing the hash after each event.
//
//     trace_hash trace;   trace.add(now.ns);   trace.add(bytes);   trace.value();
//
// Each word is folded in with the bijective mixer of core/random.hpp, so that order and number matter. Not for secrets.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/random.hpp>

namespace ashlar::inline v0 {

class trace_hash {
public:
    constexpr void add(std::uint64_t word) {
        state_ = mix(std::rotl(state_, 23) ^ word);
        ++count_;
    }
    template <std::signed_integral T>
    constexpr void add(T value) {
        add(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
    }
    // The length counts: {1}, {} and {}, {1} differ.
    void add(std::span<const std::byte> bytes) {
        add(std::uint64_t{bytes.size()});
        std::uint64_t word = 0;
        std::size_t i = 0;
        for (; i + 8 <= bytes.size(); i += 8) std::memcpy(&word, bytes.data() + i, 8), add(word);
        word = 0;
        if (i < bytes.size()) std::memcpy(&word, bytes.data() + i, bytes.size() - i), add(word);
    }

    constexpr std::uint64_t value() const { return state_; }
    constexpr std::uint64_t count() const { return count_; } // words so far
    friend constexpr bool operator==(const trace_hash&, const trace_hash&) = default;

private:
    std::uint64_t state_ = 0x6173686c61720000u; // any fixed start
    std::uint64_t count_ = 0;
};

} // namespace ashlar::inline v0
