// SPDX-License-Identifier: Apache-2.0
// How many attention units one FFN unit serves. Both sides work at the same time, so a step takes the longer of
// attention's time, which does not know the ratio, and the FFN's, which grows with it:
//     step(r) = max(attention, fixed + per_unit r),      throughput of a device ~ r / ((r + 1) step(r))
// and the best ratio is the larger of the balance of both and sqrt(fixed / per_unit) (arXiv 2601.21351).
//
// Descriptors give a prior that errs by a tenth or by half; three measured steps correct it:
//
//     const ratio_probe probes[] = {{4, exact(24'753_us)}, {8, exact(28'510_us)}, {16, exact(40'150_us)}};
//     const ratio_fit fit = refit(prior, probes);
//     const int r = choose(fit, {.first = 1, .last = 16}); // the smallest ratio of those that are as good as the best
//
// Three points seldom say which branch they lie on. So no branch is picked: for each number of leading probes that may
// lie on the flat one, regularised least squares gives a curve, its error and its probability, and the ratio with the
// best expected throughput over all of them wins. Everything is closed form but the walk over integer ratios.
#pragma once

#include <cstdint>
#include <span>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/number.hpp>

namespace ashlar::inline v0::plan {

struct ratio_curve {
    units::second attention{};    // a step of one attention unit
    units::second ffn_fixed{};    // of the FFN unit's: weights read, kernels started
    units::second ffn_per_unit{}; // and what each attention unit adds
    units::second spread{};       // standard deviation of an attention unit's step: everybody waits for the slowest

    constexpr units::second step(double ratio) const {
        const double slowest = spread.value > 0 && ratio > 1 ? square_root(2 * logarithm(ratio)) : 0;
        return max(attention + spread * slowest, ffn_fixed + ffn_per_unit * ratio);
    }
    // Batches of an attention unit that a device unit finishes in a second.
    constexpr double rate(double ratio) const { return ratio / ((ratio + 1) * step(ratio).value); }
};

// The best real ratio of a curve without spread; `limit` where nothing binds.
constexpr double best_ratio(const ratio_curve& c, double limit) {
    const double per_unit = c.ffn_per_unit.value;
    if (!(per_unit > 0)) return limit;
    const double balance = (c.attention.value - c.ffn_fixed.value) / per_unit;
    const double peak = square_root(c.ffn_fixed.value / per_unit);
    const double best = balance > peak ? balance : peak;
    return best < limit ? best : limit;
}

// Ratios to choose from: first, first + stride ... <= last.
struct ratio_range {
    int first = 1, last = 1, stride = 1;
};

// The best of them: one of the two beside the real optimum. The smaller where both are equal.
constexpr int best_of(const ratio_curve& c, ratio_range in) {
    int best = in.first;
    if (c.spread.value > 0) {
        for (int r = in.first; r <= in.last; r += in.stride) best = c.rate(r) > c.rate(best) ? r : best;
        return best;
    }
    const double steps = (best_ratio(c, in.last) - in.first) / in.stride;
    const int low = in.first + (steps > 0 ? static_cast<int>(steps) * in.stride : 0);
    const int high = low + in.stride <= in.last ? low + in.stride : low;
    return c.rate(high) > c.rate(low) ? high : low;
}

struct ratio_probe {
    int ratio = 0;
    units::second step{};
};

// Relative standard deviations. What the form above misses on measured sweeps is 3 %; times that are bytes over a
// memory's bandwidth are known to 15 %; what a token adds on the FFN side (kernels, wires) is known within its size.
struct ratio_doubt {
    double probe = 0.03, memory = 0.15, per_unit = 1;
};

struct ratio_fit {
    static constexpr int probes_max = 8;
    static constexpr int branches_max = (probes_max + 1) * 9;
    struct branch {
        double weight = 0;
        ratio_curve curve{};
    };

    branch branches[branches_max] = {};
    int count = 0;
};

namespace detail {

constexpr double square(double x) { return x * x; }
constexpr double deviation(double value, double expected, double relative) {
    return square((value - expected) / (relative * expected));
}

} // namespace detail

// A measurement that came to nothing (a lost run, a clock that stood still) is none.
constexpr bool measured(const ratio_probe& p) { return p.ratio >= 1 && p.step.value > 1e-9 && p.step.value < 1e9; }

// Probes need not be sorted nor lie apart; up to probes_max of them, of which those that measured something count.
// None: the prior, with its doubt.
constexpr ratio_fit refit(const ratio_curve& prior, std::span<const ratio_probe> probes, ratio_doubt doubt = {}) {
    using detail::square;
    ASHLAR_ASSERT(probes.size() <= ratio_fit::probes_max);
    ASHLAR_ASSERT(prior.attention.value > 0 && prior.ffn_fixed.value > 0 && prior.ffn_per_unit.value > 0);
    ratio_probe sorted[ratio_fit::probes_max] = {};
    int count = 0;
    for (const ratio_probe& p : probes) {
        if (!measured(p)) continue;
        int at = count++;
        for (; at > 0 && sorted[at - 1].ratio > p.ratio; --at) sorted[at] = sorted[at - 1];
        sorted[at] = p;
    }
    const double a0 = prior.attention.value, f0 = prior.ffn_fixed.value, u0 = prior.ffn_per_unit.value;
    ratio_fit fit;
    double errors[ratio_fit::probes_max + 1] = {}, least = 0, volumes[ratio_fit::probes_max + 1] = {};
    for (int flat = 0; flat <= count; ++flat) { // so many probes lie on attention's branch
        double weight = 1 / square(doubt.memory * a0), weighted = weight * a0;
        double ff = 1 / square(doubt.memory * f0), uu = 1 / square(doubt.per_unit * u0), fu = 0;
        double f_side = ff * f0, u_side = uu * u0;
        for (int i = 0; i < count; ++i) {
            const double r = sorted[i].ratio, t = sorted[i].step.value, w = 1 / square(doubt.probe * t);
            if (i < flat) {
                weight += w;
                weighted += w * t;
            } else { // normal equations of the line
                ff += w;
                fu += w * r;
                uu += w * r * r;
                f_side += w * t;
                u_side += w * t * r;
            }
        }
        const double determinant = ff * uu - fu * fu;
        const double solved_f = (f_side * uu - fu * u_side) / determinant;
        const double solved_u = (ff * u_side - fu * f_side) / determinant;
        const ratio_curve centre{units::second(weighted / weight), units::second(solved_f > 0 ? solved_f : 0),
                                 units::second(solved_u > 0 ? solved_u : 0), prior.spread};
        double error = detail::deviation(centre.attention.value, a0, doubt.memory) +
                       detail::deviation(centre.ffn_fixed.value, f0, doubt.memory) +
                       detail::deviation(centre.ffn_per_unit.value, u0, doubt.per_unit);
        for (int i = 0; i < count; ++i) {
            error += detail::deviation(centre.step(sorted[i].ratio).value, sorted[i].step.value, doubt.probe);
        }
        errors[flat] = error;
        volumes[flat] = 1 / square_root(weight * determinant);
        least = flat == 0 || error < least ? error : least;
        // Three points each way, at 0 and +-sqrt(3) deviations, integrate a normal distribution: attention's time, and
        // the slope with the intercept that it implies.
        const double attention_off = 1 / square_root(weight), slope_off = square_root(ff / determinant);
        for (int i = -1; i <= 1; ++i) {
            for (int k = -1; k <= 1; ++k) {
                const double shifted = centre.ffn_per_unit.value + k * 1.7320508 * slope_off;
                const double slope = shifted > 0 ? shifted : 0;
                ratio_curve c = centre;
                c.attention += units::second(i * 1.7320508 * attention_off);
                c.ffn_fixed += units::second((slope - centre.ffn_per_unit.value) * -fu / ff);
                c.ffn_per_unit = units::second(slope);
                fit.branches[fit.count++] = {(i == 0 ? 4.0 : 1.0) * (k == 0 ? 4.0 : 1.0) / 36, c};
            }
        }
    }
    double all = 0;
    for (int i = 0; i < fit.count; ++i) {
        fit.branches[i].weight *= exponential((least - errors[i / 9]) / 2) * volumes[i / 9];
        all += fit.branches[i].weight;
    }
    for (int i = 0; i < fit.count; ++i) fit.branches[i].weight /= all;
    return fit;
}

// The share of the best throughput that a ratio is expected to reach, over all curves that the probes allow.
constexpr double expected_share(const ratio_fit& fit, int ratio, ratio_range in) {
    double sum = 0;
    for (int i = 0; i < fit.count; ++i) {
        const ratio_curve& c = fit.branches[i].curve;
        sum += fit.branches[i].weight * c.rate(ratio) / c.rate(best_of(c, in));
    }
    return sum;
}

// The smallest ratio that is expected to lose at most `slack` against the best: on a flat optimum fewer devices do.
constexpr int choose(const ratio_fit& fit, ratio_range in, double slack = 0.003) {
    double bests[ratio_fit::branches_max] = {}, top = 0;
    for (int i = 0; i < fit.count; ++i) {
        const ratio_curve& c = fit.branches[i].curve;
        bests[i] = fit.branches[i].weight / c.rate(best_of(c, in));
    }
    const auto share = [&](int r) {
        double sum = 0;
        for (int i = 0; i < fit.count; ++i) sum += bests[i] * fit.branches[i].curve.rate(r);
        return sum;
    };
    for (int r = in.first; r <= in.last; r += in.stride) top = share(r) > top ? share(r) : top;
    int r = in.first;
    while (r + in.stride <= in.last && share(r) < top - slack) r += in.stride;
    return r;
}

// Resident tokens of a slot in the long run, from requests that have finished: E[P D] / E[D] + (E[D^2] - E[D]) / 2 E[D]
// for prompts P and outputs D. Long answers hold their slots longer, so this lies above the mean of both.
struct slot_load {
    double outputs = 0, outputs_squared = 0, prompts_times_outputs = 0;

    constexpr void finished(double prompt_tokens, double output_tokens) {
        outputs += output_tokens;
        outputs_squared += output_tokens * output_tokens;
        prompts_times_outputs += prompt_tokens * output_tokens;
    }
    constexpr units::token mean() const {
        if (!(outputs > 0)) return {};
        return units::token(prompts_times_outputs / outputs + (outputs_squared - outputs) / (2 * outputs));
    }
};

} // namespace ashlar::inline v0::plan
