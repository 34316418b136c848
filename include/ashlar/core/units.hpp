// SPDX-License-Identifier: Apache-2.0
// Strong units, the only ones in the library. Time is a 64-bit count of nanoseconds: `instant` on a monotonic clock
// that the edge owns, `duration` between two of them. Policies never read a clock: they are told `now`.
//
//     instant deadline = now + 250_ms;
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace ashlar::inline v0 {

struct duration {
    std::int64_t ns = 0;

    friend constexpr bool operator==(const duration&, const duration&) = default; // nvcc 13.0 forgets the implied one
    friend constexpr auto operator<=>(const duration&, const duration&) = default;
    friend constexpr duration operator+(duration a, duration b) { return {a.ns + b.ns}; }
    friend constexpr duration operator-(duration a, duration b) { return {a.ns - b.ns}; }
    friend constexpr duration operator*(duration a, std::int64_t n) { return {a.ns * n}; }
    friend constexpr duration operator/(duration a, std::int64_t n) { return {a.ns / n}; }
    friend constexpr double seconds(duration a) { return static_cast<double>(a.ns) * 1e-9; }
};

struct instant {
    std::int64_t ns = 0; // since an epoch that only the edge knows

    static constexpr instant never() { return {std::numeric_limits<std::int64_t>::max()}; }

    friend constexpr bool operator==(const instant&, const instant&) = default; // nvcc 13.0 forgets the implied one
    friend constexpr auto operator<=>(const instant&, const instant&) = default;
    friend constexpr duration operator-(instant a, instant b) { return {a.ns - b.ns}; }
    // Saturates at never(): a deadline far away stays far away.
    friend constexpr instant operator+(instant a, duration b) {
        std::int64_t sum = 0;
        return __builtin_add_overflow(a.ns, b.ns, &sum) ? never() : instant{sum};
    }
};

namespace literals {
constexpr duration operator""_ns(unsigned long long n) { return {static_cast<std::int64_t>(n)}; }
constexpr duration operator""_us(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000}; }
constexpr duration operator""_ms(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000'000}; }
constexpr duration operator""_s(unsigned long long n) { return {static_cast<std::int64_t>(n) * 1'000'000'000}; }
} // namespace literals

} // namespace ashlar::inline v0
