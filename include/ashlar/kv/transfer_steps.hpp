// SPDX-License-Identifier: Apache-2.0
// The edge itself: what a sender, a receiver or a channel wants becomes fabric operations, as many as the fabric takes.
// errc::again leaves everything as it was, for the next poll. Part of mover; include kv/transfer.hpp.
//
//     while (s.next_move(step)) net.write(...) ? s.posted(step) : stop;
#pragma once

#include <ashlar/kv/transfer.hpp>

namespace ashlar::inline v0::kv {

template <class Fabric, class Layout, prefix_index Index>
std::size_t mover<Fabric, Layout, Index>::advance_sender(std::uint32_t i, instant now) {
    sender& s = senders_[i].value;
    if (s.now() == sender::state::unused) return 0;
    link& l = links_[s.setup().link];
    std::size_t happened = 0;
    move_step step;
    for (int burst = 0; burst < 64 && s.next_move(step); ++burst) {
        if (!step.write) { // offered
            s.posted(step);
            s.completed(step.batch, step.piece, false, true, options_.verify ? checksum(step.source, step.bytes) : 0);
            ++happened;
            continue;
        }
        operation* at = take_operation(i, operation::kind::write, step);
        if (!at) break;
        if constexpr (Fabric::computes_checksum) fetch_ahead(pool_.data + step.next_source); // this core reads it
        const auto posted =
            net_.write(l.peer, {&pool_, static_cast<std::size_t>(step.source), static_cast<std::size_t>(step.bytes)},
                       {senders_[i].remote, static_cast<std::size_t>(step.target)}, step.immediate, at->op);
        if (!posted) give_operation(at);
        if (!posted && posted.error().code == errc::again) break;
        s.posted(step);
        ++happened;
        if (posted) {
            ++counters_.writes, counters_.bytes_sent += step.bytes;
        } else {
            ++counters_.write_failures;
            s.completed(step.batch, step.piece, true, false, options_.verify ? checksum(step.source, step.bytes) : 0);
        }
    }
    for (control c; l.line.room() > 8 && s.next_message(c);) {
        if (!say(l, c)) break;
        s.said(c, now);
        ++happened;
    }
    s.settle();
    if (s.is_over()) {
        const lease_id held = s.setup().lease;
        (void)(lapsed(held) ? cache_.fence(held) : cache_.release(held));
        (void)by_id_[0].erase(s.setup().transfer.value);
        s.retire();
        --live_[0], ++happened;
    }
    return happened;
}

template <class Fabric, class Layout, prefix_index Index>
std::size_t mover<Fabric, Layout, Index>::advance_receiver(std::uint32_t i) {
    receiver& r = receivers_[i].value;
    if (r.now() == receiver::state::unused) return 0;
    std::size_t happened = 0;
    receiver::check k;
    for (int burst = 0; burst < 8 && r.next_check(k); ++burst, ++happened) {
        bool good = true;
        if (options_.verify) {
            const piece* last = nullptr; // summed while the next one is on its way from memory
            std::uint64_t last_at = 0;
            const auto sum_last = [&] {
                good = good && checksum(last_at, last->blocks * layout_.page_bytes()) == last->checksum;
            };
            r.each_place(k, [&](const piece& p, std::uint64_t offset) {
                fetch_ahead(pool_.data + offset);
                if (last) sum_last();
                last = &p, last_at = offset;
            });
            sum_last();
        }
        const std::uint32_t blocks = k.range.count;
        counters_.checksum_failures += r.checked(k.record, good);
        if (good) counters_.blocks_received += blocks, counters_.bytes_received += blocks * layout_.page_bytes();
    }
    if constexpr (fabric::readable<Fabric>) {
        move_step step;
        fabric::remote_region from;
        while (r.next_move(step, from)) {
            operation* at = take_operation(i, operation::kind::read, step);
            if (!at) break;
            const auto posted =
                net_.read(links_[r.link].peer,
                          {&pool_, static_cast<std::size_t>(step.target), static_cast<std::size_t>(step.bytes)},
                          {from, static_cast<std::size_t>(step.source)}, at->op);
            if (!posted) give_operation(at);
            if (!posted && posted.error().code == errc::again) break;
            r.posted(step);
            ++happened;
            if (posted)
                ++counters_.reads;
            else
                ++counters_.read_failures, r.completed(step.batch, false);
        }
    }
    if (r.hopeless()) fail_receiver(i, errc::corrupt);
    if (r.complete()) {
        if (cache_.verify(r.setup().lease) && cache_.release(r.setup().lease)) {
            r.finish();
            tell(transfer_event::kind::received, r.setup().transfer, r.setup().request, true, {}, r.bytes());
        } else {
            fail_receiver(i, errc::expired);
        }
    }
    if (r.quiesced()) {
        (void)cache_.fence(r.setup().lease);
        r.rest();
    }
    if (r.bound()) {
        link& l = links_[r.link];
        for (control c; l.line.room() > 8 && r.next_message(c);) {
            if (!say(l, c)) break;
            r.said(c);
            ++happened;
        }
    }
    if (r.is_over()) {
        (void)by_id_[1].erase(r.setup().transfer.value);
        r.retire();
        --live_[1], ++happened;
    }
    return happened;
}

template <class Fabric, class Layout, prefix_index Index>
std::size_t mover<Fabric, Layout, Index>::flush(link& l, instant now) {
    std::size_t happened = 0;
    std::byte frame[frame_bytes_max];
    if (!net_.state(l.peer).up) return 0;
    while (const std::size_t n = l.line.peek(frame)) {
        operation* at = take_operation(0, operation::kind::message, {});
        if (!at) break;
        if (!net_.send(l.peer, {frame, n}, at->op)) { // full or going down: the frame waits
            give_operation(at);
            break;
        }
        l.line.posted(now);
        ++happened;
    }
    return happened;
}

} // namespace ashlar::inline v0::kv
