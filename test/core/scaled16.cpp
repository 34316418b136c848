// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/scaled16.hpp>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace ashlar;

namespace {

std::vector<float> back(const std::vector<float>& x) {
    std::vector<scaled16> stored(x.size());
    to_scaled16(x.data(), x.size(), stored.data());
    std::vector<float> out;
    for (const scaled16 s : stored) out.push_back(to_float(s, scale_of(stored.data())));
    return out;
}

std::vector<float> numbers(std::size_t count, std::uint64_t seed, float largest) {
    random_stream random{.seed = seed};
    std::vector<float> out(count);
    for (float& x : out) x = (random.unit() * 2 - 1) * largest;
    out[seed % count] = largest;
    return out;
}

} // namespace

TEST_CASE("an element is off by half a step of the vector's scale, by one where it lends its lowest bit") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        const float largest = std::ldexp(1.0f + float(seed % 97) / 97, int(seed % 31) - 11); // 2^-11 to 2^20
        const auto x = numbers(seed % 2 ? 64 : 16, seed, largest), got = back(x);
        const float step = largest / 32766 * 1.125f; // a code's steps are eighths
        for (std::size_t i = 0; i < x.size(); ++i) {
            REQUIRE(std::abs(got[i] - x[i]) <= step * (i < 8 ? 1.0f : 0.5f) * 1.0001f);
        }
    }
}

TEST_CASE("small vectors lose bits, but never more than an f16's smallest step") {
    for (int exponent = -12; exponent > -60; --exponent) {
        const auto x = numbers(64, 7, std::ldexp(1.0f, exponent)), got = back(x);
        for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(std::abs(got[i] - x[i]) <= 0x1p-26f);
    }
    CHECK(back(std::vector<float>(8, 0.0f)) == std::vector<float>(8, 0.0f));
    CHECK(back(std::vector<float>(16, -0.0f)) == std::vector<float>(16, 0.0f));
}

TEST_CASE("every scale comes back, and its vector's largest element keeps its sign") {
    std::vector<float> seen;
    for (float largest = 0x1p-12f; largest < 1.8e6f; largest *= 1.03f) {
        std::vector<float> x(16, 0.0f);
        x[9] = -largest;
        std::vector<scaled16> stored(16);
        to_scaled16(x.data(), x.size(), stored.data());
        seen.push_back(scale_of(stored.data()));
        REQUIRE(static_cast<std::int16_t>(stored[9].bits) < -15000);
    }
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    CHECK(seen.size() == 255);
}

TEST_CASE("what is not finite, or too large, is NaN everywhere and not a wrong number") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 2e6f, -3e38f}) {
        for (const std::size_t at : {0, 5, 8, 63}) {
            auto x = numbers(64, 3, 1);
            x[at] = bad;
            for (const float y : back(x)) REQUIRE(std::isnan(y));
        }
    }
    const std::vector<scaled16> ones(8, scaled16{0xffff}); // memory set to 0xff is poison here as in f16
    CHECK(std::isnan(scale_of(ones.data())));
}
