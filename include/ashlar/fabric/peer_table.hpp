// SPDX-License-Identifier: Apache-2.0
// The part of a driver that every driver has: which peers are connected, in which generation, who went down and whether
// that was said yet. `Link` is what the driver keeps per peer.
//
//     peer_table<link> peers(16);   auto id = peers.insert({...});   peers.take_down(*id, fault);   peers.report(out)
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/result.hpp>
#include <ashlar/fabric/op.hpp>

namespace ashlar::inline v0::fabric {

// Not for use from several threads.
template <class Link>
class peer_table {
public:
    struct entry {
        Link link{};
        error fault{};
        std::uint32_t generation = 0;
        bool used = false;
        bool up = false;
        bool unsaid = false; // down, and poll has not told yet
    };

    peer_table() = default;
    explicit peer_table(std::size_t capacity) : entries_(capacity) {}

    std::size_t capacity() const { return entries_.size(); }
    entry& operator[](std::size_t i) { return entries_[i]; }
    const entry& operator[](std::size_t i) const { return entries_[i]; }

    // Takes the lowest free id.
    result<peer_id> insert(Link link) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            entry& e = entries_[i];
            if (e.used) continue;
            e.link = std::move(link);
            e.fault = {};
            e.generation += 1;
            e.used = e.up = true;
            e.unsaid = false;
            return peer_id{static_cast<std::uint32_t>(i)};
        }
        return {errc::exhausted, origin::fabric};
    }
    void erase(peer_id peer) {
        if (entry* e = find(peer)) e->used = e->up = e->unsaid = false, e->link = Link{};
    }

    // Null when the id is not connected (any more).
    entry* find(peer_id peer) {
        return peer.value < entries_.size() && entries_[peer.value].used ? &entries_[peer.value] : nullptr;
    }
    // The entry of a peer that can be posted to, or why not.
    result<entry*> usable(peer_id peer) {
        entry* e = find(peer);
        if (!e) return {errc::not_found, origin::fabric};
        if (!e->up) return {errc::peer_down, e->fault.from, e->fault.os_code};
        return e;
    }
    template <class Same>
    peer_id find_if(Same&& same) const {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].used && same(entries_[i].link)) return {static_cast<std::uint32_t>(i)};
        }
        return peer_id::none();
    }

    peer_state state(peer_id peer) const {
        if (peer.value >= entries_.size()) return {};
        const entry& e = entries_[peer.value];
        return {e.used && e.up, e.generation};
    }

    // The first call of a generation counts.
    void take_down(peer_id peer, error fault) {
        entry* e = find(peer);
        if (!e || !e->up) return;
        e->up = false;
        e->unsaid = true;
        e->fault = fault;
        ++unsaid_;
    }
    // Fills `out` with one peer_down that was not told yet.
    bool report(completion& out) {
        if (unsaid_ == 0) return false;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            entry& e = entries_[i];
            if (!std::exchange(e.unsaid, false)) continue;
            --unsaid_;
            out = completion{
                .what = completion::kind::peer_down, .peer = {static_cast<std::uint32_t>(i)}, .fault = e.fault};
            return true;
        }
        unsaid_ = 0; // what was left went away with its peer
        return false;
    }
    bool has_report() const { return unsaid_ != 0; }

private:
    fixed_array<entry> entries_;
    std::size_t unsaid_ = 0;
};

} // namespace ashlar::inline v0::fabric
