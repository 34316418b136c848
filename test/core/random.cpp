// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/random.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using namespace ashlar;

// SplitMix64 as its authors give it: the state moves on by the golden gamma, the finaliser makes the number.
// Values for seed 1234567 as printed by the widely used reference program (Vigna, prng.di.unimi.it/splitmix64.c).
TEST_CASE("mix is the finaliser of SplitMix64") {
    constexpr std::array<std::uint64_t, 5> expected{6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                                    4593380528125082431u, 16408922859458223821u};
    std::uint64_t state = 1234567;
    for (std::uint64_t value : expected) {
        CHECK(mix(state) == value);
        state += 0x9e3779b97f4a7c15u;
    }
}

TEST_CASE("the same seed draws the same numbers, another seed draws others") {
    random_stream a{.seed = 7}, b{.seed = 7}, c{.seed = 8};
    int equal = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t x = a.next();
        CHECK(x == b.next());
        equal += x == c.next();
    }
    CHECK(equal == 0);
    CHECK(mix(7, 3) == random_stream{.seed = 7, .count = 3}.next()); // any draw can be had alone
}

TEST_CASE("below stays below and reaches every number about equally often") {
    random_stream r{.seed = 42};
    std::array<int, 6> seen{};
    constexpr int draws = 60'000;
    for (int i = 0; i < draws; ++i) {
        const std::uint64_t x = r.below(6);
        REQUIRE(x < 6);
        ++seen[x];
    }
    double chi_squared = 0;
    for (int n : seen) chi_squared += std::pow(n - draws / 6.0, 2) / (draws / 6.0);
    CHECK(chi_squared < 20.5); // 5 degrees of freedom: one in a thousand seeds lies above
    for (int i = 0; i < 100; ++i) CHECK(r.below(1) == 0);
}

TEST_CASE("unit lies in [0, 1) and its mean near a half") {
    static_assert(unit_float(0) == 0.0f);
    static_assert(unit_float(~0ull) < 1.0f);
    random_stream r{.seed = 1};
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += r.unit();
    CHECK(std::abs(sum / 100'000 - 0.5) < 0.005);
    int hits = 0;
    for (int i = 0; i < 100'000; ++i) hits += r.chance(0.1f);
    CHECK(std::abs(hits - 10'000) < 400);
    CHECK_FALSE(r.chance(0.0f));
    CHECK(r.chance(1.0f));
}
