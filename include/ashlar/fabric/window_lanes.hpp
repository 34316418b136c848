// SPDX-License-Identifier: Apache-2.0
// The receiving half of a window: one lane for each who sends here, read in turn. What a sender writes is copied out
// and then checked; nonsense breaks its lane and takes it down as a peer. A lane is free for another once its sender
// has left, or died, and everything it sent is read.
//
//     window_lanes in(shape, control_block);   in.begin();   while (in.poll(out, peers)) ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/fabric/op.hpp>
#include <ashlar/fabric/peer_table.hpp>
#include <ashlar/fabric/process.hpp>
#include <ashlar/fabric/shared_ring.hpp>
#include <ashlar/fabric/window_layout.hpp>
#include <ashlar/fabric/window_link.hpp>

namespace ashlar::inline v0::fabric {

// Not for use from several threads.
class window_lanes {
public:
    static constexpr std::uint32_t immediate_record = 1, message_record = 2;
    static constexpr std::size_t max_message = 4096;

    // `block`: the control block, mapped as long as this lives.
    window_lanes(const window_layout& shape, std::byte* block)
        : shape_(shape), block_(block), lanes_(shape.lanes), messages_(messages_a_poll * max_message) {
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            lanes_[i].in = ring_receiver(lane(i).at, shape_.ring(block_, i), shape.ring_bytes);
    }

    static peer_id peer_of(const peer_table<window_link>& peers, std::uint64_t epoch) {
        return peers.find_if([&](const window_link& l) { return l.epoch() == epoch; });
    }

    // A poll begins: the messages of the last one may be overwritten.
    void begin() { message_count_ = 0; }
    bool poll(completion& out, peer_table<window_link>& peers) {
        if (message_count_ == messages_a_poll) return false; // their bytes fill what we have
        for (std::size_t tried = 0; tried < lanes_.size(); ++tried) {
            const std::size_t i = next_;
            next_ = (next_ + 1) % lanes_.size();
            if (poll(i, out, peers)) return true;
        }
        return false;
    }
    // Sequentially consistent, as the sender's stores are: see window::wait.
    bool something_to_poll() {
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            if (lane(i).epoch.load_seq_cst() == 0) continue;
            if (lane(i).leaving.load_seq_cst() || (!lanes_[i].broken && !lanes_[i].in.empty())) return true;
        }
        return false;
    }
    void notice_the_dead() {
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            const std::uint64_t owner = lane(i).owner.load_acquire();
            if (owner == 0 || process::unpack(owner).alive()) continue;
            if (lane(i).epoch.load_acquire() == 0 || lanes_[i].broken || lanes_[i].in.empty()) give_back(i);
        }
    }

private:
    static constexpr std::size_t messages_a_poll = 16;
    struct inbound {
        ring_receiver in;
        bool broken = false; // its sender has written nonsense
    };

    window_lane& lane(std::size_t i) { return shape_.lane(block_, i); }

    bool poll(std::size_t i, completion& out, peer_table<window_link>& peers) {
        const std::uint64_t epoch = lane(i).epoch.load_acquire();
        if (epoch == 0) return false;
        const bool leaving = lane(i).leaving.load_acquire() != 0; // before the ring: then empty is final
        if (lanes_[i].broken) {
            if (leaving) give_back(i);
            return false;
        }
        const std::span<std::byte> to(messages_.data() + message_count_ * max_message, max_message);
        ring_record r;
        const auto got = lanes_[i].in.pop(r, to);
        if (got && !*got) {
            if (leaving) give_back(i);
            return false;
        }
        const bool sense = got && (r.what == message_record ? r.size > 0 : r.what == immediate_record && r.size == 0);
        if (!sense) {
            lanes_[i].broken = true;
            peers.take_down(peer_of(peers, epoch), {errc::corrupt, origin::fabric});
            return false;
        }
        const bool message = r.what == message_record;
        message_count_ += message;
        out = completion{.what = message ? completion::kind::message : completion::kind::immediate,
                         .peer = peer_of(peers, epoch),
                         .immediate = r.immediate,
                         .message = to.first(r.size)};
        return true;
    }
    void give_back(std::size_t i) {
        lanes_[i].in.reset();
        lanes_[i].broken = false;
        lane(i).leaving.store_relaxed(0);
        lane(i).epoch.store_relaxed(0);
        lane(i).owner.store_release(0);
    }

    window_layout shape_;
    std::byte* block_;
    fixed_array<inbound> lanes_;
    fixed_array<std::byte> messages_; // of the last poll
    std::size_t message_count_ = 0;
    std::size_t next_ = 0;
};

} // namespace ashlar::inline v0::fabric
