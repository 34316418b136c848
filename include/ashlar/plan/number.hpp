// SPDX-License-Identifier: Apache-2.0
// Square root, exponential and logarithm for constant evaluation, where <cmath> is not constexpr. The compiler and the
// processor run these same lines, so a plan has the same bits in both; relative errors are below 1e-15.
//
//     static_assert(square_root(2.0) > 1.4142 && square_root(2.0) < 1.4143);
#pragma once

#include <bit>
#include <cstdint>

namespace ashlar::inline v0::plan {

// Newton's iteration from half the exponent; 0 for what is not positive.
constexpr double square_root(double x) {
    if (!(x > 0)) return 0;
    double root = std::bit_cast<double>((std::bit_cast<std::uint64_t>(x) >> 1) + (std::uint64_t{1023} << 51));
    for (int i = 0; i < 5; ++i) root = 0.5 * (root + x / root);
    return root;
}

constexpr double ln_2 = 0.693147180559945309;

// e^x for -700 < x < 700, clamped to these ends.
constexpr double exponential(double x) {
    x = x < -700 ? -700 : x > 700 ? 700 : x;
    const double turns = x / ln_2;
    const auto twos = static_cast<std::int64_t>(turns < 0 ? turns - 0.5 : turns + 0.5);
    const double rest = x - static_cast<double>(twos) * ln_2;
    double sum = 1;
    for (int n = 14; n > 0; --n) sum = 1 + sum * rest / n;
    return sum * std::bit_cast<double>(static_cast<std::uint64_t>(1023 + twos) << 52);
}

// Natural logarithm of a positive normal number.
constexpr double logarithm(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
    const double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | (std::uint64_t{1023} << 52));
    const double y = (mantissa - 1) / (mantissa + 1); // ln m = 2 (y + y^3/3 + y^5/5 ...), y <= 1/3
    double sum = 0;
    for (int n = 33; n > 0; n -= 2) sum = sum * y * y + 1.0 / n;
    return static_cast<double>(exponent) * ln_2 + 2 * y * sum;
}

} // namespace ashlar::inline v0::plan
