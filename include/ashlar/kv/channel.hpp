// SPDX-License-Identifier: Apache-2.0
// channel: messages to one peer, each exactly once and in order, over a network that may lose, repeat and reorder them.
// Sequence numbers, cumulative acknowledgement, go-back-n on a timer: on a network that is reliable already it costs 33
// bytes a frame and a few bare acknowledgements. Each end of a channel has an incarnation, drawn anew whenever what it
// knew is lost, so that frames of a former life are recognised.
//
//     c.push(message);   while (n = c.peek(frame)) { if (!send(frame.first(n))) break; c.posted(now); }
//     switch (c.receive(frame, message)) { case heard::message: if (use(message)) c.accept(); ... }
//
// A message that is not accepted comes again, as soon as `ask_again` is called: that is how a full receiver slows a
// sender. The timer is for frames that the network lost. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <ashlar/core/bytes.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/kv/wire.hpp>

namespace ashlar::inline v0::kv {

inline constexpr std::size_t frame_header_bytes = 33;
inline constexpr std::size_t frame_bytes_max = frame_header_bytes + message_bytes_max;

class channel {
public:
    enum class heard : std::uint8_t {
        nothing,  // an acknowledgement, or something known already
        message,  // the next one
        garbage,  // not a frame of ours
        stranger, // a frame of, or for, another life of either end; ignored
        restarted // the peer has lost what it knew: its side of everything is gone
    };

    channel() = default;
    channel(std::uint64_t incarnation, std::uint32_t capacity) : outbox_(capacity), self_(incarnation) {}

    std::uint64_t self() const { return self_; }
    std::uint64_t peer() const { return peer_; } // 0: not heard of yet
    std::uint32_t room() const { return static_cast<std::uint32_t>(outbox_.capacity() - outbox_.size()); }
    bool idle() const { return outbox_.empty() && !owes_ack_ && !owes_again_ && !owes_refusal_; }
    bool turned_away() const { return turned_away_; } // a message waits for `ask_again`

    // False when the outbox is full, or the message too long.
    [[nodiscard]] bool push(std::span<const std::byte> message) {
        if (outbox_.full() || message.size() > message_bytes_max) return false;
        letter l;
        l.size = static_cast<std::uint32_t>(message.size());
        if (l.size) std::memcpy(l.bytes.data(), message.data(), l.size);
        return outbox_.push(l);
    }

    // The next frame to send, into `out` (at least frame_bytes_max); 0 when there is none. `posted` when it was sent.
    std::size_t peek(std::span<std::byte> out) const {
        byte_writer to(out);
        if (owes_refusal_) {
            header(to, kind::refusal, 0, refused_);
        } else if (owes_again_) {
            header(to, kind::again, 0, peer_);
        } else if (next_ < outbox_.size()) {
            header(to, kind::data, first_ + next_, peer_);
            to.put(std::span<const std::byte>(outbox_[next_].bytes).first(outbox_[next_].size));
        } else if (owes_ack_) {
            header(to, kind::ack, 0, peer_);
        } else {
            return 0;
        }
        return to.ok() ? to.size() : 0;
    }
    void posted(instant now) {
        if (owes_refusal_) {
            owes_refusal_ = false;
            return;
        }
        owes_ack_ = false;
        if (std::exchange(owes_again_, false)) return;
        if (next_ < outbox_.size()) {
            if (next_ == 0) oldest_sent_ = now;
            ++next_;
        }
    }

    heard receive(std::span<const std::byte> frame, std::span<const std::byte>& message) {
        byte_reader in(frame);
        const auto what = static_cast<kind>(in.get<std::uint8_t>());
        const auto from = in.get<std::uint64_t>(), to = in.get<std::uint64_t>();
        const auto sequence = in.get<std::uint64_t>(), acknowledged = in.get<std::uint64_t>();
        if (!in.ok() || from == 0 || what < kind::data || what > kind::again) return heard::garbage;
        if (to != self_ && !(to == 0 && what == kind::data)) {
            refuse(what, from);
            return heard::stranger;
        }
        if (what == kind::refusal) return from != peer_ ? heard::restarted : heard::stranger;
        if (is_retired(from)) { // for us its end was ours, of which its network need not have told it
            refuse(what, from);
            return heard::stranger;
        }
        if (peer_ == 0) peer_ = from;
        if (from != peer_) return heard::restarted;
        if (to == self_ && acknowledged >= first_ && acknowledged < first_ + outbox_.size()) {
            for (; first_ <= acknowledged; ++first_) {
                (void)outbox_.pop();
                if (next_) --next_;
            }
            progressed_ = true;
        }
        if (what == kind::again && acknowledged + 1 == first_) next_ = 0;
        if (what != kind::data) return heard::nothing;
        owes_ack_ = true;
        if (sequence != expected_) return heard::nothing; // known, or after a gap: it will come again
        message = in.take(in.left());
        turned_away_ = true;
        return heard::message;
    }
    void accept() {
        ++expected_;
        turned_away_ = false;
    }
    // There is room for what was turned away.
    void ask_again() { owes_again_ = std::exchange(turned_away_, false); }

    // True when something is sent again. A channel that makes progress waits on.
    bool tick(instant now, duration resend_after) {
        if (next_ == 0) return false;
        if (progressed_) progressed_ = false, oldest_sent_ = now;
        if (now - oldest_sent_ < resend_after) return false;
        next_ = 0;
        return true;
    }

    // Everything said and heard is forgotten; the peer's present life is over for us.
    void reset(std::uint64_t incarnation) {
        if (peer_) retired_[retired_count_++ % retired_.size()] = peer_;
        outbox_.clear();
        self_ = incarnation;
        peer_ = 0;
        first_ = expected_ = 1;
        next_ = 0;
        owes_ack_ = owes_again_ = owes_refusal_ = turned_away_ = progressed_ = false;
    }

private:
    enum class kind : std::uint8_t { data = 0xa1, ack, refusal, again };
    struct letter {
        std::uint32_t size = 0;
        std::array<std::byte, message_bytes_max> bytes;
    };

    void header(byte_writer& to, kind what, std::uint64_t sequence, std::uint64_t peer) const {
        to.put(static_cast<std::uint8_t>(what));
        to.put(self_), to.put(peer);
        to.put(sequence);
        to.put(expected_ - 1);
    }
    // Whoever addresses a former life of ours, or is a former peer, must learn that it is over. A ghost's refusal goes
    // to a life that is nobody's any more.
    void refuse(kind what, std::uint64_t from) {
        if (what == kind::data) owes_refusal_ = true, refused_ = from;
    }
    bool is_retired(std::uint64_t life) const {
        for (std::uint64_t r : retired_) {
            if (r == life) return true;
        }
        return false;
    }

    ring<letter> outbox_; // sent from the front, and not yet acknowledged
    std::uint64_t self_ = 0, peer_ = 0, refused_ = 0;
    std::uint64_t first_ = 1;    // sequence of the outbox's front
    std::uint64_t expected_ = 1; // next to be accepted
    std::uint32_t next_ = 0;     // how many of the outbox are sent
    instant oldest_sent_{};
    bool owes_ack_ = false, owes_again_ = false, owes_refusal_ = false, turned_away_ = false, progressed_ = false;
    std::array<std::uint64_t, 8> retired_{};
    std::size_t retired_count_ = 0;
};

} // namespace ashlar::inline v0::kv
