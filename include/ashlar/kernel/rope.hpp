// SPDX-License-Identifier: Apache-2.0
// Rotary positions (Su et al., arXiv 2104.09864) on interleaved pairs: elements 2i and 2i + 1 of a head turn by
// position * base^(-2i / head_dim). Cosines and sines are computed once, in double.
//
//     rope_table turns(context, head_dim, 100000.0);   rotate<cpu>(turns, position, head, 1.0f, out);
//
// GGUF stores the q and k rows of Llama checkpoints permuted for this form; where they come for the other one, which
// turns elements i and i + head_dim / 2 together, `half_split_row` says which row belongs where.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/containers.hpp>
#include <ashlar/kernel/cpu.hpp>

namespace ashlar::inline v0::kernel {

// The row of a half-split matrix (or element of its bias) that interleaved pairs want at `row`.
constexpr std::uint32_t half_split_row(std::uint32_t row, std::uint32_t head_dim) {
    const std::uint32_t within = row % head_dim;
    return row - within + within / 2 + within % 2 * (head_dim / 2);
}

class rope_table {
public:
    rope_table() = default;
    // 8 * positions * head_dim bytes. head_dim: a multiple of 16. factors: null, or what divides each pair's frequency
    // (head_dim / 2 of them; the scaling of Llama 3.1 in GGUF's form, tensor "rope_freqs.weight").
    rope_table(std::uint32_t positions, std::uint32_t head_dim, double base, const float* factors = nullptr)
        : values_(std::size_t{positions} * head_dim * 2), head_dim_(head_dim) {
        ASHLAR_ASSERT(head_dim % lanes == 0);
        for (std::uint32_t i = 0; i < head_dim; i += 2) {
            const double factor = factors != nullptr ? static_cast<double>(factors[i / 2]) : 1.0;
            const double turn = __builtin_pow(base, -static_cast<double>(i) / head_dim) / factor;
            for (std::uint32_t p = 0; p < positions; ++p) {
                float* at = values_.data() + std::size_t{p} * head_dim * 2 + i;
                at[0] = at[1] = static_cast<float>(__builtin_cos(p * turn));
                at[head_dim + 1] = static_cast<float>(__builtin_sin(p * turn));
                at[head_dim] = -at[head_dim + 1];
            }
        }
    }
    std::uint32_t head_dim() const { return head_dim_; }
    // (c0, c0, c1, c1, …), then (-s0, s0, -s1, s1, …)
    const float* at(std::uint32_t position) const {
        ASHLAR_ASSERT(std::size_t{position} * head_dim_ * 2 < values_.size());
        return values_.data() + std::size_t{position} * head_dim_ * 2;
    }

private:
    fixed_array<float> values_;
    std::uint32_t head_dim_ = 0;
};

inline namespace ASHLAR_KERNEL_TARGET {

// One head of head_dim floats, turned and scaled, into `out` (may be `head`).
template <class K>
void rotate(const rope_table& turns, std::uint32_t position, const float* head, float scale, float* out) {
    const float* cosine = turns.at(position);
    const float* sine = cosine + turns.head_dim();
    for (std::size_t i = 0; i < turns.head_dim(); i += lanes) {
        const auto x = K::load(head + i);
        const auto turned = K::fma(x, K::load(cosine + i), K::mul(K::swap_pairs(x), K::load(sine + i)));
        K::store(out + i, K::mul(turned, K::set1(scale)));
    }
}

} // namespace ASHLAR_KERNEL_TARGET
} // namespace ashlar::inline v0::kernel
