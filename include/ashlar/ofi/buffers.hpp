// SPDX-License-Identifier: Apache-2.0
// What a provider holds pointers to, for as long as it likes: one slot per posted operation and one per message to be
// received. The user's `op` is never given to the provider, so it may be let go when its peer dies although the
// provider still broods over the slot. Contexts that come back are looked up by address range before they are believed.
//
//     slot_pool<send_slot> sends(256);   send_slot* s = sends.take();   ... sends.give(s);   sends.of(entry.op_context)
#pragma once

#include <cstddef>
#include <cstdint>

#include <rdma/fabric.h>

#include <ashlar/core/containers.hpp>
#include <ashlar/fabric/op.hpp>

namespace ashlar::inline v0::ofi {

inline constexpr std::size_t max_message_bytes = 4096;

// In front of every message: who sent it and how much it is.
struct message_header {
    std::uint64_t incarnation = 0;
    std::uint32_t size = 0;
    std::uint32_t magic = 0;
    static constexpr std::uint32_t magic_number = 0x6d696661; // "afim"
};
static_assert(sizeof(message_header) == 16);
inline constexpr std::size_t message_room = sizeof(message_header) + max_message_bytes;

struct send_slot {
    fi_context2 context;             // first: its address is the slot's
    fabric::op* operation = nullptr; // null: nobody waits for it any more
    fabric::peer_id peer{};
    std::uint32_t generation = 0;
    bool busy = false;
};
struct receive_slot {
    fi_context2 context;
    bool busy = false; // with the provider
};

template <class Slot>
class slot_pool {
public:
    slot_pool() = default;
    explicit slot_pool(std::size_t size) : slots_(size), free_(size) {
        for (std::size_t i = size; i > 0; --i) (void)free_.push_back(static_cast<std::uint32_t>(i - 1));
    }
    Slot* take() {
        if (free_.empty()) return nullptr;
        Slot* s = &slots_[free_.back()];
        free_.pop_back();
        s->busy = true;
        return s;
    }
    void give(Slot* s) {
        s->busy = false;
        (void)free_.push_back(static_cast<std::uint32_t>(index(s)));
    }
    std::size_t index(const Slot* s) const { return static_cast<std::size_t>(s - slots_.data()); }
    std::size_t size() const { return slots_.size(); }
    Slot& operator[](std::size_t i) { return slots_[i]; }
    // The busy slot behind a context that a provider returned; null when it is none of ours.
    Slot* of(const void* context) {
        const auto at = reinterpret_cast<std::uintptr_t>(context),
                   first = reinterpret_cast<std::uintptr_t>(slots_.data());
        if (at < first || at >= first + slots_.size() * sizeof(Slot) || (at - first) % sizeof(Slot) != 0)
            return nullptr;
        Slot& s = slots_[(at - first) / sizeof(Slot)];
        return s.busy ? &s : nullptr;
    }

private:
    fixed_array<Slot> slots_;
    bounded_vector<std::uint32_t> free_;
};

} // namespace ashlar::inline v0::ofi
