// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/colocated.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
serving_work deepseek(double context) { return work_of(catalog::deepseek_v3, units::token(context), stored::fp8); }
colocated_options within(double seconds, double ranks) { return {.ranks = ranks, .per_token = units::second(seconds)}; }
} // namespace

TEST_CASE("the largest batch meets its limit and the next one of its size does not") {
    const auto steps = [](double n) { return units::second(n < 40 ? 1 + n : 41 + 4 * (n - 40)); };
    const auto largest = [&](double most, double limit) {
        return largest_batch({most, steps(most)}, units::second(1), units::second(limit), steps).requests;
    };
    for (const double limit : {2.0, 3.0, 10.0, 60.0, 200.0, 270.0}) {
        const double n = largest(100, limit);
        CHECK(n >= 1);
        CHECK(steps(n).value <= limit);
        CHECK(steps(n * 1.15 + 1).value > limit);
    }
    CHECK(largest(100, 1.5) == 0);
    CHECK(largest(100, 0.5) == 0);
    CHECK(largest(100, 1e9) == 100);
    CHECK(largest(1e9, 1e6) > 2e5);
}

TEST_CASE("a colocated step adds up the same stages as anything else") {
    const serving_work w = deepseek(4096);
    const device& d = catalog::h200;
    const colocated_options o = within(0.1, 32);
    for (const double requests : {1.0, 24.0, 256.0}) {
        const units::second layers =
            (attention_time(w, d, o.reached, {.requests = requests}) + ffn_time(w, d, o.reached, requests * 32, 32)) *
            61.0;
        const units::second way = exchange_time(w, d.scale_out, o.reached, requests * 8 * 0.75, o.wire).both() * 58.0;
        CHECK(wide_ep_step(w, d, o, requests, 8).value ==
              doctest::Approx((layers + way + head_time(w, d, o.reached, requests)).value));
    }
}

TEST_CASE("wide EP takes what memory and objective allow") {
    const serving_work w = deepseek(4096);
    const colocated_plan loose = best_wide_ep(w, catalog::h200, within(0.1, 32));
    const colocated_plan tight = best_wide_ep(w, catalog::h200, within(0.03, 32));
    CHECK(tight.per_token <= units::second(0.03));
    CHECK(loose.requests > tight.requests);
    CHECK(loose.rate >= tight.rate);
    CHECK_FALSE(best_wide_ep(w, catalog::h200, within(0.001, 32)).feasible());
    CHECK_FALSE(best_wide_ep(w, catalog::h200, within(0.1, 2)).feasible()); // 671 GB do not fit two of 141
    const double kv = loose.requests * w.kv_request.value + (w.ffn_weights / 32).value + w.attention_weights.value;
    CHECK(kv <= catalog::h200.memory.value);
}

TEST_CASE("two halves hide the way where it is long and cost twice the weights where it is short") {
    const serving_work w = deepseek(4096);
    const colocated_options o = within(0.1, 32);
    CHECK(wide_ep_step(w, catalog::h200, o, 256, 8, true) < wide_ep_step(w, catalog::h200, o, 256, 8));
    CHECK(wide_ep_step(w, catalog::gb200, o, 8, 8, true) > wide_ep_step(w, catalog::gb200, o, 8, 8));
}

TEST_CASE("a request too long for one device is served by Helix alone") {
    const serving_work w = work_of(catalog::llama31_405b, 1000000_tokens, stored::fp8);
    CHECK_FALSE(best_wide_ep(w, catalog::gb200, within(0.1, 64)).feasible()); // 516 GB of cache
    const colocated_plan helix = best_helix(w, catalog::gb200, within(0.1, 64));
    CHECK(helix.feasible());
    CHECK(helix.per_token <= units::second(0.1));
}

TEST_CASE("a domain that holds all ranks is compared once, and Helix leaves one that is too small") {
    const auto ways = [](const model& m, const device& on, double ranks) {
        const serving_work w = work_of(m, 4096_tokens, stored::fp8);
        const colocated_options o = within(0.2, ranks);
        return best_ways(w, on, o, costs_on(w, on, o.reached));
    };
    const colocated_ways one = ways(catalog::deepseek_v3, catalog::gb200, 64);
    CHECK(one.wide_ep.feasible());
    CHECK_FALSE(one.domain_ep.feasible());
    CHECK(one.domain == 64);
    CHECK(one.helix_over == 64);
    const colocated_ways eight = ways(catalog::deepseek_v3, catalog::h200, 48);
    CHECK(eight.domain_ep.feasible());
    CHECK(eight.domain == 8);
    CHECK(eight.helix_over == 8);
    const colocated_ways large = ways(catalog::deepseek_v4_pro, catalog::h200, 48); // 1.6 TB
    CHECK_FALSE(large.domain_ep.feasible());
    CHECK(large.helix.feasible());
    CHECK(large.helix_over == 48);
}

TEST_CASE("all that Helix sends takes what kernels reach of a wire") {
    const serving_work w = deepseek(4096);
    const auto way = [&](double share) {
        colocated_options o = within(0.1, 8);
        o.reached.combine = share;
        return helix(w, catalog::h200, o, costs_on(w, catalog::h200, o.reached)).way;
    };
    CHECK(way(0.5).value == doctest::Approx(2 * way(1).value));
}

TEST_CASE("one short request after the other is no work for sixty-four ranks") {
    const serving_work w = deepseek(1024);
    CHECK(best_wide_ep(w, catalog::gb200, within(0.05, 64)).rate >
          best_helix(w, catalog::gb200, within(0.05, 64)).rate);
}

// vLLM publishes 2.2k tokens/s an H200 for DeepSeek with wide EP over InfiniBand (its blog, 17 December 2025), without
// batch, context or width. A plan's rate is what the roofline and good kernels allow: it has to lie above.
TEST_CASE("the published rate of wide EP on H200 lies below what its hardware allows") {
    for (const double context : {2048.0, 4096.0}) {
        for (const double ranks : {16.0, 32.0}) {
            CHECK(best_wide_ep(deepseek(context), catalog::h200, within(0.05, ranks)).rate > 2200);
        }
    }
}

TEST_CASE("a hundred thousand ranks and ten million tokens stay finite") {
    const serving_work w = deepseek(1e7);
    const colocated_plan wide = best_wide_ep(w, catalog::gb200, within(100, 1e5));
    const colocated_plan helix = best_helix(w, catalog::gb200, within(100, 1e5));
    CHECK(wide.rate >= 0);
    CHECK(helix.rate > 0);
    CHECK(helix.per_token <= units::second(100));
}

TEST_CASE("a tied head reads its one table and memory holds it once") {
    const serving_work tied = work_of(catalog::smollm2_135m, 1024_tokens, stored::bf16);
    CHECK(tied.tables == tied.head_table);
    const serving_work apart = deepseek(1024);
    CHECK(apart.tables == apart.head_table * 2.0);
    CHECK(head_time(apart, catalog::h200, reached::ideal, 1).value ==
          doctest::Approx(apart.head_table.value / catalog::h200.bandwidth.value));
}
