// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/stage.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>
#include <ashlar/plan/roofline.hpp>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr serving_work step3 = work_of(catalog::step3, 8192_tokens, stored::fp8);
} // namespace

static_assert(step3.layers == 61 && step3.routed_layers == 56 && step3.kind_count == 2);
static_assert(step3.kv_request == kv_bytes(catalog::step3, 8192_tokens));

// Section 6 of the Step-3 report: the projections of a layer, o_proj cut over 8, are 67 MB: on an L4 that is more than
// the 300 GB/s give in 272 us once a kernel reaches 80 %. An L20 reads it in 78 us.
static_assert(attention_weights(catalog::step3.groups[0].mix, 7168) - 64 * 256 * 7168 * 7.0 / 8 < 67e6);

TEST_CASE("without shares and starts the stages add up to the roofline of a step") {
    const device& d = catalog::h800;
    for (const double requests : {1.0, 16.0, 200.0}) {
        const units::second layers = (attention_time(step3, d, reached::ideal, {.requests = requests}) +
                                      ffn_time(step3, d, reached::ideal, requests, 1)) *
                                     61.0;
        const step_time all = decode_step(catalog::step3, d, units::request(requests), 8192_tokens, stored::fp8);
        CHECK(layers.value >= (all.attention() + all.ffn.time()).value * 0.999); // a limit for each kind of layer
        CHECK(layers.value <= (all.attention() + all.ffn.time()).value * 1.2);
    }
}

TEST_CASE("a cache of 16 bits is multiplied in 16 bits, whatever weights are stored in") {
    const model wide = with_kv(catalog::deepseek_v3, stored::bf16);
    const serving_work w = work_of(wide, 32768_tokens, stored::fp8);
    for (const device* d : {&catalog::h20, &catalog::h800}) {
        const stage_costs c = costs_on(w, *d, reached::ideal);
        units::second core;
        for (int i = 0; i < c.kind_count; ++i) core += c.kinds[i].core * c.kinds[i].count;
        const step_time all = decode_step(wide, *d, 1_requests, 32768_tokens, stored::fp8);
        CHECK(core.value == doctest::Approx(all.core.value));
    }
}

TEST_CASE("cutting a stage over ranks divides its work and kernels reach their shares") {
    const device& d = catalog::h800;
    const units::second one = attention_time(step3, d, reached::ideal, {.requests = 512});
    const units::second cut =
        attention_time(step3, d, reached::ideal, {.requests = 512, .ranks = 8, .weight_ranks = 8});
    CHECK(cut.value == doctest::Approx(one.value / 8));
    CHECK(ffn_time(step3, d, reached::ideal, 4096, 16) < ffn_time(step3, d, reached::ideal, 4096, 8));
    efficiency half{.attention = 0.5, .weights = 0.5, .flop = 0.5};
    CHECK(attention_time(step3, d, half, {.requests = 512}).value == doctest::Approx(2 * one.value));
    half.attention_start = units::second(1e-3);
    CHECK(attention_time(step3, d, half, {.requests = 512}).value == doctest::Approx(2 * one.value + 1e-3));
}

TEST_CASE("the slowest kind of layer of a hybrid model is told") {
    const serving_work w = work_of(catalog::minimax_m1, 131072_tokens, stored::fp8);
    units::second longest;
    const units::second mean = attention_time(w, catalog::h800, reached::ideal, {.requests = 32}, &longest);
    CHECK(longest > mean * 3.0); // one layer of eight sees everything
}

TEST_CASE("a device without a published peak never waits for arithmetic") {
    const units::second t = attention_time(step3, catalog::l20, reached::ideal, {.requests = 8});
    CHECK(t.value > 0);
    CHECK(t < units::second(1));
}

TEST_CASE("a group that fits the scale-up domain uses its port and a larger one the card") {
    CHECK(port(catalog::h800, 8) == catalog::h800.scale_up);
    CHECK(port(catalog::h800, 16) == catalog::h800.scale_out);
    CHECK(port(catalog::gb200, 72) == catalog::gb200.scale_up);
    CHECK(port(catalog::ascend_910b, 2) == catalog::ascend_910b.scale_out); // no port published
}

TEST_CASE("nothing sent takes no time and a row costs its bytes and its start") {
    const efficiency e{.dispatch = 0.5, .dispatch_start = units::second(1e-5)};
    CHECK(exchange_time(step3, units::wire_rate(50e9), e, 0, {}).both().value == 0);
    const exchange x = exchange_time(step3, units::wire_rate(50e9), e, 128, {});
    CHECK(x.dispatch.value == doctest::Approx(1e-5 + 128 * 7168 / 25e9));
    CHECK(x.combine.value == doctest::Approx(128 * 7168 * 2 / 50e9));
}

TEST_CASE("ten million tokens of context stay finite") {
    const serving_work w = work_of(catalog::deepseek_v3, units::token(1e7), stored::fp8);
    CHECK(attention_time(w, catalog::gb200, reached::large_kernels, {.requests = 1e5}).value > 0);
    CHECK(ffn_time(w, catalog::gb200, reached::large_kernels, 1e10, 1e5).value < 1e6);
}
