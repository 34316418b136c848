// SPDX-License-Identifier: Apache-2.0
// Which tokens may come next, as one bit each (token i is bit i % 64 of word i / 64), applied to logits before a token
// is sampled from them: what a grammar forbids, a list bans, or a vocabulary leaves unused.
//
//     std::vector<std::uint64_t> bits(mask_words(vocabulary));
//     allow(bits, end_of_text);
//     if (!apply_mask(logits, bits)) ...                     // nothing is allowed
//     token_id next = sample(logits, how, position, room);   // never a forbidden one
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/ids.hpp>

namespace ashlar::inline v0::kernel {

constexpr std::size_t mask_words(std::size_t vocabulary) { return (vocabulary + 63) / 64; }

constexpr void allow(std::span<std::uint64_t> bits, token_id token) {
    ASHLAR_ASSERT(token >= 0 && static_cast<std::size_t>(token) / 64 < bits.size());
    bits[static_cast<std::size_t>(token) / 64] |= std::uint64_t{1} << static_cast<std::size_t>(token) % 64;
}
constexpr void forbid(std::span<std::uint64_t> bits, token_id token) {
    ASHLAR_ASSERT(token >= 0 && static_cast<std::size_t>(token) / 64 < bits.size());
    bits[static_cast<std::size_t>(token) / 64] &= ~(std::uint64_t{1} << static_cast<std::size_t>(token) % 64);
}
constexpr bool is_allowed(std::span<const std::uint64_t> bits, token_id token) {
    const auto at = static_cast<std::size_t>(token);
    return token >= 0 && at / 64 < bits.size() && (bits[at / 64] >> at % 64 & 1);
}

// Logits of forbidden tokens become minus infinity; a NaN that is allowed becomes the lowest finite number, so that no
// forbidden token can win over it. Returns how many tokens are allowed. `bits` has mask_words(logits.size()) words;
// those behind the vocabulary do not count.
constexpr std::size_t apply_mask(std::span<float> logits, std::span<const std::uint64_t> bits) {
    ASHLAR_ASSERT(bits.size() == mask_words(logits.size()));
    constexpr float never = -std::numeric_limits<float>::infinity();
    std::size_t allowed = 0;
    for (std::size_t w = 0; w < bits.size(); ++w) {
        const std::size_t first = w * 64, count = logits.size() - first < 64 ? logits.size() - first : 64;
        const std::uint64_t word = count < 64 ? bits[w] & ((std::uint64_t{1} << count) - 1) : bits[w];
        allowed += static_cast<std::size_t>(std::popcount(word));
        for (std::size_t i = 0; i < count; ++i) {
            float& logit = logits[first + i];
            if (!(word >> i & 1))
                logit = never;
            else if (logit != logit || logit == never)
                logit = std::numeric_limits<float>::lowest();
        }
    }
    return allowed;
}

} // namespace ashlar::inline v0::kernel
