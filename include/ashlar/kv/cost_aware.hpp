// SPDX-License-Identifier: Apache-2.0
// What costs least to compute again goes first: GreedyDual-Size-Frequency over blocks of one size. A block's priority
// is
//
//     clock + uses * cost,   cost = attention_blocks + depth
//
// where the clock is the priority of what went last, so that what is not used ages. The cost is that of a block's
// forward pass in units of a block's weights over attention_blocks: a token costs 2 P operations of weights and
// 4 layers * hidden * depth of attention, equal at a depth of P / (2 layers * hidden) tokens; 2,048 blocks of 16 lie
// between 27k tokens (Llama 3 8B: P 7.0e9, 32 layers, 4,096) and 52k (70B: 6.85e10, 80 layers, 8,192).
//
//     radix_index<cost_aware> index(options);
//
// Source: Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy", HP Labs
// HPL-98-69R1, 1998; the cost is ours. Equal priorities: first come, first to go. O(log pages): a binary heap.
#pragma once

#include <cstdint>

#include <ashlar/core/containers.hpp>
#include <ashlar/kv/eviction.hpp>

namespace ashlar::inline v0::kv {

class cost_aware {
public:
    static constexpr std::uint32_t attention_blocks = 2048;

    explicit cost_aware(std::uint32_t pages) : blocks_(pages), heap_(pages) {}

    void insert(std::uint32_t page, std::uint64_t, std::uint32_t depth) {
        blocks_[page] = {.cost = std::uint64_t{attention_blocks} + depth};
        use(page);
    }
    void use(std::uint32_t page) {
        block& b = blocks_[page];
        b.uses += b.uses < UINT32_MAX;
        b.priority = clock_ + b.uses * b.cost;
        b.turn = ++turns_;
        if (b.place == no_page) push(page);
        sink(b.place); // priorities of what is there only grow
    }
    void restore(std::uint32_t page) {
        if (blocks_[page].place == no_page) push(page);
    }
    template <class May>
    std::uint32_t evict(May&& may) {
        while (size_) {
            const std::uint32_t page = heap_[0];
            const std::uint32_t last = heap_[--size_];
            blocks_[page].place = no_page;
            if (size_) put(0, last), sink(0);
            if (!may(page)) continue;
            clock_ = clock_ < blocks_[page].priority ? blocks_[page].priority : clock_;
            return page;
        }
        return no_page;
    }

private:
    struct block {
        std::uint64_t priority = 0, turn = 0, cost = 0;
        std::uint32_t uses = 0;
        std::uint32_t place = no_page; // in the heap
    };
    bool before(std::uint32_t a, std::uint32_t b) const {
        const block &x = blocks_[a], &y = blocks_[b];
        return x.priority != y.priority ? x.priority < y.priority : x.turn < y.turn;
    }
    void put(std::uint32_t place, std::uint32_t page) {
        heap_[place] = page;
        blocks_[page].place = place;
    }
    void push(std::uint32_t page) {
        std::uint32_t place = size_++;
        for (; place && before(page, heap_[(place - 1) / 2]); place = (place - 1) / 2)
            put(place, heap_[(place - 1) / 2]);
        put(place, page);
    }
    void sink(std::uint32_t place) {
        const std::uint32_t page = heap_[place];
        for (std::uint64_t child; (child = 2 * std::uint64_t{place} + 1) < size_;) {
            if (child + 1 < size_ && before(heap_[child + 1], heap_[child])) ++child;
            if (!before(heap_[child], page)) break;
            put(place, heap_[child]);
            place = static_cast<std::uint32_t>(child);
        }
        put(place, page);
    }

    fixed_array<block> blocks_;
    fixed_array<std::uint32_t> heap_;
    std::uint32_t size_ = 0;
    std::uint64_t clock_ = 0, turns_ = 0;
};

} // namespace ashlar::inline v0::kv
