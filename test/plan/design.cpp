// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/design.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr design_query on_h800{
    .attention = catalog::h800, .ffn = catalog::h800, .card = 400_Gbps, .context = 8192_tokens};
constexpr design_query on_h20{.attention = catalog::h20, .ffn = catalog::h20, .card = 400_Gbps, .context = 8192_tokens};
constexpr design_query on_910b{
    .attention = catalog::ascend_910b, .ffn = catalog::ascend_910b, .card = 200_Gbps, .context = 8192_tokens};
constexpr design_query mixed{.attention = catalog::h20, .ffn = catalog::h800, .card = 400_Gbps, .context = 8192_tokens};

constexpr bool is_step3(const design_point& p) {
    return p.hidden == 7168 && p.query_heads == 64 && p.kv_heads == 1 && p.head_dim == 256 && p.experts == 48 &&
           p.active == 3 && p.width == 5120;
}
design_set found(const design_query& q) {
    design_set set;
    search(set, q);
    return set;
}
const design_point* step3_of(const design_set& set, int bits) {
    for (int i = 0; i < set.count; ++i) {
        if (is_step3(set.points[i]) && set.points[i].cache.bits == bits) return &set.points[i];
    }
    return nullptr;
}
constexpr design_point step3_shape{.hidden = 7168,
                                   .query_heads = 64,
                                   .kv_heads = 1,
                                   .head_dim = 256,
                                   .experts = 48,
                                   .active = 3,
                                   .width = 5120,
                                   .cache = stored::fp8};
constexpr double least_sparsity(const design_query& q) { return sparsity_bound(q, 7168); }
constexpr bool near(double a, double b, double by) { return a > b - by && a < b + by; }
} // namespace

// Table 7 of the Step-3 report. An A800 and a 910B multiply in 16 bits: their weights are one byte, their balance
// lower.
static_assert(near(least_sparsity(on_h800), 0.058, 0.0005) && near(least_sparsity(on_h20), 0.007, 0.0005) &&
              near(least_sparsity(on_910b), 0.034, 0.0005));
// DeepSeek-V3's 9 of 257 cannot keep an H800 busy; Step-3's 4 of 49 can, up to a hidden size of 10,000.
static_assert(moe({256, 8, 1, 2048}).sparsity() < least_sparsity(on_h800));
static_assert(moe({48, 3, 1, 5120}).sparsity() > least_sparsity(on_h800));
static_assert(hidden_bound(on_h800, 4.0 / 49) > 10000 && hidden_bound(on_h800, 4.0 / 49) < 10100);
static_assert(hidden_bound(on_h800, 9.0 / 257) < 7168);
// Section 5.1's 26 %: the share of an H800 that experts of 5,120 feed through one card.
static_assert(near(width_bound(on_h800, 0.26), 5120, 60));

TEST_CASE("Step-3's own shape is a point of the set for H800, H20, 910B and for H20 with H800") {
    const double costs[] = {0.0630, 0.0801, 0.0789, 0.0550}; // its sums at 8K, dollars a million tokens
    int i = 0;
    for (const design_query& q : {on_h800, on_h20, on_910b, mixed}) {
        CAPTURE(i);
        const design_set set = found(q);
        CHECK(set.dropped == 0);
        CHECK(set.count > 10);
        CHECK(set.considered > 1000);
        const design_point* p = step3_of(set, 8);
        REQUIRE(p != nullptr);
        CHECK(p->cost.value * 1e6 == doctest::Approx(costs[i]).epsilon(0.004));
        CHECK(p->intensity.value == doctest::Approx(128));
        ++i;
    }
}

TEST_CASE("no point of a set beats another and all keep the bounds") {
    const design_set set = found(on_h800);
    for (int i = 0; i < set.count; ++i) {
        const design_point& p = set.points[i];
        CHECK(p.sparsity >= p.sparsity_least);
        CHECK(p.parameters >= 300e9);
        CHECK(p.parameters <= 330e9);
        for (int k = 0; k < set.count; ++k) CHECK_FALSE(beats(set.points[k], p));
    }
}

TEST_CASE("four bits of cache double the intensity and pay where attention is bound by memory") {
    const auto gain = [](design_query q) {
        design_point eight = step3_shape, four = step3_shape;
        four.cache = q.caches[1];
        REQUIRE(complete(eight, q));
        REQUIRE(complete(four, q));
        CHECK(four.intensity.value == doctest::Approx(2 * eight.intensity.value));
        return 1 - four.cost / eight.cost;
    };
    CHECK(gain(on_h800) > 0.3);                // balance 591 against 128
    CHECK(gain(on_h20) == doctest::Approx(0)); // 74: bound by FLOPS already
    CHECK(gain(on_910b) > 0.02);               // 175: to its FLOPS, not further
    CHECK(gain(on_910b) < 0.2);
}

TEST_CASE("narrower weights and speculation let experts be sparser and a slower network wants them denser") {
    design_query q = on_h800;
    q.weights = {math::fp8, 4};
    CHECK(least_sparsity(q) == doctest::Approx(least_sparsity(on_h800) / 2));
    design_point p = step3_shape;
    REQUIRE(complete(p, on_h800));
    const double knee = p.batch.value;
    REQUIRE(complete(p, q));
    CHECK(p.batch.value == doctest::Approx(knee / 2));
    q = on_h800;
    q.accepted = 1.7;
    CHECK(least_sparsity(q) == doctest::Approx(least_sparsity(on_h800) / 1.7));
    q = on_h800;
    q.card = units::wire_rate(40e9); // what DeepEP measured of 50
    CHECK(least_sparsity(q) == doctest::Approx(0.073).epsilon(0.01));
    CHECK(step3_of(found(q), 8) != nullptr);
    q.card = 200_Gbps;
    CHECK(step3_of(found(q), 8) == nullptr); // 4 of 49 no longer feeds an H800
}

TEST_CASE("a longer context makes the cache dearer and leaves the bounds of the experts alone") {
    design_query q = on_h800;
    q.context = 32768_tokens;
    design_point shorter = step3_shape, longer = step3_shape;
    REQUIRE(complete(shorter, on_h800));
    REQUIRE(complete(longer, q));
    CHECK(longer.cost > shorter.cost * 2.0);
    CHECK(longer.sparsity_least == shorter.sparsity_least);
}

TEST_CASE("a full set says how many it had no room for") {
    design_set set;
    for (int i = 0; i < design_set::points_max + 3; ++i) {
        set.add({.active_experts = 1.0 + i, .cost = units::usd_per_token(1.0 + i)});
    }
    CHECK(set.count == design_set::points_max);
    CHECK(set.dropped == 3);
    set.add({.active_experts = 1e9, .cost = units::usd_per_token(0.5)});
    CHECK(set.count == 1);
}
