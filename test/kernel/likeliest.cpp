// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <ashlar/kernel/likeliest.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

TEST_CASE("the fewest that reach a mass come to the front") {
    const auto mass = [](const k::candidate& c) { return double(c.weight); };
    for (const std::size_t n : {1u, 2u, 31u, 33u, 500u, 4000u}) {
        std::vector<k::candidate> items(n);
        const auto logits = each::numbers(n, n, 2);
        for (std::size_t i = 0; i < n; ++i) items[i] = {std::round(logits[i] * 8), 1, static_cast<al::token_id>(i)};
        auto sorted = items;
        std::sort(sorted.begin(), sorted.end(), k::likelier);
        for (const std::size_t target : {std::size_t{0}, std::size_t{1}, n / 3, n - 1, n, n + 5}) {
            auto some = items;
            const std::size_t count = k::reach(some, double(target), mass);
            REQUIRE(count == std::clamp<std::size_t>(target, 1, n));
            std::sort(some.begin(), some.begin() + std::ptrdiff_t(count), k::likelier);
            for (std::size_t i = 0; i < count; ++i) REQUIRE(some[i].token == sorted[i].token);
        }
    }
}

TEST_CASE("a bound is reached by k tokens at least, and is the same on every processor") {
    for (const std::size_t n : {10u, 64u, 1000u, 4096u}) {
        auto logits = each::numbers(n, n + 1, 4);
        logits[n / 2] = each::poison;
        std::vector<float> room(n);
        for (const std::size_t count : {1u, 3u, 16u, 40u, 64u, 5000u}) {
            const float bound = k::reached_by<k::portable>(logits, count, room);
            each::kernel([&]<class K>() { CHECK(k::reached_by<K>(logits, count, room) == bound); });
            if (count > n / 64) {
                CHECK(bound == -INFINITY);
                continue;
            }
            const auto reached = std::count_if(logits.begin(), logits.end(), [&](float l) { return l >= bound; });
            CHECK(reached >= std::ptrdiff_t(count));
            CHECK(reached <= std::ptrdiff_t(8 * count)); // and is worth its trouble
        }
    }
}
