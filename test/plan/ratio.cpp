// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/ratio.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

#include "nvl72.hpp"

using namespace ashlar;
using namespace ashlar::plan;

namespace {
constexpr ratio_curve curve(double attention, double fixed, double per_unit) {
    return {units::second(attention), units::second(fixed), units::second(per_unit)};
}

struct regrets {
    double mean = 0, worst = 0;
    int triples = 0;
};
regrets over_all_triples(const nvl72::sweep& s, const ratio_curve& prior) {
    regrets sum;
    for (int i = 0; i < s.count; ++i) {
        for (int j = i + 1; j < s.count; ++j) {
            for (int k = j + 1; k < s.count; ++k) {
                const double lost =
                    s.regret(nvl72::chosen(s, prior, {s.points[i].ratio, s.points[j].ratio, s.points[k].ratio}));
                sum.mean += lost;
                sum.worst = lost > sum.worst ? lost : sum.worst;
                ++sum.triples;
            }
        }
    }
    sum.mean /= sum.triples;
    return sum;
}
} // namespace

// The rule of arXiv 2601.21351: balance where attention is long, the square root where it is not.
static_assert(best_ratio(curve(10, 4, 1), 100) == 6);
static_assert(best_ratio(curve(1, 16, 1), 100) == 4);
static_assert(best_ratio(curve(1, 16, 0), 100) == 100);
static_assert(best_of(curve(10, 4, 1), {1, 16}) == 6);
static_assert(best_of(curve(10, 4, 1), {2, 16, 4}) == 6);
static_assert(best_of(curve(10, 4, 1), {4, 16, 4}) == 4, "4 and 8 lie beside it");
static_assert(best_of(curve(10, 4, 1), {8, 16}) == 8, "the best lies below the range");

// Probes at the smallest ratio, 8 and 16: at most 1.1 % lost on each sweep, by one rule for all contexts.
static_assert(nvl72::sweeps[0].regret(nvl72::chosen(nvl72::sweeps[0], nvl72::prior(nvl72::sweeps[0]), {4, 8, 16})) <
              0.011);
static_assert(nvl72::sweeps[1].regret(nvl72::chosen(nvl72::sweeps[1], nvl72::prior(nvl72::sweeps[1]), {3, 8, 16})) <
              0.011);
static_assert(nvl72::sweeps[2].regret(nvl72::chosen(nvl72::sweeps[2], nvl72::prior(nvl72::sweeps[2]), {3, 8, 16})) <
              0.011);
static_assert(nvl72::sweeps[3].regret(nvl72::chosen(nvl72::sweeps[3], nvl72::prior(nvl72::sweeps[3]), {3, 8, 16})) <
              0.011);

TEST_CASE("three probes choose a ratio close to the best measured one on every sweep") {
    for (const nvl72::sweep& s : nvl72::sweeps) {
        CAPTURE(s.name);
        const ratio_curve prior = nvl72::prior(s);
        CHECK(s.regret(nvl72::chosen(s, prior, {s.points[0].ratio, 8, 16})) < 0.011);
        const regrets all = over_all_triples(s, prior);
        CAPTURE(all.mean);
        CAPTURE(all.worst);
        CHECK(all.worst <= 0.04);
    }
}

TEST_CASE("over all triples of probes the mean regret is at most 1.5 percent") {
    double mean = 0;
    int triples = 0;
    for (const nvl72::sweep& s : nvl72::sweeps) {
        const regrets all = over_all_triples(s, nvl72::prior(s));
        mean += all.mean * all.triples;
        triples += all.triples;
    }
    CHECK(triples == 286 + 3 * 364);
    CHECK(mean / triples <= 0.015);
}

TEST_CASE("without probes the prior decides and with exact ones they do") {
    const ratio_curve truth = curve(20, 10, 2), prior = curve(24, 8, 3);
    const ratio_range range{1, 32};
    CHECK(choose(refit(prior, {}), range) >= 4);
    CHECK(choose(refit(prior, {}), range) <= 6);
    ratio_probe probes[6] = {};
    const int at[] = {16, 1, 8, 2, 12, 4}; // not sorted
    for (int i = 0; i < 6; ++i) probes[i] = {at[i], truth.step(at[i])};
    const ratio_fit fit = refit(prior, probes, {.probe = 0.005});
    CHECK(choose(fit, range) == 5);
    CHECK(expected_share(fit, 5, range) > 0.98);
    CHECK(expected_share(fit, 5, range) <= 1.0000001);
}

TEST_CASE("equal probes and probes on one branch still give a ratio of the range") {
    const ratio_curve prior = curve(20, 10, 2);
    const ratio_probe same[] = {{4, units::second(20)}, {4, units::second(20)}, {4, units::second(20)}};
    const ratio_probe flat[] = {{1, units::second(20)}, {2, units::second(20)}, {3, units::second(20)}};
    const ratio_probe falling[] = {{2, units::second(30)}, {8, units::second(20)}, {16, units::second(10)}};
    for (const auto& probes : {std::span(same), std::span(flat), std::span(falling)}) {
        const int r = choose(refit(prior, probes), {2, 16, 2});
        CHECK(r >= 2);
        CHECK(r <= 16);
        CHECK(r % 2 == 0);
    }
}

TEST_CASE("a probe that measured nothing changes nothing") {
    const ratio_curve prior = curve(20, 10, 2);
    const ratio_probe good[] = {{8, units::second(27)}, {16, units::second(41)}};
    const ratio_fit without = refit(prior, good);
    const double limits[] = {std::nan(""), 0, -1, INFINITY, 1e-300, 1e300};
    for (const double seconds : limits) {
        CAPTURE(seconds);
        const ratio_probe probes[] = {{4, units::second(seconds)}, good[0], good[1]};
        const ratio_fit fit = refit(prior, probes);
        CHECK(choose(fit, {1, 16}) == choose(without, {1, 16}));
        CHECK(expected_share(fit, 8, {1, 16}) == expected_share(without, 8, {1, 16}));
    }
    const ratio_probe no_ratio[] = {{0, units::second(20)}, good[0], good[1]};
    CHECK(choose(refit(prior, no_ratio), {1, 16}) == choose(without, {1, 16}));
    CHECK(expected_share(without, 8, {1, 16}) > 0.5);
}

TEST_CASE("a flat optimum takes the fewest devices") {
    const ratio_curve nearly_free = curve(20, 20, 0.02);
    ratio_probe probes[3] = {};
    for (int i = 0; i < 3; ++i) probes[i] = {8 * (i + 1), nearly_free.step(8 * (i + 1))};
    const ratio_fit fit = refit(nearly_free, probes, {.probe = 0.001, .memory = 0.001, .per_unit = 0.01});
    CHECK(choose(fit, {1, 64}, 0) == best_of(nearly_free, {1, 64}));
    CHECK(choose(fit, {1, 64}, 0.01) < 22);
}

TEST_CASE("a barrier over unequal attention units lowers what many of them are worth") {
    ratio_curve c = curve(20, 10, 1);
    CHECK(best_of(c, {1, 32}) == 10);
    c.spread = units::second(1);
    CHECK(c.step(10) > units::second(22));
    CHECK(best_of(c, {1, 32}) > 10); // the step is longer than balance, so more attention units fit under it
    CHECK(c.rate(best_of(c, {1, 32})) < curve(20, 10, 1).rate(10));
}

TEST_CASE("the load of a slot is biased to long answers") {
    slot_load fixed, geometric;
    fixed.finished(100, 500);
    CHECK(fixed.mean().value == doctest::Approx(100 + 499 / 2.0));
    for (int i = 0; i < 20'000; ++i) { // quantiles of a geometric distribution with mean 500
        geometric.finished(100, static_cast<int>(logarithm((i + 0.5) / 20'000) / logarithm(1 - 1.0 / 500)) + 1);
    }
    CHECK(geometric.mean().value == doctest::Approx(100 + 500).epsilon(0.01));
    CHECK(slot_load{}.mean().value == 0);
}
