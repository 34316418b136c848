// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/rope.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

TEST_CASE("pairs (2i, 2i + 1) turn as float64 says, and the same bits everywhere") {
    const k::rope_table turns(300, 64, 100000.0);
    const auto x = each::numbers(64, 1);
    for (const std::uint32_t position : {0u, 1u, 17u, 299u}) {
        std::vector<float> expected(64, each::poison);
        k::rotate<k::portable>(turns, position, x.data(), 0.125f, expected.data());
        for (int i = 0; i < 64; i += 2) {
            const double angle = position * std::pow(100000.0, -double(i) / 64);
            const double c = std::cos(angle), s = std::sin(angle);
            CHECK(std::abs(expected[i] - 0.125 * (x[i] * c - x[i + 1] * s)) < 1e-7);
            CHECK(std::abs(expected[i + 1] - 0.125 * (x[i + 1] * c + x[i] * s)) < 1e-7);
        }
        each::kernel([&]<class K>() {
            auto out = x;
            k::rotate<K>(turns, position, out.data(), 0.125f, out.data());
            CHECK(each::same_bits(out, expected));
        });
    }
}

TEST_CASE("a factor divides a pair's frequency") {
    const float factors[8] = {1, 2, 1, 1, 1, 1, 1, 8};
    const k::rope_table plain(40, 16, 10000.0), scaled(40, 16, 10000.0, factors);
    for (std::uint32_t i = 0; i < 16; ++i) {
        const auto factor = std::uint32_t(factors[i / 2]);
        CHECK(scaled.at(4 * factor)[i] == doctest::Approx(plain.at(4)[i]).epsilon(1e-6));
        CHECK(scaled.at(4 * factor)[16 + i] == doctest::Approx(plain.at(4)[16 + i]).epsilon(1e-6));
    }
}

TEST_CASE("half-split rows become neighbours, a head at a time") {
    const std::uint32_t expected[] = {0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15};
    for (std::uint32_t r = 0; r < 16; ++r) {
        CHECK(k::half_split_row(r, 8) == expected[r]);
        CHECK(k::half_split_row(r, 1) == r);
    }
}

TEST_CASE("position 0 turns nothing") {
    const k::rope_table turns(1, 16, 10000.0);
    auto x = each::numbers(16, 8);
    const auto before = x;
    k::rotate<k::cpu>(turns, 0, x.data(), 1, x.data());
    CHECK(x == before);
}
