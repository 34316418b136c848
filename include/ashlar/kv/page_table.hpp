// SPDX-License-Identifier: Apache-2.0
// From 32 bits of a hash to a page: open addressing with linear probing over slots of eight bytes, at most two thirds
// full, so that a look-up reads one or two cache lines and touches a page's own data only when all 32 bits agree.
// Whether it is the page one means is the caller's to say: two pages may share their bits.
//
//     page_table by_key(4096);
//     by_key.insert(bits, page);
//     page = by_key.find(bits, [&](std::uint32_t p) { return keys[p] == key; });   // or no_page
//
// Not iterable. One thread at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/kv/prefix_index.hpp>

namespace ashlar::inline v0::kv {

class page_table {
public:
    page_table() = default;
    explicit page_table(std::uint32_t pages)
        : slots_(std::bit_ceil(std::size_t{pages} + pages / 2 + 1)), mask_(slots_.size() - 1), capacity_(pages) {}

    template <class Same>
    std::uint32_t find(std::uint32_t bits, Same&& same) const {
        const slot* slots = slots_.data();
        for (std::size_t i = bits & mask_;; i = (i + 1) & mask_) {
            if (slots[i].page == no_page) return no_page;
            if (slots[i].bits == bits && same(slots[i].page)) return slots[i].page;
        }
    }

    void insert(std::uint32_t bits, std::uint32_t page) {
        ASHLAR_ASSERT(size_ < capacity_);
        std::size_t i = bits & mask_;
        while (slots_[i].page != no_page) i = (i + 1) & mask_;
        slots_[i] = {page, bits};
        ++size_;
    }

    // The page must be there, with these bits.
    void erase(std::uint32_t bits, std::uint32_t page) {
        std::size_t hole = bits & mask_;
        for (; slots_[hole].page != page; hole = (hole + 1) & mask_) ASHLAR_ASSERT(slots_[hole].page != no_page);
        // Close the gap: an entry moves back when its home does not lie between the hole and itself.
        for (std::size_t i = (hole + 1) & mask_; slots_[i].page != no_page; i = (i + 1) & mask_) {
            if (((i - slots_[i].bits) & mask_) >= ((i - hole) & mask_)) {
                slots_[hole] = slots_[i];
                hole = i;
            }
        }
        slots_[hole] = {};
        --size_;
    }

    std::uint32_t size() const { return size_; }

private:
    struct slot {
        std::uint32_t page = no_page, bits = 0;
    };
    fixed_array<slot> slots_;
    std::size_t mask_ = 0;
    std::uint32_t size_ = 0, capacity_ = 0;
};

} // namespace ashlar::inline v0::kv
