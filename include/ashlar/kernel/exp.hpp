// SPDX-License-Identifier: Apache-2.0
// e^x for sixteen floats, the same bits on every processor: within 2 units in the last place for x in [-87.33, 88.37];
// exactly 0 below, so that a masked score of -infinity weighs nothing; the largest value above. NaN stays NaN.
//
//     auto weight = exp<cpu>(cpu::load(x));
//
// x = n log 2 + r with |r| <= log(2)/2 (Cody and Waite's two-part log 2), then a polynomial for e^r: the coefficients
// are those of Cephes' expf (Moshier, 1992).
#pragma once

#include <ashlar/kernel/cpu.hpp>

namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET {

template <class Kernel>
typename Kernel::vec exp(typename Kernel::vec x) {
    using K = Kernel;
    constexpr float lowest = -87.33f, highest = 88.37f;
    // The operand that may be NaN stands second: that is the one which max and min hand on.
    const auto c = K::min(K::set1(highest), K::max(K::set1(lowest), x));
    const auto n = K::round(K::mul(c, K::set1(1.44269504088896341f)));
    auto r = K::fma(n, K::set1(-0.693359375f), c);
    r = K::fma(n, K::set1(2.12194440e-4f), r);
    auto p = K::set1(1.9875691500e-4f);
    p = K::fma(p, r, K::set1(1.3981999507e-3f));
    p = K::fma(p, r, K::set1(8.3334519073e-3f));
    p = K::fma(p, r, K::set1(4.1665795894e-2f));
    p = K::fma(p, r, K::set1(1.6666665459e-1f));
    p = K::fma(p, r, K::set1(5.0000001201e-1f));
    p = K::fma(p, K::mul(r, r), K::add(r, K::set1(1)));
    // NaN must not reach the conversion to an integer.
    const auto scale = K::power2(K::select_ge(n, K::set1(-126), n, K::zero()));
    return K::select_ge(K::set1(lowest), x, K::zero(), K::mul(p, scale));
}

} // namespace ashlar::inline v0::kernel::inline ASHLAR_KERNEL_TARGET
