// SPDX-License-Identifier: Apache-2.0
// ticket: the right to write into one request's pages, once. The decode side issues it, routers carry it as opaque
// bytes, the prefill side presents it. It names the issuer's incarnation, the transfer, the layout, the pages with
// their generations, how much of the prompt is there already and how long it holds (a duration: clocks are not shared),
// under a MAC with the fleet's key. Nothing in it is believed before the MAC is.
//
//     auto bytes = encode(t, key, buffer);            auto back = decode_ticket(*bytes, key);
//     if (auto ok = verify(*back, expected); !ok) ... // each reason is its own error
//
// Wire (little-endian): magic u32, instance u32, epoch u64, transfer u64, slot u32, layout 16 bytes, region 24 bytes,
// layer stride u64, block stride u64, tokens u32, cached tokens u32, deadline ns u64, then LEB128: number of runs, and
// a run as zigzag(first - end of the run before), count, zigzag(generation - the generation before); SipHash-2-4-128.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/fabric/memory.hpp>
#include <ashlar/kv/layout.hpp>
#include <ashlar/kv/lease.hpp>

namespace ashlar::inline v0::kv {

inline constexpr std::uint32_t ticket_runs_max = 1024;
inline constexpr std::uint32_t ticket_magic = 0x31544b41; // "AKT1"
inline constexpr std::size_t ticket_header_bytes = 100;
inline constexpr std::size_t ticket_bytes_max = ticket_header_bytes + 5 + 15 * ticket_runs_max + sizeof(digest128);

struct ticket {
    instance_id instance{};
    epoch_id epoch{};
    transfer_id transfer{};
    std::uint32_t slot = 0; // travels in each write's immediate: 20 bits
    digest128 layout{};
    fabric::remote_region pool{};
    page_strides strides{};                            // of the issuer's pool
    std::uint32_t tokens = 0;                          // of the prompt
    std::uint32_t cached_tokens = 0;                   // a whole number of blocks that the issuer has already
    duration deadline{};                               // from the moment of issue
    fixed_vector<granted_run, ticket_runs_max> runs{}; // of the blocks behind the cached ones
};

// The tag that authenticates an encoded ticket; presenting it proves possession.
inline digest128 ticket_tag(std::span<const std::byte> encoded) {
    digest128 tag;
    ASHLAR_ASSERT(encoded.size() >= sizeof tag);
    std::memcpy(&tag, encoded.data() + encoded.size() - sizeof tag, sizeof tag);
    return tag;
}

namespace detail {
inline void put_varint(byte_writer& out, std::uint32_t v) {
    for (; v >= 0x80; v >>= 7) out.put(static_cast<std::uint8_t>(v | 0x80));
    out.put(static_cast<std::uint8_t>(v));
}
// `good` turns false when it does not fit in 32 bits.
inline std::uint32_t get_varint(byte_reader& in, bool& good) {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        const auto b = in.get<std::uint8_t>();
        v |= std::uint64_t{b & 0x7fu} << shift;
        if (!(b & 0x80)) {
            good = good && in.ok() && v <= UINT32_MAX;
            return static_cast<std::uint32_t>(v);
        }
    }
    good = false;
    return 0;
}
// Differences modulo 2^32, small ones of either sign in few bytes.
constexpr std::uint32_t zigzag(std::uint32_t difference) {
    return (difference << 1) ^ (difference & 0x80000000u ? 0xffffffffu : 0u);
}
constexpr std::uint32_t unzigzag(std::uint32_t v) { return (v >> 1) ^ (v & 1 ? 0xffffffffu : 0u); }
} // namespace detail

// Into the caller's buffer. exhausted: it is too small.
inline result<std::span<const std::byte>> encode(const ticket& t, key128 key, std::span<std::byte> buffer) {
    byte_writer out(buffer);
    out.put(ticket_magic);
    out.put(t.instance.value);
    out.put(t.epoch.value);
    out.put(t.transfer.value);
    out.put(t.slot);
    out.put(t.layout.lo), out.put(t.layout.hi);
    fabric::put(out, t.pool);
    out.put(t.strides.layer), out.put(t.strides.block);
    out.put(t.tokens);
    out.put(t.cached_tokens);
    out.put(t.deadline.ns);
    detail::put_varint(out, static_cast<std::uint32_t>(t.runs.size()));
    std::uint32_t end = 0, generation = 0;
    for (const granted_run& run : t.runs) {
        detail::put_varint(out, detail::zigzag(run.first - end));
        detail::put_varint(out, run.count);
        detail::put_varint(out, detail::zigzag(run.generation - generation));
        end = run.first + run.count;
        generation = run.generation;
    }
    if (!out.ok()) return {errc::exhausted, origin::kv};
    const digest128 tag = siphash128(key, out.written());
    out.put(tag.lo), out.put(tag.hi);
    if (!out.ok()) return {errc::exhausted, origin::kv};
    return out.written();
}

// corrupt: no ticket at all, or one whose parts do not hold together. forged: not made with this key, or changed since.
inline result<ticket> decode_ticket(std::span<const std::byte> bytes, key128 key) {
    byte_reader in(bytes);
    if (bytes.size() < ticket_header_bytes + 1 + sizeof(digest128) || bytes.size() > ticket_bytes_max ||
        in.get<std::uint32_t>() != ticket_magic) {
        return {errc::corrupt, origin::kv};
    }
    if (!(siphash128(key, bytes.first(bytes.size() - sizeof(digest128))) == ticket_tag(bytes))) {
        return {errc::forged, origin::kv};
    }
    ticket t;
    t.instance = {in.get<std::uint32_t>()};
    t.epoch = {in.get<std::uint64_t>()};
    t.transfer = {in.get<std::uint64_t>()};
    t.slot = in.get<std::uint32_t>();
    t.layout.lo = in.get<std::uint64_t>(), t.layout.hi = in.get<std::uint64_t>();
    t.pool = fabric::get_remote_region(in);
    t.strides.layer = in.get<std::uint64_t>(), t.strides.block = in.get<std::uint64_t>();
    t.tokens = in.get<std::uint32_t>();
    t.cached_tokens = in.get<std::uint32_t>();
    t.deadline = {in.get<std::int64_t>()};
    bool good = true;
    const std::uint32_t count = detail::get_varint(in, good);
    if (!good || count > ticket_runs_max) return {errc::corrupt, origin::kv};
    std::uint32_t end = 0, generation = 0;
    for (std::uint32_t i = 0; i < count && good; ++i) {
        granted_run run;
        run.first = end + detail::unzigzag(detail::get_varint(in, good));
        run.count = detail::get_varint(in, good);
        run.generation = generation + detail::unzigzag(detail::get_varint(in, good));
        good = good && run.count > 0 && run.first <= UINT32_MAX - run.count && t.runs.push_back(run);
        end = run.first + run.count;
        generation = run.generation;
    }
    if (!good || in.left() != sizeof(digest128) || t.slot >> 20) return {errc::corrupt, origin::kv};
    return t;
}

// What the prefill side knows, and the ticket must fit.
struct ticket_expectation {
    digest128 layout{};
    std::uint64_t page_bytes = 0;
    std::uint32_t layers = 0;
    std::uint32_t tokens_per_block = 0;
    std::uint32_t blocks = 0; // that the sequence has here
    duration held{};          // since the ticket arrived
};

// invalid_argument: another layout, or a length that is not this prompt's. expired. out_of_range: pages outside the
// pool.
inline result<void> verify(const ticket& t, const ticket_expectation& e) {
    if (!(t.layout == e.layout)) return {errc::invalid_argument, origin::kv};
    if (t.deadline <= e.held) return {errc::expired, origin::kv};
    if (t.tokens == 0 || t.cached_tokens >= t.tokens || t.cached_tokens % e.tokens_per_block != 0 ||
        blocks_for(t.tokens, e.tokens_per_block) > e.blocks) {
        return {errc::invalid_argument, origin::kv};
    }
    std::uint64_t blocks = t.cached_tokens / e.tokens_per_block;
    for (const granted_run& run : t.runs) {
        blocks += run.count;
        // The last byte of the last layer of the run's last page, without overflow.
        unsigned __int128 end =
            static_cast<unsigned __int128>(t.strides.block) * (std::uint64_t{run.first} + run.count - 1);
        end += static_cast<unsigned __int128>(t.strides.layer) * (e.layers - 1) + e.page_bytes;
        if (end > t.pool.size) return {errc::out_of_range, origin::kv};
    }
    if (blocks != blocks_for(t.tokens, e.tokens_per_block)) return {errc::invalid_argument, origin::kv};
    return {};
}

} // namespace ashlar::inline v0::kv
