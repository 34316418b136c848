// SPDX-License-Identifier: Apache-2.0
// receiver: the decode side of one transfer, as a value. It counts what arrived (immediates, never order), is told what
// was written with which checksums, says what to verify or to read, and knows when every page of every layer is there,
// when to give up, and when nobody can touch the pages any more.
//
//     waiting --start--> receiving --all verified--> finished
//        any of them --fail--> stopping --fenced, and all that was written has arrived--> quiet
//
// A checksum that does not match is asked for once again (read, where the fabric can; written otherwise); a second
// mismatch ends the transfer as corrupt. One thread at a time.
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
#include <ashlar/kv/sender.hpp>
#include <ashlar/kv/wire.hpp>

namespace ashlar::inline v0::kv {

struct receiver_setup {
    transfer_id transfer{};
    request_id request{};
    lease_id lease{};
    digest128 tag{};
    std::uint32_t slot = 0; // our handle, and the immediates' upper 20 bits
    std::uint32_t layers = 0;
    std::uint64_t page_bytes = 0;
    block_range blocks{};
    page_strides here{};
    bool verify = true;
    bool can_read = false;
};

class receiver {
public:
    enum class state : std::uint8_t { unused, waiting, receiving, finished, stopping, quiet };
    static constexpr std::uint32_t records_max = 8, bad_max = 256;

    receiver() = default;
    receiver(std::uint32_t layers_max, std::uint32_t runs_max)
        : layers_(layers_max), runs_storage_(runs_max), bad_(bad_max) {}

    // `runs`: the whole sequence's pages.
    result<void> begin(const receiver_setup& setup, std::span<const block_run> runs) {
        runs_ = block_table({runs_storage_.data(), runs_storage_.size()});
        bool fits = setup.layers <= layers_.size();
        for (block_run run : runs) fits = fits && runs_.push(run);
        if (!fits) return {errc::out_of_range, origin::kv};
        setup_ = setup;
        state_ = state::waiting;
        for (std::uint32_t l = 0; l < setup.layers; ++l) layers_[l] = {.announced_end = setup.blocks.first};
        for (record& r : records_) r.what = use::empty;
        bad_.clear();
        verified_ = counted_ = fenced_total_ = 0;
        reads_ = 0;
        link = peer_handle = 0;
        bound_ = go_ = stop_ = done_ = asking_ = fenced_ = hopeless_ = lost_ = false;
        return {};
    }

    // ---- what happens
    void started(std::uint32_t link_of_peer, std::uint32_t handle_of_peer) {
        link = link_of_peer, peer_handle = handle_of_peer;
        bound_ = go_ = true;
        state_ = state::receiving;
    }
    void arrived(std::uint32_t layer) {
        ++counted_;
        if (layer < setup_.layers) ++layers_[layer].counted;
    }
    // taken: false if there is no room for it now (it comes again).
    struct outcome {
        bool taken = true, failed = false;
        errc reason{};
    };
    outcome on(const control& c) {
        switch (c.what) {
        case verb::layer_done:
            return state_ == state::receiving ? on_layer_done(c) : outcome{};
        case verb::fenced:
            fenced_ = true;
            fenced_total_ = c.total;
            return {.failed = live(), .reason = c.reason};
        case verb::renew:
            return {};
        default:
            return {.failed = live(), .reason = errc::corrupt};
        }
    }
    // False when it was over already.
    bool fail(errc reason) {
        if (!live()) return false;
        reason_ = reason;
        stop_ = bound_ && !fenced_;
        fenced_ = fenced_ || !bound_; // nobody was ever allowed in
        state_ = state::stopping;
        go_ = false;
        return true;
    }
    // The peer is dead or disconnected: nothing of it arrives any more.
    void lost() {
        fenced_ = true;
        fenced_total_ = 0;
        lost_ = true;
        mute();
    }

    // ---- verification: the pieces of one record, in order, at their places in our pool
    struct check {
        std::uint32_t record = 0;
        block_range range{};
        std::uint32_t layer = 0;
        std::span<const piece> pieces{};
    };
    bool next_check(check& out) const {
        if (state_ != state::receiving) return false;
        for (std::uint32_t i = 0; i < records_.size(); ++i) {
            const record& r = records_[i];
            if (r.what != use::arriving || r.read < r.c.pieces.size()) continue;
            const layer_progress& l = layers_[r.c.layer];
            if (!r.c.offered && (l.counted < l.announced || r.tried_at == stamp(l) || (!setup_.verify && !complete(l))))
                continue;
            out = {i, {r.c.first_block, r.c.blocks}, r.c.layer, r.c.pieces};
            return true;
        }
        return false;
    }
    // Calls f(piece, byte offset in our pool) for each.
    template <class F>
    void each_place(const check& k, F&& f) const {
        run_cursor at(runs_.runs(), k.range.first);
        for (const piece& p : k.pieces) {
            f(p, at.page() * setup_.here.block + k.layer * setup_.here.layer);
            at.advance(p.blocks);
        }
    }
    // Returns whether the mismatch counts (it may be that not all has arrived yet).
    bool checked(std::uint32_t index, bool good) {
        record& r = records_[index];
        const layer_progress& l = layers_[r.c.layer];
        if (good) {
            verified_ += r.c.blocks;
            r.what = use::empty;
            return false;
        }
        if (r.c.offered || (complete(l) && l.counted >= l.announced)) return give_up(r), true;
        r.tried_at = stamp(l);
        return false;
    }

    // ---- reading what was offered
    bool next_move(move_step& out, fabric::remote_region& from) const {
        if (state_ != state::receiving) return false;
        for (std::uint32_t i = 0; i < records_.size(); ++i) {
            const record& r = records_[i];
            if (r.what != use::arriving || !r.c.offered || r.posted == r.c.pieces.size()) continue;
            run_cursor at(runs_.runs(), r.c.first_block + r.posted_blocks);
            const piece& p = r.c.pieces[r.posted];
            from = r.c.source;
            out = {.source = p.source_offset,
                   .target = at.page() * setup_.here.block + r.c.layer * setup_.here.layer,
                   .bytes = p.blocks * setup_.page_bytes,
                   .write = false,
                   .batch = i,
                   .piece = r.posted};
            return true;
        }
        return false;
    }
    void posted(const move_step& step) {
        record& r = records_[step.batch];
        r.posted_blocks += r.c.pieces[r.posted++].blocks;
        ++reads_;
    }
    void completed(std::uint32_t index, bool ok) {
        --reads_;
        if (state_ != state::receiving) return;
        record& r = records_[index];
        ++r.read;
        r.c.failed = r.c.failed || !ok;
        if (r.c.failed && r.read == r.posted) give_up(r);
    }

    // ---- what is to be said
    bool next_message(control& out) {
        out = {.transfer = setup_.transfer, .to_handle = peer_handle, .from_handle = setup_.slot};
        if (go_) return out.what = verb::go, true;
        if (state_ == state::receiving && !asking_ && !bad_.empty()) {
            const range& r = bad_.front();
            out.what = verb::again;
            out.layer = r.layer, out.first_block = r.blocks.first, out.blocks = r.blocks.count;
            out.offered = setup_.can_read;
            return true;
        }
        if (stop_) return out.what = verb::stop, out.reason = reason_, true;
        if (done_) return out.what = verb::done, true;
        return false;
    }
    void said(const control& c) {
        if (c.what == verb::go) go_ = false;
        if (c.what == verb::stop) stop_ = false;
        if (c.what == verb::done) done_ = false;
        if (c.what == verb::again) {
            asking_ = true;
            asked_ = bad_.pop();
        }
    }

    // ---- what is so
    state now() const { return state_; }
    // Another layer_done would be taken.
    bool has_room() const {
        if (state_ != state::receiving) return true;
        for (const record& r : records_) {
            if (r.what == use::empty) return true;
        }
        return false;
    }
    bool live() const { return state_ == state::waiting || state_ == state::receiving; }
    bool bound() const { return bound_; }
    errc reason() const { return reason_; }
    // A record gave up twice, or too many did.
    bool hopeless() const { return hopeless_; }
    // Every page of every layer is verified, and every write has been seen to arrive.
    bool complete() const {
        if (state_ != state::receiving || verified_ != std::uint64_t{setup_.layers} * setup_.blocks.count) return false;
        for (std::uint32_t i = 0; i < setup_.layers; ++i) {
            if (layers_[i].counted < layers_[i].announced) return false;
        }
        return true;
    }
    void finish() {
        state_ = state::finished;
        done_ = true;
    }
    // After a failure: nothing can touch the pages any more.
    bool quiesced() const { return state_ == state::stopping && fenced_ && counted_ >= fenced_total_ && reads_ == 0; }
    void rest() {
        state_ = state::quiet;
        stop_ = false;
        done_ = bound_ && !lost_; // so that the sender, if it offered pages, knows that nobody reads them
    }
    // Nothing left to do or to say.
    bool is_over() const { return (state_ == state::finished || state_ == state::quiet) && !done_ && !go_; }
    void mute() { go_ = stop_ = done_ = false; }
    std::uint64_t bytes() const { return verified_ * setup_.page_bytes; }
    const receiver_setup& setup() const { return setup_; }
    void retire() { state_ = state::unused; }

    std::uint32_t link = 0, peer_handle = 0; // of whoever presented the ticket

private:
    enum class use : std::uint8_t { empty, arriving };
    struct record { // one layer_done that is not settled
        use what = use::empty;
        control c{};
        std::uint64_t tried_at = 0;
        std::uint32_t posted = 0, posted_blocks = 0, read = 0;
    };
    struct layer_progress {
        std::uint32_t counted = 0, announced = 0; // writes
        std::uint32_t announced_end = 0;          // blocks
    };
    struct range {
        std::uint32_t layer = 0;
        block_range blocks{};
        friend bool operator==(const range&, const range&) = default;
    };

    bool complete(const layer_progress& l) const {
        return l.announced_end == setup_.blocks.first + setup_.blocks.count;
    }
    // Changes whenever another attempt at verifying may turn out differently. Never 0.
    std::uint64_t stamp(const layer_progress& l) const { return (std::uint64_t{l.counted} << 1 | complete(l)) + 1; }

    void give_up(record& r) {
        r.what = use::empty;
        if (r.c.repeat || !bad_.push({r.c.layer, {r.c.first_block, r.c.blocks}})) hopeless_ = true;
    }

    // Pieces lie inside one run each, and several blocks of one piece lie together in our pool.
    bool fits(const control& c) const {
        run_cursor at(runs_.runs(), c.first_block);
        for (const piece& p : c.pieces) {
            if (p.blocks > at.left() || (p.blocks > 1 && setup_.here.block != setup_.page_bytes)) return false;
            at.advance(p.blocks);
        }
        return true;
    }

    outcome on_layer_done(const control& c) {
        const outcome broken{.failed = true, .reason = errc::corrupt};
        if (c.layer >= setup_.layers || (c.offered && !setup_.can_read)) return broken;
        layer_progress& l = layers_[c.layer];
        const range whole{c.layer, {c.first_block, c.blocks}};
        const std::uint64_t end = std::uint64_t{c.first_block} + c.blocks;
        if (c.repeat ? !asking_ || !(whole == asked_)
                     : c.first_block != l.announced_end || end > setup_.blocks.first + setup_.blocks.count) {
            return broken;
        }
        if (!fits(c)) return broken;
        record* place = nullptr;
        for (record& r : records_) {
            if (r.what == use::empty && !place) place = &r;
        }
        if (!place) { // whoever did not match so far is asked for again, to make room
            for (record& r : records_) {
                if (!r.c.offered && r.tried_at) {
                    give_up(r);
                    break;
                }
            }
            return {.taken = false};
        }
        *place = {.what = use::arriving, .c = c};
        if (!c.offered) place->read = static_cast<std::uint32_t>(c.pieces.size());
        l.announced += c.writes;
        if (c.repeat)
            asking_ = false;
        else
            l.announced_end = static_cast<std::uint32_t>(end);
        if (c.failed) give_up(*place);
        return {};
    }

    receiver_setup setup_{};
    state state_ = state::unused;
    errc reason_{};
    fixed_array<layer_progress> layers_;
    fixed_array<block_run> runs_storage_;
    block_table runs_;
    std::array<record, records_max> records_{};
    ring<range> bad_;
    range asked_{};
    std::uint64_t verified_ = 0;                   // blocks of layers
    std::uint64_t counted_ = 0, fenced_total_ = 0; // writes
    std::uint32_t reads_ = 0;                      // in flight
    bool bound_ = false, go_ = false, stop_ = false, done_ = false, asking_ = false, fenced_ = false, hopeless_ = false;
    bool lost_ = false;
};

} // namespace ashlar::inline v0::kv
