// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 with 128 bits of output: a keyed hash for tickets and handshakes. Whoever lacks the 128-bit key can
// neither forge a tag nor aim for a collision.
//
//     digest128 tag = siphash128(key, bytes);
//
// Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012) and its reference vectors.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace ashlar::inline v0 {

struct key128 {
    std::uint64_t lo = 0, hi = 0; // bytes 0..7 and 8..15, little-endian
};

struct digest128 {
    std::uint64_t lo = 0, hi = 0;
    // Takes the same time whatever differs.
    friend constexpr bool operator==(digest128 a, digest128 b) { return ((a.lo ^ b.lo) | (a.hi ^ b.hi)) == 0; }
};

namespace detail {
struct sip_state {
    std::uint64_t v0, v1, v2, v3;

    constexpr void round() {
        v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
        v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
        v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
    }
    constexpr void absorb(std::uint64_t word) {
        v3 ^= word;
        round(), round();
        v0 ^= word;
    }
    constexpr std::uint64_t finish() {
        round(), round(), round(), round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};
} // namespace detail

constexpr digest128 siphash128(key128 key, std::span<const std::byte> bytes) {
    detail::sip_state s{key.lo ^ 0x736f6d6570736575u, key.hi ^ 0x646f72616e646f6du ^ 0xeeu,
                        key.lo ^ 0x6c7967656e657261u, key.hi ^ 0x7465646279746573u};
    std::size_t i = 0;
    auto word = [&](std::size_t count) {
        std::uint64_t w = 0;
        if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
            std::memcpy(&w, bytes.data() + i, count);
            return w;
        }
        for (std::size_t b = 0; b < count; ++b) w |= static_cast<std::uint64_t>(bytes[i + b]) << (8 * b);
        return w;
    };
    for (; i + 8 <= bytes.size(); i += 8) s.absorb(word(8));
    s.absorb(word(bytes.size() - i) | static_cast<std::uint64_t>(bytes.size() & 0xff) << 56);
    s.v2 ^= 0xee;
    const std::uint64_t lo = s.finish();
    s.v1 ^= 0xdd;
    return {lo, s.finish()};
}

} // namespace ashlar::inline v0
