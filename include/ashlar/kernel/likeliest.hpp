// SPDX-License-Identifier: Apache-2.0
// The likeliest of a vocabulary, found without sorting it: what top-k and top-p have in common. A bound leaves few
// candidates; a selection by mass, of 1 each or of their weights, leaves the fewest whose mass is enough.
//
//     const float bound = reached_by<cpu>(logits, 40, room);            // the 40 likeliest are not below
//     items = items.first(reach(items, 40, [](auto&) { return 1.0; }));  // and these are they
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <ashlar/core/ids.hpp>
#include <ashlar/kernel/cpu.hpp>

namespace ashlar::inline v0::kernel {

struct candidate {
    float logit, weight;
    token_id token;
};

// Orders by logit, then by lower id: a total order, so that every standard library agrees.
inline bool likelier(const candidate& a, const candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

inline namespace ASHLAR_KERNEL_TARGET {

// A logit that at least k > 0 tokens reach, as high as is cheaply known: the k-th of the highest of each 64. `room` has
// a place for each 64.
template <class Kernel>
float reached_by(std::span<const float> logits, std::size_t k, std::span<float> room) {
    constexpr std::size_t block = 4 * lanes;
    const std::size_t blocks = logits.size() / block;
    if (k > blocks) return -__builtin_inff();
    for (std::size_t b = 0; b < blocks; ++b) {
        auto top = Kernel::set1(-__builtin_inff());
        for (std::size_t i = 0; i < block; i += lanes) top = Kernel::max(Kernel::load(&logits[b * block + i]), top);
        room[b] = Kernel::highest(top);
    }
    const auto kth = room.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(room.begin(), kth, room.begin() + static_cast<std::ptrdiff_t>(blocks),
                     [](float a, float b) { return a > b; });
    return *kth;
}

// Moves the likeliest to the front, the fewest (one at least) whose mass reaches `target`; returns how many. Their
// order is the same with every standard library. Linear, but for logits made to spoil medians of three.
template <class Mass>
std::size_t reach(std::span<candidate> items, double target, Mass&& mass) {
    std::size_t begin = 0, end = items.size();
    double before = 0; // of items[0, begin)
    while (end - begin > 32) {
        candidate some[] = {items[begin], items[begin + (end - begin) / 2], items[end - 1]};
        std::sort(some, some + 3, likelier);
        std::size_t middle = begin;
        double more = 0;
        for (std::size_t i = begin; i < end; ++i) {
            if (!likelier(items[i], some[1])) continue;
            more += mass(items[i]);
            std::swap(items[i], items[middle++]);
        }
        if (before + more >= target) {
            end = middle;
        } else {
            before += more;
            begin = middle;
        }
    }
    std::sort(items.begin() + static_cast<std::ptrdiff_t>(begin), items.begin() + static_cast<std::ptrdiff_t>(end),
              likelier);
    do before += mass(items[begin++]);
    while (begin < end && before < target);
    return begin;
}

} // namespace ASHLAR_KERNEL_TARGET

} // namespace ashlar::inline v0::kernel
