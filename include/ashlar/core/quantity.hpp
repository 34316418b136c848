// SPDX-License-Identifier: Apache-2.0
// Strong quantities for planning: bytes, FLOP, seconds, dollars, tokens, requests and what they make when they are
// multiplied and divided. A double with its unit in the type, so that 10^7 tokens on 10^5 ranks do not overflow.
//
//     units::second read = 80_GB / 3.35_TBps;           // the unit of a quotient is worked out by the compiler
//     units::wire_rate link = one_way(both_ways(900_GBps)); // what is advertised in another way is converted in words
//
// Four numbers that data sheets print do not take part in arithmetic until a word converts them: bandwidth of both
// directions (one_way), FLOPS with sparsity (dense), GiB (decimal), and the integer clock of units.hpp (exact).
// Memory (byte_rate) and one direction of a wire (wire_rate) are two units as well. All are structural.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

#include <ashlar/core/units.hpp>

namespace ashlar::inline v0::units {

// Exponents of the base units.
struct dimension {
    int flop = 0, byte = 0, second = 0, usd = 0, token = 0, request = 0, joule = 0;

    friend constexpr bool operator==(const dimension&, const dimension&) = default;
    friend constexpr dimension operator+(dimension a, dimension b) {
        return {a.flop + b.flop,   a.byte + b.byte,       a.second + b.second, a.usd + b.usd,
                a.token + b.token, a.request + b.request, a.joule + b.joule};
    }
    friend constexpr dimension operator-(dimension a, dimension b) {
        return {a.flop - b.flop,   a.byte - b.byte,       a.second - b.second, a.usd - b.usd,
                a.token - b.token, a.request - b.request, a.joule - b.joule};
    }
};

// The names that a compiler prints. A unit without `dim` only scales, adds and converts.
// clang-format off
namespace of {
struct flop { static constexpr dimension dim{.flop = 1}; };
struct byte { static constexpr dimension dim{.byte = 1}; };
struct second { static constexpr dimension dim{.second = 1}; };
struct usd { static constexpr dimension dim{.usd = 1}; };
struct token { static constexpr dimension dim{.token = 1}; };
struct request { static constexpr dimension dim{.request = 1}; };
struct joule { static constexpr dimension dim{.joule = 1}; };
struct watt { static constexpr dimension dim{.second = -1, .joule = 1}; };
struct flop_rate { static constexpr dimension dim{.flop = 1, .second = -1}; };
struct byte_rate { static constexpr dimension dim{.byte = 1, .second = -1}; };
struct wire_rate_one_way { static constexpr dimension dim{.byte = 1, .second = -1}; };
struct token_rate { static constexpr dimension dim{.second = -1, .token = 1}; };
struct usd_rate { static constexpr dimension dim{.second = -1, .usd = 1}; };
struct usd_per_token { static constexpr dimension dim{.usd = 1, .token = -1}; };
struct flop_per_byte { static constexpr dimension dim{.flop = 1, .byte = -1}; };
struct wire_rate_both_ways {};
struct flop_rate_with_sparsity {};
struct gibibyte {};
template <dimension D> struct derived { static constexpr dimension dim = D; };
} // namespace of

// The name of a product's or quotient's unit.
template <dimension D> struct named { using type = of::derived<D>; };
template <> struct named<of::flop::dim> { using type = of::flop; };
template <> struct named<of::byte::dim> { using type = of::byte; };
template <> struct named<of::second::dim> { using type = of::second; };
template <> struct named<of::usd::dim> { using type = of::usd; };
template <> struct named<of::token::dim> { using type = of::token; };
template <> struct named<of::request::dim> { using type = of::request; };
template <> struct named<of::joule::dim> { using type = of::joule; };
template <> struct named<of::watt::dim> { using type = of::watt; };
template <> struct named<of::flop_rate::dim> { using type = of::flop_rate; };
template <> struct named<of::byte_rate::dim> { using type = of::byte_rate; };
template <> struct named<of::token_rate::dim> { using type = of::token_rate; };
template <> struct named<of::usd_rate::dim> { using type = of::usd_rate; };
template <> struct named<of::usd_per_token::dim> { using type = of::usd_per_token; };
template <> struct named<of::flop_per_byte::dim> { using type = of::flop_per_byte; };
// clang-format on

template <class Unit>
struct quantity {
    double value = 0;

    constexpr quantity() = default;
    constexpr explicit quantity(double n) : value(n) {}

    friend constexpr bool operator==(const quantity&, const quantity&) = default;
    friend constexpr auto operator<=>(const quantity&, const quantity&) = default;
    friend constexpr quantity operator+(quantity a, quantity b) { return quantity(a.value + b.value); }
    friend constexpr quantity operator-(quantity a, quantity b) { return quantity(a.value - b.value); }
    friend constexpr quantity operator*(quantity a, double n) { return quantity(a.value * n); }
    friend constexpr quantity operator*(double n, quantity a) { return quantity(a.value * n); }
    friend constexpr quantity operator/(quantity a, double n) { return quantity(a.value / n); }
    constexpr quantity& operator+=(quantity b) { return *this = *this + b; }

    friend constexpr quantity max(quantity a, quantity b) { return a.value < b.value ? b : a; }
    friend constexpr quantity min(quantity a, quantity b) { return b.value < a.value ? b : a; }
};

// Of two quantities: a quantity, or a plain number where the units cancel.
template <class A, class B>
constexpr auto operator*(quantity<A> a, quantity<B> b) {
    if constexpr (A::dim + B::dim == dimension{}) {
        return a.value * b.value;
    } else {
        return quantity<typename named<A::dim + B::dim>::type>(a.value * b.value);
    }
}
template <class A, class B>
constexpr auto operator/(quantity<A> a, quantity<B> b) {
    if constexpr (A::dim - B::dim == dimension{}) {
        return a.value / b.value;
    } else {
        return quantity<typename named<A::dim - B::dim>::type>(a.value / b.value);
    }
}

using flop = quantity<of::flop>;
using byte = quantity<of::byte>;
using second = quantity<of::second>;
using usd = quantity<of::usd>;
using token = quantity<of::token>;
using request = quantity<of::request>;
using joule = quantity<of::joule>;
using watt = quantity<of::watt>;
using flop_rate = quantity<of::flop_rate>;         // dense
using byte_rate = quantity<of::byte_rate>;         // of a memory
using wire_rate = quantity<of::wire_rate_one_way>; // of one direction of a link
using token_rate = quantity<of::token_rate>;
using usd_rate = quantity<of::usd_rate>;
using usd_per_token = quantity<of::usd_per_token>;
using flop_per_byte = quantity<of::flop_per_byte>;
using wire_rate_both_ways = quantity<of::wire_rate_both_ways>;
using sparse_flop_rate = quantity<of::flop_rate_with_sparsity>;
using gibibyte = quantity<of::gibibyte>;

// What a number on a data sheet means, and the conversions between meanings.
constexpr wire_rate_both_ways both_ways(byte_rate sum) { return wire_rate_both_ways(sum.value); }
constexpr wire_rate one_way(wire_rate_both_ways sum) { return wire_rate(sum.value / 2); }
constexpr wire_rate one_way(byte_rate each) { return wire_rate(each.value); }
constexpr sparse_flop_rate with_sparsity(flop_rate rate) { return sparse_flop_rate(rate.value); }
constexpr flop_rate dense(sparse_flop_rate rate) { return flop_rate(rate.value / 2); } // 2:4 sparsity counts double
constexpr byte decimal(gibibyte n) { return byte(n.value * (1 << 30)); }

} // namespace ashlar::inline v0::units

namespace ashlar::inline v0 {

// The clock's nanoseconds as seconds, and seconds as the clock's nearest nanosecond; what it cannot hold is its limit.
constexpr units::second exact(duration t) { return units::second(static_cast<double>(t.ns) * 1e-9); }
constexpr duration nearest(units::second t) {
    const double ns = t.value * 1e9;
    if (!(ns < 9.2e18)) return {std::numeric_limits<std::int64_t>::max()};
    if (ns < -9.2e18) return {std::numeric_limits<std::int64_t>::min()};
    return {static_cast<std::int64_t>(ns < 0 ? ns - 0.5 : ns + 0.5)};
}

} // namespace ashlar::inline v0

namespace ashlar::inline v0::literals {
// clang-format off
#define ASHLAR_QUANTITY(suffix, unit, scale)                                                                           \
    constexpr units::unit operator""_##suffix(unsigned long long n) {                                                  \
        return units::unit(static_cast<double>(n) * (scale));                                                          \
    }                                                                                                                  \
    constexpr units::unit operator""_##suffix(long double n) {                                                         \
        return units::unit(static_cast<double>(n) * (scale));                                                          \
    }
ASHLAR_QUANTITY(kB, byte, 1e3)
ASHLAR_QUANTITY(MB, byte, 1e6)
ASHLAR_QUANTITY(GB, byte, 1e9)
ASHLAR_QUANTITY(TB, byte, 1e12)
ASHLAR_QUANTITY(GiB, gibibyte, 1)
ASHLAR_QUANTITY(GBps, byte_rate, 1e9)
ASHLAR_QUANTITY(TBps, byte_rate, 1e12)
ASHLAR_QUANTITY(Gbps, wire_rate, 1e9 / 8) // gigabit: a network card's number, which counts one direction
ASHLAR_QUANTITY(TFLOPS, flop_rate, 1e12)
ASHLAR_QUANTITY(PFLOPS, flop_rate, 1e15)
ASHLAR_QUANTITY(usd, usd, 1)
ASHLAR_QUANTITY(usd_per_hour, usd_rate, 1.0 / 3600)
ASHLAR_QUANTITY(tokens, token, 1)
ASHLAR_QUANTITY(requests, request, 1)
ASHLAR_QUANTITY(watts, watt, 1)
#undef ASHLAR_QUANTITY
// clang-format on
} // namespace ashlar::inline v0::literals
