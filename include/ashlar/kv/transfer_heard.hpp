// SPDX-License-Identifier: Apache-2.0
// What the mover hears: completions of its own operations, immediates that count arrivals, and frames of peers, which
// are believed only as far as they fit what is known of their transfer. Part of mover; include kv/transfer.hpp.
//
//     for (const fabric::completion& c : polled) handle(c, now);
#pragma once

#include <ashlar/kv/transfer.hpp>

namespace ashlar::inline v0::kv {

template <class Fabric, class Layout, prefix_index Index>
void mover<Fabric, Layout, Index>::handle(const fabric::completion& c, instant now) {
    using kind = fabric::completion::kind;
    switch (c.what) {
    case kind::operation:
        return operation_done(c);
    case kind::immediate: {
        const std::uint32_t slot = c.immediate >> 12, index = slot & 1023;
        receiver* r = index < receivers_.size() ? &receivers_[index].value : nullptr;
        if (r && r->now() != receiver::state::unused && r->setup().slot == slot)
            r->arrived(c.immediate & 4095);
        else
            ++counters_.stray_immediates;
        return;
    }
    case kind::message:
        if (link* l = find_link(c.peer)) {
            ++counters_.messages;
            hear(*l, c.message, now);
            if (!net_.state(l->peer).up) l->line.reset(new_life()); // nobody would hear an answer
        }
        return;
    case kind::peer_down:
        if (const std::uint32_t* i = link_of_peer_.find(c.peer.value)) lose(links_[*i], fabric::final_in_death<Fabric>);
    }
}

template <class Fabric, class Layout, prefix_index Index>
void mover<Fabric, Layout, Index>::hear(link& l, std::span<const std::byte> frame, instant now) {
    std::span<const std::byte> message;
    switch (l.line.receive(frame, message)) {
    case channel::heard::restarted:
        ++counters_.epoch_mismatches;
        return lose(l, fabric::final_in_death<Fabric>);
    case channel::heard::stranger:
        ++counters_.epoch_mismatches;
        return;
    case channel::heard::garbage:
        ++counters_.bad_messages;
        return;
    case channel::heard::nothing:
        return renew_link(l, now);
    case channel::heard::message:
        renew_link(l, now);
        const auto said = decode_control(message);
        if (!said) ++counters_.bad_messages;
        if (!said || understand(*said, l, now)) l.line.accept();
    }
}

// The receiver is alive: what we lend it stays lent.
template <class Fabric, class Layout, prefix_index Index>
void mover<Fabric, Layout, Index>::renew_link(const link& l, instant now) {
    for (auto& s : senders_) {
        if (s.value.live() && s.value.setup().link == index_of(l))
            (void)cache_.renew(s.value.setup().lease, now + options_.lease);
    }
}

template <class Fabric, class Layout, prefix_index Index>
void mover<Fabric, Layout, Index>::operation_done(const fabric::completion& c) {
    auto* at = reinterpret_cast<operation*>(c.operation);
    if (at < operations_.begin() || at >= operations_.end()) return;
    const bool ok = at->op.status == fabric::op_status::done;
    const auto owner = at->owner;
    if (at->what == operation::kind::write) {
        std::uint32_t sum = 0;
        if (Fabric::computes_checksum && ok)
            sum = at->op.checksum;
        else if (options_.verify)
            sum = checksum(at->step.source, at->step.bytes);
        counters_.write_failures += !ok;
        senders_[owner].value.completed(at->step.batch, at->step.piece, true, ok, sum);
        senders_[owner].value.settle();
    } else if (at->what == operation::kind::read) {
        counters_.read_failures += !ok;
        receivers_[owner].value.completed(at->step.batch, ok);
    }
    ASHLAR_ASSERT(unused_operations_.push(static_cast<std::uint32_t>(at - operations_.begin())));
}

template <class Fabric, class Layout, prefix_index Index>
bool mover<Fabric, Layout, Index>::understand(const control& c, link& l, instant now) {
    if (c.what == verb::start) return start(c, l, now);
    const std::uint32_t index = c.to_handle & 1023;
    if (c.what == verb::go || c.what == verb::again || c.what == verb::stop || c.what == verb::done) {
        if (index >= senders_.size()) return true;
        sender& s = senders_[index].value;
        if (s.now() == sender::state::unused || s.setup().transfer != c.transfer || s.setup().handle != c.to_handle ||
            s.setup().link != index_of(l)) {
            return true; // of a transfer that is over
        }
        counters_.asked_again += c.what == verb::again;
        const auto o = s.on(c);
        if (o.finished) {
            tell(transfer_event::kind::sent, c.transfer, s.setup().request, true, {}, s.bytes());
            counters_.blocks_sent += std::uint64_t{s.setup().layers} * s.setup().blocks.count;
        }
        if (o.failed) fail_sender(index, o.reason);
        return true;
    }
    if (index >= receivers_.size()) return true;
    receiver& r = receivers_[index].value;
    if (r.now() == receiver::state::unused || r.setup().transfer != c.transfer || r.setup().slot != c.to_handle ||
        !r.bound() || r.link != index_of(l)) {
        return true;
    }
    if (r.live() && !cache_.renew(r.setup().lease, now + options_.lease)) fail_receiver(index, errc::expired);
    counters_.renewals += c.what == verb::renew;
    auto o = r.on(c);
    if (!o.taken) { // what has arrived whole makes room
        advance_receiver(index);
        if (r.now() != receiver::state::unused) o = r.on(c);
        l.full = index;
    }
    if (o.failed) fail_receiver(index, o.reason);
    return o.taken;
}

template <class Fabric, class Layout, prefix_index Index>
bool mover<Fabric, Layout, Index>::start(const control& c, link& l, instant now) {
    // By its own name, not by the handle that it claims: what is not over is found, and then its tag must be right.
    const std::uint32_t* index = by_id_[1].find(c.transfer.value);
    receiver* r = index ? &receivers_[*index].value : nullptr;
    result<void> ok;
    if (c.epoch != self_.epoch)
        ok = {errc::stale, origin::kv}, ++counters_.epoch_mismatches;
    else if (r && !(r->setup().tag == c.tag))
        ok = {errc::forged, origin::kv};
    else if (ok = ledger_.redeem(c.transfer); ok && !r)
        ok = {errc::stale, origin::kv};
    if (!net_.state(l.peer).up) { // its last words: nobody will write
        if (ok) fail_receiver(*index, errc::peer_down);
        return true;
    }
    if (ok) ok = cache_.verify(r->setup().lease);
    if (ok) ok = cache_.bind(r->setup().lease, {l.line.peer()});
    if (ok) ok = cache_.renew(r->setup().lease, now + options_.lease);
    if (ok) return r->started(index_of(l), c.from_handle), true;
    if (l.line.room() == 0) return l.full = UINT32_MAX, false;
    ++counters_.tickets_refused;
    say(l, {.what = verb::stop, .transfer = c.transfer, .to_handle = c.from_handle, .reason = ok.error().code});
    return true;
}

} // namespace ashlar::inline v0::kv
