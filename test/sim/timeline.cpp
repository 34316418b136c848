// SPDX-License-Identifier: Apache-2.0
#include <ashlar/sim/timeline.hpp>

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("events come by time, and by the order of asking when times are equal") {
    sim::timeline<int> later(2000);
    random_stream random{.seed = 5};
    std::vector<std::pair<std::int64_t, int>> want;
    for (int i = 0; i < 1000; ++i) {
        const auto t = static_cast<std::int64_t>(random.below(50));
        later.at({t}, i);
        want.emplace_back(t, i);
    }
    std::stable_sort(want.begin(), want.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (const auto& [t, i] : want) {
        REQUIRE(later.next() == i);
        REQUIRE(later.now().ns == t);
    }
    CHECK(later.empty());
}

TEST_CASE("time stops at the limit, and the past is now") {
    sim::timeline<int> later(4);
    later.at({100}, 1);
    CHECK(!later.next({50}));
    CHECK(later.now().ns == 50);
    later.at({10}, 2);
    CHECK(later.next() == 2);
    CHECK(later.now().ns == 50);
    later.after(5_ns, 3);
    CHECK(later.next_time().ns == 55);
    CHECK(later.next() == 3);
    CHECK(later.next() == 1);
    CHECK(!later.next());
    CHECK(later.now().ns == 100);
}
