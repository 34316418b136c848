// SPDX-License-Identifier: Apache-2.0
// sender: the prefill side of one transfer, as a value. It is told which layers of which blocks are computed, what
// became of writes, what the receiver says and what time it is; it is asked for the next write and the next message. No
// write leaves before the receiver has said `go`, none after the transfer has failed, and `fenced` is said when the
// last one that did leave is over.
//
//     starting --go--> sending --done--> over
//         any of them --fail--> draining --nothing in flight, fenced said--> over (if pages were offered: once `done`
//         comes)
//
// One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/kv/block_table.hpp>
#include <ashlar/kv/lease.hpp>
#include <ashlar/kv/plan.hpp>
#include <ashlar/kv/wire.hpp>

namespace ashlar::inline v0::kv {

// One contiguous move. `piece` and `batch` go back into `completed`.
struct move_step {
    std::uint64_t source = 0, target = 0, bytes = 0;
    std::uint32_t immediate = 0;
    std::uint64_t next_source = 0; // of the move that will follow, if it is known
    bool write = true;             // false: only the checksum of the source is wanted
    std::uint32_t batch = 0, piece = 0;
};

struct sender_setup {
    transfer_id transfer{};
    request_id request{};
    lease_id lease{};
    epoch_id issuer{};
    digest128 tag{};
    std::uint32_t handle = 0; // ours
    std::uint32_t slot = 0;   // theirs: 20 bits
    std::uint32_t link = 0;   // which peer, as the driver counts them
    std::uint32_t layers = 0;
    std::uint64_t page_bytes = 0;
    block_range blocks{}; // of the sequence: those that the receiver lacks
    page_strides here{}, there{};
    fabric::remote_region source{};
    bool offer = false;
    duration renew_every{};
};

class sender {
public:
    enum class state : std::uint8_t { unused, starting, sending, draining, over };

    sender() = default;
    sender(std::uint32_t layers_max, std::uint32_t runs_max)
        : ready_(layers_max), opened_(layers_max), here_runs_(runs_max), there_runs_(runs_max) {}

    // out_of_range: more runs than the sender holds.
    result<void> begin(const sender_setup& setup, std::span<const block_run> here, std::span<const granted_run> there,
                       instant now) {
        here_ = block_table({here_runs_.data(), here_runs_.size()});
        there_ = block_table({there_runs_.data(), there_runs_.size()});
        bool fits = setup.layers <= ready_.size();
        for (block_run run : here) fits = fits && here_.push(run);
        for (const granted_run& run : there) fits = fits && there_.push({run.first, run.count});
        if (!fits) return {errc::out_of_range, origin::kv};
        setup_ = setup;
        state_ = state::starting;
        for (std::uint32_t l = 0; l < setup.layers; ++l) ready_[l] = opened_[l] = setup.blocks.first;
        first_batch_ = next_batch_ = 0;
        lowest_ = in_flight_ = 0;
        writes_done_ = bytes_ = blocks_said_ = 0;
        last_said_ = now;
        started_ = renew_ = asked_ = offered_ = fence_said_ = released_ = false;
        return {};
    }

    // ---- what happens
    // Ranges of a layer come in order; a range may overlap what was said before. out_of_range: a gap, or beyond the
    // end.
    result<void> layer_ready(layer_id layer, block_range range) {
        if (state_ != state::starting && state_ != state::sending) return {errc::not_found, origin::kv};
        const std::uint64_t end = std::uint64_t{range.first} + range.count;
        if (layer.value >= setup_.layers || end > here_.blocks()) return {errc::out_of_range, origin::kv};
        const std::uint64_t stop = end < end_block() ? end : end_block();
        if (range.count == 0 || stop <= ready_[layer.value]) return {};
        if (range.first > ready_[layer.value]) return {errc::out_of_range, origin::kv};
        ready_[layer.value] = static_cast<std::uint32_t>(stop);
        if (layer.value < lowest_) lowest_ = layer.value;
        return {};
    }
    void completed(std::uint32_t batch_index, std::uint32_t piece_index, bool write, bool ok, std::uint32_t checksum) {
        batch& b = batches_[batch_index % batches_.size()];
        if (write) {
            --in_flight_;
            writes_done_ += ok;
        }
        if (state_ != state::sending) return;
        ++b.completed;
        b.writes += write && ok;
        b.failed = b.failed || !ok;
        b.pieces[piece_index].checksum = checksum;
        if (ok) bytes_ += b.pieces[piece_index].blocks * setup_.page_bytes;
    }
    // A message of the receiver. Returns what it ends: nothing (no error), or the reason; `finished` says if all is
    // well.
    struct outcome {
        bool finished = false, failed = false;
        errc reason{};
    };
    outcome on(const control& c) {
        switch (c.what) {
        case verb::go:
            if (state_ == state::starting) state_ = state::sending;
            return {};
        case verb::again:
            if (state_ != state::sending) return {};
            if (asked_ || c.layer >= setup_.layers || c.first_block < setup_.blocks.first || c.blocks == 0 ||
                std::uint64_t{c.first_block} + c.blocks > opened_[c.layer]) {
                return {.failed = true, .reason = errc::corrupt};
            }
            asked_ = true;
            asked_layer_ = c.layer;
            asked_range_ = {c.first_block, c.blocks};
            asked_offer_ = c.offered;
            return {};
        case verb::stop:
            return {.failed = true, .reason = c.reason};
        case verb::done:
            released_ = true;
            if (state_ == state::sending && all_said() && !asked_ && first_batch_ == next_batch_) {
                state_ = state::over;
                return {.finished = true};
            }
            return {.failed = state_ == state::starting || state_ == state::sending, .reason = errc::corrupt};
        default:
            return {.failed = true, .reason = errc::corrupt};
        }
    }
    // False when it was over already: then this ending is not the one that counts.
    bool fail(errc reason) {
        if (state_ != state::starting && state_ != state::sending) return false;
        state_ = state::draining;
        reason_ = reason;
        return true;
    }
    // The peer is dead or disconnected: nothing need be said, nobody reads.
    void lost() { fence_said_ = released_ = true; }
    void tick(instant now) {
        if (state_ == state::starting || state_ == state::sending)
            renew_ = renew_ || now - last_said_ >= setup_.renew_every;
        settle();
    }

    // ---- what is wanted
    bool next_move(move_step& out) {
        if (state_ != state::sending) return false;
        for (std::uint32_t i = first_batch_; i != next_batch_; ++i) {
            if (step_of(i, out)) return true;
        }
        return next_batch_ - first_batch_ < batches_.size() && open_batch() && step_of(next_batch_ - 1, out);
    }
    void posted(const move_step& step) {
        ++batches_[step.batch % batches_.size()].posted;
        in_flight_ += step.write;
    }
    bool next_message(control& out) {
        out = {.transfer = setup_.transfer, .to_handle = setup_.slot, .from_handle = setup_.handle};
        // Also when it is over before it began: the receiver then need not wait for its lease to end.
        if ((state_ == state::starting || state_ == state::draining) && !started_ && !fence_said_) {
            out.what = verb::start;
            out.epoch = setup_.issuer;
            out.tag = setup_.tag;
            return true;
        }
        if (state_ == state::sending && first_batch_ != next_batch_) {
            const batch& b = batches_[first_batch_ % batches_.size()];
            if (b.completed == b.pieces.size()) {
                out.what = verb::layer_done;
                out.layer = b.layer, out.first_block = b.range.first, out.blocks = b.range.count;
                out.writes = b.writes, out.offered = b.offered, out.failed = b.failed, out.repeat = b.repeat;
                out.source = setup_.source;
                out.pieces = b.pieces;
                return true;
            }
        }
        if ((state_ == state::starting || state_ == state::sending) && renew_ && started_)
            return out.what = verb::renew, true;
        if (state_ == state::draining && in_flight_ == 0 && !fence_said_) {
            out.what = verb::fenced;
            out.reason = reason_;
            out.total = writes_done_;
            return true;
        }
        return false;
    }
    void said(const control& c, instant now) {
        last_said_ = now;
        renew_ = false;
        if (c.what == verb::start) started_ = true;
        if (c.what == verb::fenced) fence_said_ = true;
        if (c.what == verb::layer_done) {
            if (!c.repeat) blocks_said_ += c.blocks;
            offered_ = offered_ || c.offered;
            ++first_batch_;
        }
        settle();
    }

    // ---- what is so
    state now() const { return state_; }
    bool live() const { return state_ == state::starting || state_ == state::sending; }
    bool is_over() const { return state_ == state::over; }
    // A peer may be reading our pages.
    bool offered() const { return offered_ && !released_; }
    const sender_setup& setup() const { return setup_; }
    std::uint32_t in_flight() const { return in_flight_; }
    std::uint64_t bytes() const { return bytes_; }
    bool all_said() const { return blocks_said_ == std::uint64_t{setup_.layers} * setup_.blocks.count; }
    errc reason() const { return reason_; }
    void retire() { state_ = state::unused; }
    void settle() {
        if (state_ == state::draining && in_flight_ == 0 && fence_said_ && (!offered_ || released_))
            state_ = state::over;
    }

private:
    struct batch {
        std::uint32_t layer = 0;
        block_range range{};
        bool offered = false, failed = false, repeat = false;
        std::uint32_t posted = 0, completed = 0, writes = 0;
        fixed_vector<piece, pieces_max> pieces{};
        std::array<std::uint64_t, pieces_max> targets{};
    };

    // The receiver verifies a batch while the next one is written: small enough that little is left at the end.
    static constexpr std::uint64_t batch_bytes = 1 << 20;

    std::uint32_t end_block() const { return setup_.blocks.first + setup_.blocks.count; }

    bool step_of(std::uint32_t index, move_step& out) const {
        const batch& b = batches_[index % batches_.size()];
        if (b.posted == b.pieces.size()) return false;
        const piece& p = b.pieces[b.posted];
        out = {.source = p.source_offset,
               .target = b.targets[b.posted],
               .bytes = p.blocks * setup_.page_bytes,
               .immediate = setup_.slot << 12 | b.layer,
               .next_source = b.posted + 1 < b.pieces.size() ? b.pieces[b.posted + 1].source_offset : p.source_offset,
               .write = !b.offered,
               .batch = index,
               .piece = b.posted};
        return true;
    }

    // Takes the lowest layer that has something; what was asked for again goes first.
    bool open_batch() {
        batch& b = batches_[next_batch_ % batches_.size()];
        if (asked_) {
            fill(b, asked_layer_, asked_range_);
            b.offered = asked_offer_;
            b.repeat = true;
            asked_ = false;
            ASHLAR_ASSERT(b.range.count > 0);
            if (b.range != asked_range_) b.failed = true; // it cannot be answered in one piece: the receiver decides
            ++next_batch_;
            return true;
        }
        while (lowest_ < setup_.layers && opened_[lowest_] == ready_[lowest_]) ++lowest_;
        if (lowest_ == setup_.layers) return false;
        const std::uint32_t first = opened_[lowest_];
        fill(b, lowest_, {first, ready_[lowest_] - first});
        b.offered = setup_.offer;
        opened_[lowest_] = first + b.range.count;
        ++next_batch_;
        return true;
    }

    void fill(batch& b, std::uint32_t layer, block_range range) {
        b.layer = layer;
        b.offered = b.failed = b.repeat = false;
        b.posted = b.completed = b.writes = 0;
        b.pieces.clear();
        std::uint32_t covered = 0;
        plan({setup_.here, here_.runs(), 0}, {setup_.there, there_.runs(), setup_.blocks.first}, setup_.page_bytes,
             {layer, 1}, range, [&](const strided& d) {
                 const auto blocks = static_cast<std::uint32_t>(d.bytes / setup_.page_bytes);
                 for (std::uint64_t i = 0; i < d.count; ++i) {
                     if (!b.pieces.push_back({blocks, 0, d.source + i * d.source_stride})) return false;
                     b.targets[b.pieces.size() - 1] = d.target + i * d.target_stride;
                     covered += blocks;
                     if (covered * setup_.page_bytes >= batch_bytes) return false;
                 }
                 return true;
             });
        b.range = {range.first, covered};
    }

    sender_setup setup_{};
    state state_ = state::unused;
    errc reason_{};
    fixed_array<std::uint32_t> ready_, opened_; // by layer: blocks up to here are computed; are in a batch
    fixed_array<block_run> here_runs_, there_runs_;
    block_table here_, there_;
    std::array<batch, 4> batches_{};
    std::uint32_t first_batch_ = 0, next_batch_ = 0;
    std::uint32_t lowest_ = 0; // no layer below has anything
    std::uint32_t in_flight_ = 0;
    std::uint64_t writes_done_ = 0, bytes_ = 0, blocks_said_ = 0;
    instant last_said_{};
    bool started_ = false, renew_ = false, offered_ = false, fence_said_ = false, released_ = false;
    bool asked_ = false, asked_offer_ = false;
    std::uint32_t asked_layer_ = 0;
    block_range asked_range_{};
};

} // namespace ashlar::inline v0::kv
