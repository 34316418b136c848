// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>
#include <ashlar/plan/catalog_racks.hpp>

#include <iterator>
#include <string_view>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
struct published {
    const model* what;
    double all, active; // billions
    double tolerance;
};
} // namespace

TEST_CASE("models have the parameters that their cards say") {
    const published cards[] = {
        {&catalog::step3, 316, 38, 0.025},
        {&catalog::deepseek_v3, 671, 37, 0.015},
        {&catalog::deepseek_v32, 671, 37, 0.04},
        {&catalog::kimi_k2, 1026, 32, 0.03},
        {&catalog::qwen3_235b, 235, 22, 0.01},
        {&catalog::qwen3_30b, 30.5, 3.3, 0.015},
        {&catalog::qwen3_32b, 32.8, 32.8, 0.01},
        {&catalog::qwen3_8b, 8.2, 8.2, 0.01},
        {&catalog::llama4_maverick, 400, 17, 0.02},
        {&catalog::minimax_m1, 456, 45.9, 0.06},
        {&catalog::minimax_m25, 229, 10, 0.1},
        {&catalog::ernie_45, 300, 47, 0.02},
        {&catalog::pangu_pro, 72, 16.5, 0.01},
        {&catalog::llama31_405b, 405, 405, 0.005},
        {&catalog::smollm2_135m, 0.1345, 0.1345, 0.005},
        {&catalog::deepseek_v4_pro, 1600, 49, 0.02},
    };
    CHECK(std::size(cards) == std::size(catalog::models));
    for (const published& card : cards) {
        CAPTURE(card.what->name);
        CHECK(well_formed(*card.what));
        CHECK(count_weights(*card.what).total() / 1e9 == doctest::Approx(card.all).epsilon(card.tolerance));
        CHECK(count_weights(*card.what).active() / 1e9 == doctest::Approx(card.active).epsilon(card.tolerance));
    }
}

TEST_CASE("layers add up to what the configurations say") {
    CHECK(catalog::step3.layers() == 61);
    CHECK(catalog::step3.moe_layers() == 56);
    CHECK(catalog::deepseek_v3.moe_layers() == 58);
    CHECK(catalog::deepseek_v4_pro.layers() == 61);
    CHECK(catalog::llama4_maverick.layers() == 48);
    CHECK(catalog::llama4_maverick.moe_layers() == 24);
    CHECK(catalog::minimax_m1.layers() == 80);
    CHECK(catalog::ernie_45.layers() == 54);
    CHECK(kv_bytes(catalog::step3, 1_tokens).value == 31'232);
    CHECK(kv_bytes(catalog::llama31_405b, 1'000'000_tokens).value == doctest::Approx(516e9).epsilon(1e-3));
}

TEST_CASE("DeepSeek-V4 at a million tokens needs about 27 % of V3.2's FLOP and a tenth of its cache, as claimed") {
    const units::token million = 1'000'000_tokens;
    const double flop = work_per_token(catalog::deepseek_v4_pro, million).total() /
                        work_per_token(catalog::deepseek_v32, million).total();
    CHECK(flop == doctest::Approx(0.27).epsilon(0.03));
    const double cache = kv_bytes(catalog::deepseek_v4_pro, million) / kv_bytes(catalog::deepseek_v32, million);
    CHECK(cache > 0.09);
    CHECK(cache < 0.12);
}

TEST_CASE("every device says where its numbers are from, and how sure they are") {
    for (const device* d : catalog::devices) {
        CAPTURE(d->name);
        CHECK(d->name[0] != 0);
        CHECK(d->source[0] != 0);
        CHECK(d->as_of.year >= 2025);
        CHECK(d->as_of.month >= 1);
        CHECK(well_formed(*d));
        CHECK(d->dense.bf16 + d->dense.fp8 + d->dense.fp4 > units::flop_rate());
        CHECK((d->scale_up_size == 1 || d->scale_up_size >= 8));
    }
    CHECK(catalog::rubin.is == status::announced);
    CHECK(catalog::h100.is == status::shipping);
}

TEST_CASE("every rack has a main device, a domain that holds it, and a source") {
    for (const rack* r : catalog::racks) {
        CAPTURE(r->name);
        CHECK(r->source[0] != 0);
        CHECK(well_formed(r->scale_up));
        CHECK(r->devices() == r->main.scale_up_size);
        CHECK((r->prefill_count == 0) == (r->prefill.name[0] == 0));
    }
}

TEST_CASE("links are as fast as their names and count one direction") {
    CHECK(catalog::nvlink4.rate.value == 450e9);
    CHECK(catalog::nvlink4_h800.rate.value * catalog::nvlink4_h800.efficiency == 160e9);
    CHECK(catalog::nvlink5.rate.value == 900e9);
    CHECK(catalog::nvlink6.rate.value == 1800e9);
    CHECK(catalog::pcie6_x16.rate.value == 16 * 64e9 / 8);
    CHECK(catalog::roce200.rate.value == 25e9);
    CHECK(catalog::roce400_deepep.rate.value * catalog::roce400_deepep.efficiency == 40e9);
    CHECK(catalog::infiniband800.rate.value == 100e9);
    CHECK_FALSE(catalog::efa400.ordered);
    CHECK(world_size(catalog::hgx8::value) == catalog::h100.scale_up_size);
}

TEST_CASE("names in the catalogue are unique") {
    const auto unique = [](const auto& list) {
        for (const auto* a : list) {
            for (const auto* b : list) CHECK((a == b || std::string_view(a->name) != b->name));
        }
    };
    unique(catalog::models);
    unique(catalog::devices);
    unique(catalog::racks);
}

TEST_CASE("a price or a measured bandwidth is changed by the one who knows it") {
    device mine = catalog::h800;
    mine.price = 1.60_usd_per_hour;
    CHECK(mine.price < catalog::h800.price);
    CHECK(mine.dense == catalog::h800.dense);
}
