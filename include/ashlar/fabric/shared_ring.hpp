// SPDX-License-Identifier: Apache-2.0
// A queue of small records in shared memory, from one sender to one receiver, without locks. Each side keeps its own
// position privately and believes nothing that it reads from the other: a record that does not hold together is
// `corrupt`, never an overrun. What is read is copied out before it is looked at.
//
//     ring_sender out(shared, bytes, capacity);     out.push({.what = 1, .immediate = 7}, payload);
//     ring_receiver in(shared, bytes, capacity);    ring_record r;  in.pop(r, payload_buffer);
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ashlar/core/atomic.hpp>
#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::fabric {

struct ring_record {
    std::uint32_t what = 0;
    std::uint32_t size = 0; // bytes of payload that follow
    std::uint32_t immediate = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(ring_record) == 16);

// Counts of bytes, modulo 2^32. Zero-initialised memory is an empty ring.
struct ring_positions {
    alignas(64) atomic_u32 tail; // the sender's
    alignas(64) atomic_u32 head; // the receiver's
};

constexpr std::uint32_t ring_room(std::size_t payload) {
    return static_cast<std::uint32_t>(sizeof(ring_record) + (payload + 15) / 16 * 16);
}

// Capacity: a power of two, at least 64 bytes. Not for use from several threads; the other end is another's.
class ring_sender {
public:
    ring_sender() = default;
    ring_sender(ring_positions& at, std::byte* bytes, std::uint32_t capacity)
        : at_(&at), bytes_(bytes), capacity_(capacity), tail_(at.tail.load_relaxed()), head_(tail_ - capacity) {}

    // again: no room for a payload of this size now. corrupt: the receiver's position is impossible.
    result<void> room_for(std::size_t payload) {
        if (ring_room(payload) <= capacity_ - (tail_ - head_)) return {}; // without a look at the receiver's line
        head_ = at_->head.load_acquire();
        if (tail_ - head_ > capacity_) return head_ = tail_ - capacity_, error{errc::corrupt, origin::fabric};
        if (ring_room(payload) > capacity_ - (tail_ - head_)) return {errc::again, origin::fabric};
        return {};
    }
    // Only after room_for(payload.size()). The receiver sees it after `publish`.
    void append(ring_record r, std::span<const std::byte> payload) {
        r.size = static_cast<std::uint32_t>(payload.size());
        copy_in(tail_, reinterpret_cast<const std::byte*>(&r), sizeof r);
        copy_in(tail_ + static_cast<std::uint32_t>(sizeof r), payload.data(), payload.size());
        tail_ += ring_room(payload.size());
    }
    // The store is sequentially consistent: see window::wait.
    void publish() { at_->tail.store_seq_cst(tail_); }
    void push(const ring_record& r, std::span<const std::byte> payload) { append(r, payload), publish(); }

private:
    void copy_in(std::uint32_t position, const std::byte* from, std::size_t n) {
        const std::size_t start = position & (capacity_ - 1);
        const std::size_t first = n < capacity_ - start ? n : capacity_ - start;
        if (first) std::memcpy(bytes_ + start, from, first);
        if (n > first) std::memcpy(bytes_, from + first, n - first);
    }
    ring_positions* at_ = nullptr;
    std::byte* bytes_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t tail_ = 0;
    std::uint32_t head_ = 0; // as last seen; the receiver may be further
};

class ring_receiver {
public:
    ring_receiver() = default;
    ring_receiver(ring_positions& at, const std::byte* bytes, std::uint32_t capacity)
        : at_(&at), bytes_(bytes), capacity_(capacity) {}

    bool empty() const { return at_->tail.load_seq_cst() == head_; }

    // Takes one record and copies its payload to the front of `to`. False: there is none.
    result<bool> pop(ring_record& r, std::span<std::byte> to) {
        if (tail_ == head_) tail_ = at_->tail.load_acquire();
        const std::uint32_t used = tail_ - head_;
        if (used == 0) return false;
        if (used > capacity_ || used < sizeof r) return {errc::corrupt, origin::fabric};
        copy_out(head_, reinterpret_cast<std::byte*>(&r), sizeof r);
        if (r.size > to.size() || ring_room(r.size) > used) return {errc::corrupt, origin::fabric};
        copy_out(head_ + static_cast<std::uint32_t>(sizeof r), to.data(), r.size);
        head_ += ring_room(r.size);
        at_->head.store_release(head_);
        return true;
    }
    // For the next sender. Only while there is none.
    void reset() {
        head_ = tail_ = 0;
        at_->head.store_relaxed(0);
        at_->tail.store_relaxed(0);
    }

private:
    void copy_out(std::uint32_t position, std::byte* to, std::size_t n) const {
        const std::size_t start = position & (capacity_ - 1);
        const std::size_t first = n < capacity_ - start ? n : capacity_ - start;
        if (first) std::memcpy(to, bytes_ + start, first);
        if (n > first) std::memcpy(to + first, bytes_, n - first);
    }
    ring_positions* at_ = nullptr;
    const std::byte* bytes_ = nullptr;
    std::uint32_t capacity_ = 0;
    std::uint32_t head_ = 0;
    std::uint32_t tail_ = 0; // as last seen; the sender may be further
};

} // namespace ashlar::inline v0::fabric
