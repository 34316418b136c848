// SPDX-License-Identifier: Apache-2.0
// How one head's key or value goes into a cache of T: rounded element by element, or whole into scaled16.
//
//     turn_to_keys<T>(query, 64);  turn_to_keys<T>(key, 64);   // once each, after rope
//     store_vector<cpu>(key, 64, view.at(block, plane::key, head, token));
//
// Keys have a few channels much larger than the others, which would take scaled16's bits from the rest. So keys and
// queries are both turned by the same orthonormal Hadamard matrix, which spreads a channel over all and leaves their
// products as they are (QuaRot, Ashkboos et al., arXiv 2404.00456). Values have no such channels: they go as they are.
#pragma once

#include <cstddef>
#include <type_traits>

#include <ashlar/core/scaled16.hpp>
#include <ashlar/kernel/cpu.hpp>

namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET {

// In place: the Walsh-Hadamard transform of each run of `run` floats, the largest power of two that divides `count`,
// times 1 / sqrt(run). It is its own inverse.
inline void hadamard(float* x, std::size_t count) {
    const std::size_t run = count & (~count + 1);
    for (std::size_t half = 1; half < run; half *= 2) {
        for (std::size_t i = 0; i < count; i += 2 * half) {
            for (std::size_t j = i; j < i + half; ++j) {
                const float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
        }
    }
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(run));
    for (std::size_t i = 0; i < count; ++i) x[i] *= scale;
}

// A key on its way into a cache of T, or a query that will meet such keys.
template <class T>
void turn_to_keys([[maybe_unused]] float* head, [[maybe_unused]] std::size_t dim) {
    if constexpr (std::is_same_v<T, scaled16>) hadamard(head, dim);
}

// dim: a multiple of 16.
template <class K, class T>
void store_vector(const float* head, std::size_t dim, T* to) {
    if constexpr (std::is_same_v<T, scaled16>) {
        to_scaled16(head, dim, to);
    } else {
        for (std::size_t d = 0; d < dim; d += lanes) K::store(to + d, K::load(head + d));
    }
}

} // namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET
