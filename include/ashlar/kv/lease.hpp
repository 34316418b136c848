// SPDX-License-Identifier: Apache-2.0
// Leases: a peer may touch these pages until then. A lease names pages with the generations that they had, ends at a
// point of this side's own clock, and belongs to one holder, named by its epoch. Past its end it is quarantined: its
// pages are nobody's until the holder has acknowledged, or is dead.
//
//     live --release--> gone          the transfer is over, all agree
//     live --quarantine--> quarantined --fence--> gone
//
// The table only remembers; kv::cache moves the pages. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ashlar/core/containers.hpp>
#include <ashlar/core/ids.hpp>
#include <ashlar/core/units.hpp>
#include <ashlar/kv/layout.hpp>

namespace ashlar::inline v0::kv {

using lease_id = strong_id<struct lease_tag, std::uint64_t>; // never reused by one table

// Neighbouring pages of one generation.
struct granted_run {
    std::uint32_t first = 0, count = 0, generation = 0;
    friend constexpr bool operator==(const granted_run&, const granted_run&) = default;
};

enum class access : std::uint8_t { read, write }; // what the holder may do

struct lease {
    lease_id id{};
    request_id request{};
    std::uint64_t opening = 0; // which opening of the request: its id may be used again
    epoch_id holder{};         // 0: nobody has come yet
    access how = access::read;
    bool quarantined = false;
    instant until{};
    block_range blocks{};
    std::span<const granted_run> pages{};
};

class lease_table {
public:
    lease_table(std::uint32_t leases_max, std::uint32_t runs_max)
        : runs_max_(runs_max), leases_(leases_max), runs_(std::size_t{leases_max} * runs_max), unused_(leases_max) {
        for (std::uint32_t i = 0; i < leases_max; ++i) (void)unused_.push(i);
    }

    std::uint32_t capacity() const { return static_cast<std::uint32_t>(leases_.size()); }
    std::uint32_t size() const { return capacity() - static_cast<std::uint32_t>(unused_.size()); }

    // Storage for the pages of the lease that `add` makes next; empty when the table is full.
    std::span<granted_run> next_pages() {
        if (unused_.empty()) return {};
        return {runs_.data() + std::size_t{unused_.front()} * runs_max_, runs_max_};
    }
    lease_id add(lease l) {
        const std::uint32_t slot = unused_.pop();
        l.id = {++count_ << 20 | slot};
        leases_[slot] = l;
        return l.id;
    }
    void remove(lease_id id) {
        const std::uint32_t slot = slot_of(id);
        ASHLAR_ASSERT(leases_[slot].id == id);
        leases_[slot] = {};
        ASHLAR_ASSERT(unused_.push(slot));
    }
    lease* find(lease_id id) {
        if (id.value == 0 || slot_of(id) >= leases_.size() || leases_[slot_of(id)].id != id) return nullptr;
        return &leases_[slot_of(id)];
    }
    const lease* find(lease_id id) const { return const_cast<lease_table*>(this)->find(id); }

    // By slot, for sweeps in a fixed order; null when nothing is there.
    lease* at(std::uint32_t slot) { return leases_[slot].id.value ? &leases_[slot] : nullptr; }
    const lease* at(std::uint32_t slot) const { return leases_[slot].id.value ? &leases_[slot] : nullptr; }

private:
    static std::uint32_t slot_of(lease_id id) { return static_cast<std::uint32_t>(id.value & 0xfffff); }

    std::uint32_t runs_max_;
    std::uint64_t count_ = 0;
    fixed_array<lease> leases_;
    fixed_array<granted_run> runs_;
    ring<std::uint32_t> unused_;
};

} // namespace ashlar::inline v0::kv
