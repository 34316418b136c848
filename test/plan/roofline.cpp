// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/roofline.hpp>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

#include <initializer_list>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

TEST_CASE("work takes the longer of its FLOP and its bytes") {
    constexpr device d{.dense = {.fp8 = 1_PFLOPS}, .bandwidth = 1_TBps};
    constexpr roofline heavy = roof(units::flop(1e15), 1_GB, d, math::fp8);
    static_assert(heavy.by() == limit::compute && heavy.time().value == 1);
    constexpr roofline light = roof(units::flop(1e12), 1_TB, d, math::fp8);
    static_assert(light.by() == limit::memory && light.time().value == 1);
    CHECK(roof({}, {}, d, math::fp8).time() == units::second());
}

TEST_CASE("a step is bound by weights below the knee and by FLOP above it") {
    const units::token context = 8192_tokens;
    const double knee = knee_batch(catalog::step3.groups[0].feed, balance(catalog::h800, math::fp8)).value;
    const model experts_only{.hidden = 7168, .groups = {catalog::step3.groups[0]}};
    const auto step = [&](double batch) {
        return decode_step(experts_only, catalog::h800, units::request(batch), context, stored::fp8);
    };
    CHECK(step(0.9 * knee).ffn.by() == limit::memory);
    CHECK(step(1.1 * knee).ffn.by() == limit::compute);
}

TEST_CASE("a large batch costs what its FLOP cost, and each of its parts is counted once") {
    const step_time step = decode_step(catalog::qwen3_8b, catalog::h20, 4096_requests, 1024_tokens, stored::fp8);
    const work w = work_per_token(catalog::qwen3_8b, 1024_tokens);
    CHECK(step.ffn.compute.value == doctest::Approx((w.feed * 4096 / 296_TFLOPS).value));
    CHECK(step.linear.compute.value == doctest::Approx((w.linear * 4096 / 296_TFLOPS).value));
    CHECK(step.head.compute.value == doctest::Approx((w.head * 4096 / 296_TFLOPS).value));
    CHECK(step.total() == step.core + step.linear.time() + step.ffn.time() + step.head.time());
    const units::byte weights = stored::fp8.of(count_weights(catalog::qwen3_8b).total() - 151936.0 * 4096);
    CHECK((step.linear.memory + step.ffn.memory + step.head.memory).value == doctest::Approx((weights / 4_TBps).value));
}

TEST_CASE("each group of layers meets its own limit") {
    // one compute-bound and one memory-bound kind of layer cannot hide behind each other
    const model hybrid{.hidden = 7168, .groups = {catalog::deepseek_v3.groups[0], catalog::qwen3_235b.groups[0]}};
    const step_time step = decode_step(hybrid, catalog::h20, 64_requests, 32768_tokens, stored::fp8);
    const work w = work_per_token(hybrid, 32768_tokens);
    CHECK(step.core > roof(w.core * 64, w.kv * 64, catalog::h20, math::fp8).time());
}

TEST_CASE("measured attention layers take between 1/0.95 and 1/0.6 of the roofline's time, but for one kernel") {
    // Step-3 report, Table 9: us a layer, 64 requests on each of four GPUs, BF16 attention, 8-bit GEMM
    const attention mfa_layer = mfa({64, 256, 2048}, stored::bf16), gqa_layer = gqa({64, 4, 128}, stored::bf16);
    const attention mla_layer = mla({.query_heads = 128, .query_rank = 1536}, stored::bf16);
    struct measured {
        attention mix;
        int hidden;
        const device* on;
        double us_8k, us_32k, least, most;
    };
    const measured table[] = {
        {mfa_layer, 7168, &catalog::h800, 281, 791, 0.6, 0.95},
        {mfa_layer, 7168, &catalog::h20, 438, 1452, 0.6, 0.95},
        {mfa_layer, 7168, &catalog::a800, 531, 1484, 0.6, 0.95},
        {mla_layer, 7168, &catalog::h800, 372, 1125, 0.6, 0.95},
        {mla_layer, 7168, &catalog::h20, 1252, 4817, 0.6, 0.95},
        {gqa_layer, 4096, &catalog::h800, 382, 1391, 0.6, 0.95},
        {gqa_layer, 4096, &catalog::a800, 791, 3010, 0.6, 0.95},
        {gqa_layer, 4096, &catalog::h20, 812, 3042, 0.3, 0.4},
    };
    for (const measured& m : table) {
        const model layer{.hidden = m.hidden, .groups = {{1, m.mix, dense(1)}}};
        for (const bool far : {false, true}) {
            const units::token context = far ? 32768_tokens : 8192_tokens;
            const units::second bound = decode_step(layer, *m.on, 64_requests, context, stored::fp8).attention();
            const double reached = bound.value * 1e6 / (far ? m.us_32k : m.us_8k);
            CAPTURE(m.on->name);
            CAPTURE(context.value);
            CHECK(reached > m.least);
            CHECK(reached < m.most);
        }
    }
}

TEST_CASE("a derated device is slower in what it is derated in") {
    const device half = derate(catalog::h800, 0.5, 0.8);
    CHECK(half.dense.fp8 == catalog::h800.dense.fp8 * 0.5);
    CHECK(half.bandwidth == catalog::h800.bandwidth * 0.8);
    CHECK(half.memory == catalog::h800.memory);
}

TEST_CASE("ten million tokens on a batch of a hundred thousand do not overflow") {
    constexpr step_time step =
        decode_step(catalog::deepseek_v3, catalog::h800, 100'000_requests, 10'000'000_tokens, stored::fp8);
    static_assert(step.total().value > 1e4 && step.total().value < 1.1e4);
    CHECK(step.core.value > 0);
}
