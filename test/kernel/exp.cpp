// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <bit>
#include <cmath>

#include <ashlar/kernel/exp.hpp>

#include "each.hpp"

namespace k = ashlar::kernel;

template <class K>
static std::vector<float> exp_of(const std::vector<float>& x) {
    std::vector<float> y(x.size(), each::poison);
    for (std::size_t i = 0; i < x.size(); i += 16) K::store(y.data() + i, k::exp<K>(K::load(x.data() + i)));
    return y;
}

TEST_CASE("exp stays within two units in the last place of the double one, the same bits everywhere") {
    std::vector<float> x;
    for (int i = 0; i < 16 * 2000; ++i) x.push_back(-87.32f + float(i) * (88.36f + 87.32f) / (16 * 2000));
    const auto expected = exp_of<k::portable>(x);
    each::kernel([&]<class K>() {
        const auto y = exp_of<K>(x);
        CHECK(each::same_bits(y, expected));
        std::int64_t worst = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto right = static_cast<float>(std::exp(static_cast<double>(x[i])));
            worst = std::max(
                worst, std::abs(std::int64_t{std::bit_cast<std::int32_t>(y[i])} - std::bit_cast<std::int32_t>(right)));
        }
        CHECK(worst <= 2);
    });
}

TEST_CASE("exp at its edges: nothing for a masked score, the largest value above, NaN for NaN") {
    each::kernel([&]<class K>() {
        std::vector<float> x(16, 0);
        x[1] = -INFINITY, x[2] = -88, x[3] = -1e30f, x[4] = INFINITY, x[5] = 1000, x[6] = each::poison, x[7] = -0.0f;
        const auto y = exp_of<K>(x);
        CHECK(y[0] == 1);
        CHECK(y[1] == 0);
        CHECK(y[2] == 0);
        CHECK(y[3] == 0);
        CHECK(y[4] > 2e38f);
        CHECK(std::isfinite(y[4]));
        CHECK(y[5] == y[4]);
        CHECK(std::isnan(y[6]));
        CHECK(y[7] == 1);
    });
}
