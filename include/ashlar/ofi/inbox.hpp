// SPDX-License-Identifier: Apache-2.0
// Where messages arrive: receive buffers that the provider holds. One that came back is held until the next poll,
// because the caller may still read it, and is then posted again.
//
//     inbox in(64);   in.start(ep, pinned memory of in.bytes());   in.take(entry.op_context, entry.len, letter);
//     in.post(ep);    // at the next poll
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <rdma/fi_endpoint.h>

#include <ashlar/core/containers.hpp>
#include <ashlar/ofi/buffers.hpp>
#include <ashlar/ofi/opened.hpp>

namespace ashlar::inline v0::ofi {

class inbox {
public:
    struct letter {
        std::uint64_t incarnation = 0; // of its sender
        std::span<const std::byte> message{};
    };

    explicit inbox(std::size_t buffers) : slots_(buffers), bytes_(buffers * message_room), held_(buffers) {}

    std::size_t size() const { return slots_.size(); }
    std::span<std::byte> bytes() { return {bytes_.data(), bytes_.size()}; }
    void start(fid_ep* ep, pinned memory) {
        memory_ = std::move(memory);
        while (const receive_slot* s = slots_.take()) hold(s);
        post(ep);
    }
    void post(fid_ep* ep) {
        while (held_.size() > 0) {
            const std::uint32_t i = held_.back();
            if (fi_recv(ep, bytes_.data() + i * message_room, message_room, memory_.descriptor(), FI_ADDR_UNSPEC,
                        &slots_[i].context) != 0)
                return; // full: at the next poll
            held_.pop_back();
        }
    }

    const void* context(std::size_t i) { return &slots_[i].context; }
    bool owns(const void* context) { return slots_.of(context) != nullptr; }
    // Not to be read; posted again with the others.
    void hold(const void* context) {
        (void)held_.push_back(static_cast<std::uint32_t>(slots_.index(slots_.of(context))));
    }
    // False: whoever that was does not speak our language.
    bool take(const void* context, std::size_t length, letter& out) {
        hold(context);
        const std::byte* at = bytes_.data() + slots_.index(slots_.of(context)) * message_room;
        message_header header;
        std::memcpy(&header, at, sizeof header);
        if (length < sizeof header || length > message_room || header.magic != message_header::magic_number ||
            header.size == 0 || header.size != length - sizeof header) {
            return false;
        }
        out = {header.incarnation, {at + sizeof header, header.size}};
        return true;
    }

private:
    slot_pool<receive_slot> slots_;
    fixed_array<std::byte> bytes_;
    bounded_vector<std::uint32_t> held_;
    pinned memory_; // closed first
};

} // namespace ashlar::inline v0::ofi
