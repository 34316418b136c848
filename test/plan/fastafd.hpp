// SPDX-License-Identifier: Apache-2.0
// AFD (FastAFD) against colocated wide EP (vLLM 0.19, 16 ranks) on GB200 NVL72: four published points, and what
// descriptors and published kernel tables say of them. Nothing here is fitted to the four points or to the ratio
// sweeps. Points: github.com/linsj20/FastAFD, CODEX_PROJECT_REPRODUCE.md (July 2026), device-time tokens/s a device.
#pragma once

#include <ashlar/plan.hpp>

namespace fastafd {
using namespace ashlar;
using namespace ashlar::literals;

// MiniMaxAI/MiniMax-M2.5 config.json: 62 layers, hidden 3,072, 48 query and 8 KV heads of 128, 256 experts of 1,536, 8
// active.
inline constexpr plan::model minimax_m25{
    .name = "MiniMax-M2.5",
    .hidden = 3072,
    .vocabulary = 200064,
    .groups = {{62, plan::gqa({48, 8, 128}, plan::stored::bf16), plan::moe({256, 8, 0, 1536})}}};
inline constexpr plan::model qwen3 = plan::with_kv(plan::catalog::qwen3_235b, plan::stored::bf16);

struct point {
    const char* name;
    const plan::model* of;
    double context;           // tokens of a request, as both runs had it
    int trays;                // of attention, for one tray of experts; a tray has four devices
    double requests;          // of an attention device under AFD
    double colocated;         // of a device under EP16
    double afd_rate, ep_rate; // measured
    constexpr double measured() const { return afd_rate / ep_rate - 1; }
};
inline constexpr point points[] = {
    {"Qwen3-235B 8K", &qwen3, 8192, 7, 96, 96, 2522.64, 2331.65},
    {"Qwen3-235B 16K", &qwen3, 16384, 11, 48, 48, 1395.78, 1204.08},
    {"MiniMax-M2.5 8K", &minimax_m25, 8192, 17, 72, 74, 2254.44, 2218.89},
    {"MiniMax-M2.5 16K", &minimax_m25, 16384, 17, 36, 37, 1006, 1118.73}, // the project's own figure, never rerun
};

// Kernels on GB200, from aiconfigurator 0.12.0's measured tables (straight lines through their rows):
// * decode attention with BF16 KV (vllm 0.24.0, trtllm kernel, 64/4 and 48/8 heads of 128): 16.4 us and 7.8 of 8 TB/s;
// * FP8 experts behind DeepEP low latency (sglang 0.5.10, uniform): 27 us and 6.16 of 8 TB/s, flat up to 64 tokens an
//   expert, so no FLOP term shows;
// * DeepEP low latency itself (sglang 0.5.12, hidden 4,096, one copy for each expert): dispatch 14.7 us and 0.66 of 900
//   GB/s, combine 14.2 us and 0.89; as vLLM 0.24.0 runs it: 65.2 us and 0.17, 64.3 us and 0.67;
// * other kernels of a layer: eleven, 3 us each (its generic latency): two norms, quantisations, query and key norm,
//   positions, cache write, two projections, gate, top-k.
inline constexpr plan::efficiency kernels{.attention = 0.975,
                                          .weights = 0.77,
                                          .dispatch = 0.66,
                                          .combine = 0.89,
                                          .attention_start = units::second(16.4e-6),
                                          .ffn_start = units::second(27e-6),
                                          .dispatch_start = units::second(14.7e-6),
                                          .combine_start = units::second(14.2e-6),
                                          .others = units::second(33e-6)};
constexpr plan::efficiency in_vllm() {
    plan::efficiency e = kernels;
    e.dispatch = 0.17;
    e.combine = 0.67;
    e.dispatch_start = units::second(65.2e-6);
    e.combine_start = units::second(64.3e-6);
    return e;
}

constexpr plan::deployment disaggregated(const point& p) {
    return {.what = *p.of,
            .attention = plan::catalog::gb200,
            .ffn = plan::catalog::gb200,
            .attention_ranks = 4 * p.trays,
            .ffn_ranks = 4,
            .requests = units::request(p.requests),
            .context = units::token(p.context),
            .per_token = units::second(0.1),
            .micro_batches = 2, // FastAFD's presets
            .wire = {plan::stored::fp8_block128, plan::stored::bf16},
            .goes = plan::dispatch_to::each_expert, // DeepEP low latency sends one copy for each expert
            .by = plan::transfer::occupying,        // its kernels run where attention and experts do
            .reached_attention = kernels,
            .reached_ffn = kernels};
}
constexpr double afd_rate(const point& p, plan::transfer by = plan::transfer::occupying) {
    const plan::deployment d = disaggregated(p);
    const plan::serving_work w = plan::work_of(d.what, d.context, d.weights);
    const units::second step = plan::decode_time(plan::stages_of(d), static_cast<int>(w.layers), d.micro_batches, by) +
                               plan::head_time(w, d.attention, d.reached_attention, d.requests.value);
    return p.requests * p.trays / (p.trays + 1) / step.value;
}
constexpr double ep_rate(const point& p, const plan::efficiency& reached = in_vllm()) {
    const plan::serving_work w = plan::work_of(*p.of, units::token(p.context), plan::stored::fp8);
    const plan::colocated_options o{.ranks = 16,
                                    .per_token = units::second(0.1),
                                    .reached = reached,
                                    .wire = {plan::stored::fp8_block128, plan::stored::bf16}};
    return p.colocated / plan::wide_ep_step(w, plan::catalog::gb200, o, p.colocated, 8).value;
}
constexpr double predicted(const point& p) { return afd_rate(p) / ep_rate(p) - 1; }

} // namespace fastafd
