// SPDX-License-Identifier: Apache-2.0
// What two engines say to each other about a transfer: small messages beside the pages. P is the side that computes and
// writes, D the side that decodes.
//
//     P -> D  start       here is the ticket's tag; may I?          D -> P  go          yes: this slot is yours
//             layer_done  these blocks of this layer are written            again       those once more
//             renew       still computing                                   stop        give up, and say when you have
//             fenced      I write no more; so many writes in all            done        verified, or: I read no more
//
// Each names the transfer and the recipient's own handle of it, so that finding it is an index and a comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/siphash.hpp>
#include <ashlar/fabric/memory.hpp>

namespace ashlar::inline v0::kv {

enum class verb : std::uint8_t { start = 1, go, layer_done, renew, fenced, again, stop, done };

inline constexpr std::uint32_t pieces_max = 56; // of one layer_done: all of them offered fill a message
inline constexpr std::size_t message_bytes_max = 960;

// Pages that lie together on both sides: one write, or one read.
struct piece {
    std::uint32_t blocks = 0;
    std::uint32_t checksum = 0;      // CRC32C
    std::uint64_t source_offset = 0; // only when offered
};

struct control {
    verb what{};
    transfer_id transfer{};
    std::uint32_t to_handle = 0, from_handle = 0;
    epoch_id epoch{};                                     // start: the incarnation that issued the ticket
    digest128 tag{};                                      // start
    std::uint32_t layer = 0, first_block = 0, blocks = 0; // layer_done, again
    bool offered = false;                                 // layer_done: nothing was written, read it; again: offer it
    bool failed = false;                                  // layer_done: a write failed
    bool repeat = false;                                  // layer_done: answers `again`
    std::uint32_t writes = 0;                             // layer_done: done for these blocks
    std::uint64_t total = 0;                              // fenced: writes done for the whole transfer
    errc reason{};                                        // fenced, stop
    fabric::remote_region source{};                       // layer_done when offered
    fixed_vector<piece, pieces_max> pieces{};
};

// Bytes written, 0 if the buffer is too small.
inline std::size_t encode(const control& c, std::span<std::byte> buffer) {
    byte_writer out(buffer);
    out.put(static_cast<std::uint8_t>(c.what));
    out.put(c.transfer.value);
    out.put(c.to_handle), out.put(c.from_handle);
    switch (c.what) {
    case verb::start:
        out.put(c.epoch.value), out.put(c.tag.lo), out.put(c.tag.hi);
        break;
    case verb::layer_done:
        out.put(c.layer), out.put(c.first_block), out.put(c.blocks), out.put(c.writes);
        out.put(static_cast<std::uint8_t>(c.offered | c.failed << 1 | c.repeat << 2));
        if (c.offered) fabric::put(out, c.source);
        out.put(static_cast<std::uint8_t>(c.pieces.size()));
        for (const piece& p : c.pieces) {
            out.put(p.blocks), out.put(p.checksum);
            if (c.offered) out.put(p.source_offset);
        }
        break;
    case verb::fenced:
        out.put(static_cast<std::uint16_t>(c.reason)), out.put(c.total);
        break;
    case verb::stop:
        out.put(static_cast<std::uint16_t>(c.reason));
        break;
    case verb::again:
        out.put(c.layer), out.put(c.first_block), out.put(c.blocks), out.put(static_cast<std::uint8_t>(c.offered));
        break;
    case verb::go:
    case verb::renew:
    case verb::done:
        break;
    }
    return out.ok() ? out.size() : 0;
}

inline result<control> decode_control(std::span<const std::byte> bytes) {
    constexpr auto last_reason = static_cast<std::uint16_t>(errc::io);
    byte_reader in(bytes);
    control c;
    const auto what = in.get<std::uint8_t>();
    c.what = static_cast<verb>(what);
    c.transfer = {in.get<std::uint64_t>()};
    c.to_handle = in.get<std::uint32_t>(), c.from_handle = in.get<std::uint32_t>();
    bool good = what >= static_cast<std::uint8_t>(verb::start) && what <= static_cast<std::uint8_t>(verb::done);
    std::uint16_t reason = 0;
    switch (c.what) {
    case verb::start:
        c.epoch = {in.get<std::uint64_t>()};
        c.tag.lo = in.get<std::uint64_t>(), c.tag.hi = in.get<std::uint64_t>();
        break;
    case verb::layer_done: {
        c.layer = in.get<std::uint32_t>(), c.first_block = in.get<std::uint32_t>();
        c.blocks = in.get<std::uint32_t>(), c.writes = in.get<std::uint32_t>();
        const auto flags = in.get<std::uint8_t>();
        c.offered = flags & 1, c.failed = flags & 2, c.repeat = flags & 4;
        if (c.offered) c.source = fabric::get_remote_region(in);
        const auto count = in.get<std::uint8_t>();
        good = good && flags < 8 && count <= pieces_max;
        std::uint64_t blocks = 0;
        for (std::uint32_t i = 0; i < count && good && in.ok(); ++i) {
            piece p;
            p.blocks = in.get<std::uint32_t>(), p.checksum = in.get<std::uint32_t>();
            if (c.offered) p.source_offset = in.get<std::uint64_t>();
            good = p.blocks > 0 && c.pieces.push_back(p);
            blocks += p.blocks;
        }
        good = good && blocks == c.blocks && blocks > 0 && c.writes <= (c.offered ? 0 : count);
        break;
    }
    case verb::fenced:
        reason = in.get<std::uint16_t>(), c.total = in.get<std::uint64_t>();
        break;
    case verb::stop:
        reason = in.get<std::uint16_t>();
        break;
    case verb::again: {
        c.layer = in.get<std::uint32_t>(), c.first_block = in.get<std::uint32_t>(), c.blocks = in.get<std::uint32_t>();
        const auto offered = in.get<std::uint8_t>();
        c.offered = offered == 1;
        good = good && offered <= 1 && c.blocks > 0;
        break;
    }
    case verb::go:
    case verb::renew:
    case verb::done:
        break;
    }
    if (!good || !in.done() || reason > last_reason) return {errc::corrupt, origin::kv};
    c.reason = static_cast<errc>(reason);
    return c;
}

} // namespace ashlar::inline v0::kv
