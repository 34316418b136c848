// SPDX-License-Identifier: Apache-2.0
// What stands between the matrix products of a Llama layer, row by row: RMSNorm (Zhang and Sennrich, arXiv 1910.07467)
// and SwiGLU (Shazeer, arXiv 2002.05202).
//
//     rms_norm<cpu>(x, weight, width, 1e-5f, out);   swiglu<cpu>(gate, up, width, out);
//
// Sums run in 16 lanes over ascending columns, then over the lanes in `sum`'s order: the same bits everywhere.
#pragma once

#include <algorithm>
#include <cstddef>

#include <ashlar/kernel/cpu.hpp>
#include <ashlar/kernel/exp.hpp>

namespace ashlar::inline v0::kernel {
inline namespace ASHLAR_KERNEL_TARGET {

// out[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]; out may be x.
template <class K>
void rms_norm(const float* x, const float* weight, std::size_t width, float epsilon, float* out) {
    auto squares = K::zero();
    for (std::size_t i = 0; i < width; i += lanes) {
        const auto a = K::load_first(x + i, std::min(lanes, width - i));
        squares = K::fma(a, a, squares);
    }
    const auto scale = K::set1(1.0f / __builtin_sqrtf(K::sum(squares) / static_cast<float>(width) + epsilon));
    for (std::size_t i = 0; i < width; i += lanes) {
        const std::size_t n = std::min(lanes, width - i);
        K::store_first(out + i, K::mul(K::mul(K::load_first(x + i, n), scale), K::load_first(weight + i, n)), n);
    }
}

// out[i] = gate[i] / (1 + e^-gate[i]) * up[i]; out may be either.
template <class K>
void swiglu(const float* gate, const float* up, std::size_t width, float* out) {
    for (std::size_t i = 0; i < width; i += lanes) {
        const std::size_t n = std::min(lanes, width - i);
        const auto g = K::load_first(gate + i, n);
        const auto silu = K::div(g, K::add(K::set1(1), exp<K>(K::negate(g))));
        K::store_first(out + i, K::mul(silu, K::load_first(up + i, n)), n);
    }
}

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel
