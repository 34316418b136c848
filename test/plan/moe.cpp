// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/moe.hpp>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr ffn step3 = catalog::step3.groups[0].feed, dsv3 = catalog::deepseek_v3.groups[0].feed;
} // namespace

TEST_CASE("the knee is where reading weights and using them take as long") {
    const auto h800 = balance(catalog::h800, math::fp8), h20 = balance(catalog::h20, math::fp8);
    CHECK(knee_batch(step3, h800).value == doctest::Approx(3620).epsilon(1e-4));
    CHECK(knee_batch(step3, h20).value == doctest::Approx(453).epsilon(1e-3));
    CHECK(knee_batch(dsv3, h800).value == doctest::Approx(8438).epsilon(1e-3));
    CHECK(knee_batch(dense(18432), h800).value == doctest::Approx(h800.value / 2));
    CHECK(knee_batch(step3, h800, stored::bf16) == 2 * knee_batch(step3, h800));
    // at the knee of an evenly loaded layer, FLOP over bytes is the balance
    const double batch = knee_batch(dense(100), h800).value;
    CHECK(2 * batch == doctest::Approx(h800.value));
}

TEST_CASE("a byte of an expert's wire buys twice its width in FLOP, whatever else the model is") {
    CHECK(network_intensity(dsv3).value == 2 * 2048);
    CHECK(network_intensity(step3).value == 2 * 5120);
    CHECK(network_intensity(dsv3, {stored::nvfp4, stored::bf16}).value == doctest::Approx(6 * 2048 / 2.5625));
    CHECK(network_intensity(dsv3, {stored::fp8, stored::fp8}).value == 3 * 2048);
    CHECK(hfu_cap(network_intensity(dsv3), 400_Gbps, 1980_TFLOPS) == doctest::Approx(0.103).epsilon(5e-3));
    CHECK(hfu_cap(network_intensity(step3), one_way(900_GBps), 5_PFLOPS) == 1);
}

TEST_CASE("a token has fewer destinations than experts") {
    CHECK(distinct_destinations(dsv3, 4) == doctest::Approx(3.61).epsilon(2e-3));
    CHECK(fan_out_gain(dsv3, 4) == doctest::Approx(2.21).epsilon(2e-3));
    CHECK(broadcast_waste(step3, 8) == doctest::Approx(0.66).epsilon(1e-2));
    CHECK(distinct_destinations(dsv3, 1) == 1);
    CHECK(distinct_destinations(dsv3, 256) == doctest::Approx(8)); // one expert a rank
    CHECK(distinct_destinations(dsv3, 100'000) == doctest::Approx(8));
    CHECK(distinct_destinations(dense(100), 4) == 1);
}

TEST_CASE("a batch touches experts until it has touched them all") {
    CHECK(experts_touched(dsv3, 1) == doctest::Approx(9));
    CHECK(experts_touched(dsv3, 1e30) == doctest::Approx(257));
    CHECK(experts_touched(dense(100), 5) == 1);
    double before = 0;
    for (int tokens = 0; tokens < 200; ++tokens) {
        CHECK(experts_touched(dsv3, tokens) > before);
        before = experts_touched(dsv3, tokens);
    }
    CHECK(before < 257);
}

TEST_CASE("less network or more layers ask for denser experts") {
    const auto ridge = balance(catalog::h800, math::fp8);
    const units::second third = exact(50_ms) / 3;
    const double least = sparsity_min(7168, 61, ridge, 3200_Gbps, third);
    CHECK(sparsity_min(7168, 61, ridge, 1600_Gbps, third) == doctest::Approx(2 * least));
    CHECK(sparsity_min(7168, 122, ridge, 3200_Gbps, third) == doctest::Approx(2 * least));
    CHECK(sparsity_min(7168, 61, ridge, 3200_Gbps, third, {stored::fp8, stored::fp8}) ==
          doctest::Approx(least * 2 / 3));
}

TEST_CASE("chances stay between nothing and one") {
    CHECK(chance_of_missing(10, 10, 1) == 0);
    CHECK(chance_of_missing(10, 3, 8) == 0); // eight draws of ten cannot miss three
    CHECK(chance_of_missing(10, 0, 5) == 1);
    CHECK(power(0.5, 10) == doctest::Approx(1.0 / 1024));
    CHECK(power(0.999, 2'000'000'000'000) == 0);
    CHECK(power(0, 0) == 1);
}
