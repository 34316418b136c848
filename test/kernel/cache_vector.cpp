// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>

#include <ashlar/kernel/cache_vector.hpp>

#include "each.hpp"

namespace al = ashlar;
namespace k = ashlar::kernel;

TEST_CASE("the Hadamard transform is its own inverse and leaves products as they are") {
    for (const std::size_t count : {16u, 64u, 80u, 96u, 128u}) {
        CAPTURE(count);
        const auto x = each::numbers(count, 1), y = each::numbers(count, 2);
        auto turned_x = x, turned_y = y;
        k::hadamard(turned_x.data(), count), k::hadamard(turned_y.data(), count);
        double before = 0, after = 0;
        for (std::size_t i = 0; i < count; ++i) {
            before += double(x[i]) * y[i], after += double(turned_x[i]) * turned_y[i];
        }
        CHECK(after == doctest::Approx(before).epsilon(1e-5));
        k::hadamard(turned_x.data(), count);
        for (std::size_t i = 0; i < count; ++i) CHECK(turned_x[i] == doctest::Approx(x[i]).epsilon(1e-5));
    }
    std::vector<float> one(64, 0.0f);
    one[5] = 8;
    k::hadamard(one.data(), 64);
    for (const float a : one) CHECK(std::abs(a) == 1); // a channel is spread over all
}

TEST_CASE("a vector is rounded as its format says, the same on every processor") {
    const auto x = each::numbers(80, 3, 9);
    each::kernel([&]<class K>() {
        std::vector<float> whole(80);
        al::f16 half[80];
        al::bf16 brain[80];
        al::scaled16 scaled[80], expected[80];
        k::store_vector<K>(x.data(), 80, whole.data());
        k::store_vector<K>(x.data(), 80, half);
        k::store_vector<K>(x.data(), 80, brain);
        k::store_vector<K>(x.data(), 80, scaled);
        al::to_scaled16(x.data(), 80, expected);
        CHECK(each::same_bits(whole, x));
        for (int i = 0; i < 80; ++i) {
            CHECK(half[i] == al::to<al::f16>(x[i]));
            CHECK(brain[i] == al::to<al::bf16>(x[i]));
            CHECK(scaled[i] == expected[i]);
        }
    });
}

TEST_CASE("only what meets scaled16 keys is turned") {
    const auto x = each::numbers(64, 4);
    auto y = x;
    k::turn_to_keys<al::f16>(y.data(), 64);
    CHECK(each::same_bits(y, x));
    auto turned = x;
    k::hadamard(turned.data(), 64);
    k::turn_to_keys<al::scaled16>(y.data(), 64);
    CHECK(each::same_bits(y, turned));
}
