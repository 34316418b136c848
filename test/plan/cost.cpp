// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/cost.hpp>

#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
constexpr device four[] = {catalog::h800, catalog::h20, catalog::a800, catalog::ascend_910b};
double million(units::usd_per_token c) { return per_million(c).value; }
} // namespace

TEST_CASE("the exact convention moves MLA where it is bound by FLOP, and nothing else") {
    const auto cost = [](const model& m, const device& d, convention how) {
        return million(attention_cost(work_per_token(m, 8192_tokens, how), d));
    };
    CHECK(cost(catalog::deepseek_v3, catalog::h20, convention::step3) == doctest::Approx(0.128).epsilon(4e-3));
    CHECK(cost(catalog::deepseek_v3, catalog::h20, convention::exact) == doctest::Approx(0.122).epsilon(4e-3));
    CHECK(cost(catalog::deepseek_v3, catalog::h800, convention::step3) ==
          cost(catalog::deepseek_v3, catalog::h800, convention::exact));
    CHECK(cost(catalog::step3, catalog::h20, convention::step3) ==
          cost(catalog::step3, catalog::h20, convention::exact));
}

TEST_CASE("sparse attention beats Step-3 in Step-3's own accounting") {
    const auto best = [](const model& m, units::token context) {
        return million(cheapest(m, four, context, convention::step3).total());
    };
    CHECK(best(catalog::deepseek_v32, 8192_tokens) == doctest::Approx(0.043).epsilon(1e-2));
    CHECK(best(catalog::deepseek_v32, 32768_tokens) == doctest::Approx(0.076).epsilon(1e-2));
    CHECK(best(catalog::deepseek_v32, 131072_tokens) == doctest::Approx(0.147).epsilon(1e-2));
    CHECK(best(catalog::deepseek_v32, 8192_tokens) < best(catalog::step3, 8192_tokens));
}

TEST_CASE("the cheapest device of each half may differ, and one without a price is none") {
    const token_cost split = cost_per_token(catalog::step3, catalog::h20, catalog::h800, 8192_tokens);
    const token_cost best = cheapest(catalog::step3, four, 8192_tokens);
    CHECK(best.attention == split.attention);
    CHECK(best.ffn == split.ffn);
    const device free_lunch[] = {catalog::h100, catalog::h20};
    CHECK(cheapest(catalog::step3, free_lunch, 8192_tokens).total() ==
          cost_per_token(catalog::step3, catalog::h20, catalog::h20, 8192_tokens).total());
    const device none[] = {catalog::h100};
    CHECK(million(cheapest(catalog::step3, none, 8192_tokens).total()) > 1e300);
}

TEST_CASE("a batch pays for reading weights, and less the larger it is") {
    double before = 1e9;
    for (int batch = 1; batch <= 4096; batch *= 4) {
        const double now =
            million(exact_cost(catalog::step3, catalog::h800, units::request(batch), 8192_tokens, stored::fp8));
        CHECK(now < before);
        before = now;
    }
    const double bound = million(cost_per_token(catalog::step3, catalog::h800, catalog::h800, 8192_tokens).total());
    CHECK(before > bound); // the ideal batch, no head
    CHECK(before < 1.2 * bound);
}
