// SPDX-License-Identifier: Apache-2.0
// Measured decode steps of Qwen3-235B (FP8 weights, BF16 KV) under AFD on GB200 NVL72: one tray of four devices
// computes the experts, `ratio` trays attention; two micro-batches; the batch of an attention device is what its KV
// memory holds. Source: github.com/linsj20/FastAFD, CODEX_PROJECT_RATIO_EP_SWEEP.md (July 2026), working notes of one
// public fork. For ratios 15 and 16 some rows give tokens/s a device only: there the step is ratio batch / ((ratio + 1)
// tokens/s).
#pragma once

#include <ashlar/plan.hpp>

namespace nvl72 {
using namespace ashlar;

struct point {
    int ratio;
    double step_ms;
};
struct sweep {
    const char* name;
    double context, batch; // tokens of a request; requests of an attention device
    int count;
    point points[14];

    constexpr double step_ms(int ratio) const {
        for (int i = 0; i < count; ++i) {
            if (points[i].ratio == ratio) return points[i].step_ms;
        }
        return 0;
    }
    // Tokens a second and device.
    constexpr double rate(int ratio) const { return ratio * batch / ((ratio + 1) * step_ms(ratio)) * 1e3; }
    constexpr int best() const {
        int best = points[0].ratio;
        for (int i = 1; i < count; ++i) best = rate(points[i].ratio) > rate(best) ? points[i].ratio : best;
        return best;
    }
    constexpr double regret(int ratio) const { return 1 - rate(ratio) / rate(best()); }
};

inline constexpr sweep sweeps[] = {
    {"16K",
     16384,
     50,
     13,
     {{4, 24.75},
      {5, 24.75},
      {6, 25.65},
      {7, 26.67},
      {8, 28.51},
      {9, 28.88},
      {10, 30.70},
      {11, 31.96},
      {12, 33.12},
      {13, 34.13},
      {14, 37.10},
      {15, 37.84},
      {16, 40.15}}},
    {"32K",
     32768,
     25,
     14,
     {{3, 22.05},
      {4, 22.96},
      {5, 23.66},
      {6, 23.51},
      {7, 24.21},
      {8, 24.92},
      {9, 25.54},
      {10, 26.21},
      {11, 26.90},
      {12, 27.74},
      {13, 27.24},
      {14, 28.99},
      {15, 28.40},
      {16, 30.05}}},
    {"64K",
     65536,
     12,
     14,
     {{3, 19.53},
      {4, 20.36},
      {5, 20.50},
      {6, 20.86},
      {7, 21.14},
      {8, 21.66},
      {9, 22.42},
      {10, 22.77},
      {11, 22.87},
      {12, 22.58},
      {13, 22.89},
      {14, 24.37},
      {15, 23.59},
      {16, 24.14}}},
    {"128K",
     131072,
     6,
     14,
     {{3, 19.93},
      {4, 20.01},
      {5, 20.54},
      {6, 21.11},
      {7, 21.25},
      {8, 21.64},
      {9, 21.69},
      {10, 22.04},
      {11, 22.75},
      {12, 22.30},
      {13, 22.37},
      {14, 22.61},
      {15, 22.42},
      {16, 22.74}}},
};

// What descriptors say about a step before anything runs. The same for every context. Kernels' starts are left out: one
// micro-batch starts while the other streams.
constexpr plan::ratio_curve prior(const sweep& s, plan::efficiency reached = plan::reached::large_kernels) {
    constexpr int micro_batches = 2, tray = 4;
    const plan::device& d = plan::catalog::gb200;
    const plan::serving_work w = plan::work_of(plan::with_kv(plan::catalog::qwen3_235b, plan::stored::bf16),
                                               units::token(s.context), plan::stored::fp8);
    const double part = s.batch / micro_batches, rows = part * plan::distinct_destinations(w.routed, tray);
    const units::second attention = plan::attention_time(w, d, reached, {.requests = part});
    const units::second weights = w.ffn_weights / tray / (d.bandwidth * reached.weights) / w.layers;
    const units::second per_tray = plan::flop_time(w.kinds[0].feed * part, d, w.in, reached) +
                                   plan::exchange_time(w, d.scale_up, reached, rows, {}).both();
    const double halves = micro_batches * w.layers;
    return {attention * halves, weights * halves, per_tray * halves};
}

constexpr int chosen(const sweep& s, const plan::ratio_curve& from, const int (&ratios)[3]) {
    plan::ratio_probe probes[3] = {};
    for (int i = 0; i < 3; ++i) probes[i] = {ratios[i], units::second(s.step_ms(ratios[i]) * 1e-3)};
    return plan::choose(plan::refit(from, probes), {s.points[0].ratio, s.points[s.count - 1].ratio});
}

} // namespace nvl72
