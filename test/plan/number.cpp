// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/number.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

using namespace ashlar::plan;

static_assert(square_root(0) == 0 && square_root(-1) == 0 && square_root(4) == 2);
static_assert(exponential(0) == 1 && logarithm(1) == 0);

TEST_CASE("root, exponential and logarithm agree with the C library") {
    for (double x = 1e-12; x < 1e18; x *= 1.37) {
        CHECK(square_root(x) == doctest::Approx(std::sqrt(x)).epsilon(1e-15));
        CHECK(logarithm(x) == doctest::Approx(std::log(x)).epsilon(1e-14));
    }
    for (double x = -690; x < 690; x += 3.7) CHECK(exponential(x) == doctest::Approx(std::exp(x)).epsilon(1e-13));
}

TEST_CASE("the exponential stays finite at both ends") {
    CHECK(exponential(-1e9) > 0);
    CHECK(std::isfinite(exponential(1e9)));
}
