// SPDX-License-Identifier: Apache-2.0
// What others have printed, against what plan computes: each row is a static_assert of its own (the compiler names
// table and row), and golden.cpp runs the same rows with their names. A row holds if the computed value, rounded to the
// printed place, is what was printed.
#pragma once

#include <utility>

#include <ashlar/plan.hpp>

namespace golden {
using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;
namespace of = ashlar::plan::catalog;

struct row {
    const char* table;
    const char* what;
    double computed;
    double printed;
    double place; // of the last printed digit
};
constexpr bool holds(const row& r) {
    const double off = r.computed < r.printed ? r.printed - r.computed : r.computed - r.printed;
    return off <= r.place * (0.5 + 1e-9);
}
// The place of the last of three digits.
constexpr double third_digit(double x) {
    double power = 1;
    while (x / power >= 10) power *= 10;
    while (x / power < 1) power /= 10;
    return power / 100;
}

constexpr units::token k8 = 8192_tokens, k32 = 32768_tokens;
constexpr device devices[] = {of::h800, of::h20, of::a800, of::ascend_910b};

// Tables 2 and 3: bytes and FLOP of a decoded token. Table 6: dollars a million tokens on H800, H20, A800, 910B.
struct printed_model {
    const char* name;
    const model* what;
    double kv_8k, kv_32k, core_8k, core_32k, linear, ffn;
    double attention_8k[4], attention_32k[4], ffn_cost[4];
};
constexpr printed_model step3_models[] = {
    {"DSv3",
     &of::deepseek_v3,
     2.88e8,
     1.15e9,
     1.47e11,
     5.89e11,
     2.28e10,
     4.84e10,
     {.054, .128, .114, .113},
     {.197, .460, .409, .407},
     {.014, .036, .032, .032}},
    {"Kimi K2",
     &of::kimi_k2,
     2.88e8,
     1.15e9,
     7.37e10,
     2.95e11,
     1.23e10,
     4.84e10,
     {.051, .065, .057, .057},
     {.194, .231, .205, .204},
     {.014, .036, .032, .032}},
    {"Qwen3 MoE",
     &of::qwen3_235b,
     7.89e8,
     3.15e9,
     2.52e10,
     1.01e11,
     1.34e10,
     2.84e10,
     {.135, .054, .091, .101},
     {.527, .185, .338, .376},
     {.008, .021, .019, .019}},
    {"Qwen3 32B",
     &of::qwen3_32b,
     1.07e9,
     4.29e9,
     1.72e10,
     6.87e10,
     1.21e10,
     5.03e10,
     {.181, .069, .120, .133},
     {.716, .248, .455, .508},
     {.014, .038, .034, .033}},
    {"Llama 4 M",
     &of::llama4_maverick,
     1.01e9,
     2.21e9,
     8.05e9,
     1.41e10,
     6.04e9,
     2.42e10,
     {.169, .060, .109, .121},
     {.369, .128, .235, .262},
     {.007, .018, .016, .016}},
    {"MM M1",
     &of::minimax_m1,
     9.23e8,
     1.93e9,
     3.42e9,
     1.15e10,
     3.75e10,
     5.44e10,
     {.164, .079, .121, .132},
     {.330, .135, .226, .249},
     {.015, .041, .036, .036}},
    {"ERNIE 4.5",
     &of::ernie_45,
     9.06e8,
     3.62e9,
     1.45e10,
     5.80e10,
     1.63e10,
     7.61e10,
     {.155, .063, .105, .116},
     {.606, .214, .388, .432},
     {.021, .057, .051, .051}},
    {"Pangu Pro",
     &of::pangu_pro,
     8.05e8,
     3.22e9,
     8.05e9,
     3.22e10,
     6.04e9,
     2.38e10,
     {.135, .049, .088, .098},
     {.536, .183, .340, .379},
     {.007, .018, .016, .016}},
    {"Step-3",
     &of::step3,
     2.56e8,
     1.02e9,
     3.27e10,
     1.31e11,
     2.07e10,
     5.33e10,
     {.048, .040, .040, .043},
     {.176, .114, .120, .133},
     {.015, .040, .036, .035}},
};
constexpr int models = 9, columns = 18;

struct step3_rows {
    row rows[models * columns];

    constexpr const row& operator[](int i) const { return rows[i]; }
    constexpr const row* begin() const { return rows; }
    constexpr const row* end() const { return rows + models * columns; }
};
constexpr step3_rows make_step3_rows() {
    step3_rows t{};
    int at = 0;
    for (const printed_model& p : step3_models) {
        const work short_one = work_per_token(*p.what, k8, convention::step3);
        const work long_one = work_per_token(*p.what, k32, convention::step3);
        const auto count = [&](const char* table, double computed, double printed) {
            t.rows[at++] = {table, p.name, computed, printed, third_digit(printed)};
        };
        count("Step-3 Table 2, KV bytes 8K", short_one.kv.value, p.kv_8k);
        count("Step-3 Table 2, KV bytes 32K", long_one.kv.value, p.kv_32k);
        count("Step-3 Table 3, core FLOP 8K", short_one.core.value, p.core_8k);
        count("Step-3 Table 3, core FLOP 32K", long_one.core.value, p.core_32k);
        count("Step-3 Table 3, linear FLOP", short_one.linear.value, p.linear);
        count("Step-3 Table 3, FFN FLOP", short_one.feed.value, p.ffn);
        for (int d = 0; d < 4; ++d) {
            const double attention_8k = attention_cost(short_one, devices[d]).value * 1e6;
            const double attention_32k = attention_cost(long_one, devices[d]).value * 1e6;
            const double feed = ffn_cost(short_one, devices[d]).value * 1e6;
            t.rows[at++] = {"Step-3 Table 6, attention 8K", p.name, attention_8k, p.attention_8k[d], .001};
            t.rows[at++] = {"Step-3 Table 6, attention 32K", p.name, attention_32k, p.attention_32k[d], .001};
            t.rows[at++] = {"Step-3 Table 6, FFN", p.name, feed, p.ffn_cost[d], .001};
        }
    }
    return t;
}
inline constexpr step3_rows step3 = make_step3_rows();

// Table 7: sparsity_min for hidden 7168, 61 layers, a third of 50 ms; the whole server's network.
constexpr units::second third_of_50ms = exact(50_ms) / 3;
constexpr double s_min(const device& d, units::wire_rate server, int hidden = 7168, int layers = 61) {
    return sparsity_min(hidden, layers, balance(d, math::fp8), server, third_of_50ms);
}
constexpr double per_flop(const device& d) { return (d.price / rate(d, math::fp8)).value; }
constexpr double per_byte(const device& d) { return (d.price / d.bandwidth).value; }
constexpr double ridge(const device& d) { return balance(d, math::fp8).value; }
constexpr double million(const model& m, units::token context) {
    return cheapest(m, devices, context, convention::step3).total().value * 1e6;
}
constexpr double ai(const model& m) { return intensity(m.groups[0].mix, k8, convention::step3).value; }
constexpr double ai_whole(const model& m, units::token context) {
    const work w = work_per_token(m, context, convention::step3);
    return (w.core / w.kv).value;
}

// Section 6 of the Step-3 report goes on with numbers that it has rounded: so do these.
constexpr units::second stage_272us = exact(272_us);
constexpr attention step3_mix = of::step3.groups[0].mix;
constexpr double step3_output = 64.0 * 256 * 7168; // o_proj alone is cut over 8
constexpr double step3_linear_tp8 = attention_weights(step3_mix, 7168) - step3_output * 7 / 8;
constexpr double ceiling(double x) {
    return static_cast<double>(static_cast<long long>(x)) + (x > static_cast<long long>(x));
}

inline constexpr row step3_text[] = {
    {"Step-3 Table 7", "H800", s_min(of::h800, 3200_Gbps), 0.058, .001},
    {"Step-3 Table 7", "H20", s_min(of::h20, 3200_Gbps), 0.007, .001},
    {"Step-3 Table 7", "A800", s_min(of::a800, 1600_Gbps), 0.031, .001},
    {"Step-3 Table 7", "910B", s_min(of::ascend_910b, 1600_Gbps), 0.034, .001},
    {"Step-3 section 5", "H800 at DeepEP's 40 GB/s a card", s_min(of::h800, 3200_Gbps * 0.8), 0.073, .001},
    {"Step-3 section 5", "active experts that DSv3 would need", (256 + 1) * 0.058 - 1, 14, 1},
    {"Step-3 Table 4, roofline", "H800", ridge(of::h800), 591, 1},
    {"Step-3 Table 4, roofline", "H20", ridge(of::h20), 74, 1},
    {"Step-3 Table 4, roofline", "A800", ridge(of::a800), 156, 1},
    {"Step-3 Table 4, roofline", "910B", ridge(of::ascend_910b), 175, 1},
    // Table 5 prints 2.80e-19 for the H800, which is 2.806e-19 cut off: see truncated below.
    {"Step-3 Table 5, dollars a FLOP", "H20", per_flop(of::h20), 7.51e-19, 1e-21},
    {"Step-3 Table 5, dollars a FLOP", "A800", per_flop(of::a800), 6.68e-19, 1e-21},
    {"Step-3 Table 5, dollars a FLOP", "910B", per_flop(of::ascend_910b), 6.65e-19, 1e-21},
    {"Step-3 Table 5, dollars a byte", "H800", per_byte(of::h800), 1.66e-16, 1e-18},
    {"Step-3 Table 5, dollars a byte", "H20", per_byte(of::h20), 5.56e-17, 1e-19},
    {"Step-3 Table 5, dollars a byte", "A800", per_byte(of::a800), 1.04e-16, 1e-18},
    {"Step-3 Table 5, dollars a byte", "910B", per_byte(of::ascend_910b), 1.16e-16, 1e-18},
    {"Step-3 intensity at 8-bit KV", "MFA", ai(of::step3), 128, 1},
    {"Step-3 intensity at 8-bit KV", "MLA", ai(of::deepseek_v3), 512, 1},
    {"Step-3 intensity at 8-bit KV", "GQA of Qwen3 MoE", ai(of::qwen3_235b), 32, 1},
    {"Step-3 text, AFD 8K", "Step-3", million(of::step3, k8), 0.055, .001},
    {"Step-3 text, AFD 8K", "DSv3", million(of::deepseek_v3, k8), 0.068, .001},
    {"Step-3 text, AFD 8K", "Qwen3 MoE", million(of::qwen3_235b, k8), 0.062, .001},
    {"Step-3 text, AFD 32K", "Step-3", million(of::step3, k32), 0.129, .001},
    {"Step-3 text, AFD 32K", "DSv3", million(of::deepseek_v3, k32), 0.211, .001},
    {"Step-3 text, AFD 32K", "Qwen3 MoE", million(of::qwen3_235b, k32), 0.193, .001},
    {"Step-3 Figure 4, training 8K", "Pangu Pro on 910B",
     training_cost(work_per_token(of::pangu_pro, k8, convention::step3), of::ascend_910b).value * 1e6, 0.076, .001},
    {"Step-3 Figure 4, training 8K", "Step-3 on 910B",
     training_cost(work_per_token(of::step3, k8, convention::step3), of::ascend_910b).value * 1e6, 0.213, .001},
    {"Step-3 section 6", "us of a stage and layer", 16.6e3 / of::step3.layers(), 272, 1},
    {"Step-3 section 6", "MB that an L20 reads in it", (of::l20.bandwidth * stage_272us).value / 1e6, 235, 1},
    {"Step-3 section 6", "MB of linear weights, o_proj over 8", stored::fp8.of(step3_linear_tp8).value / 1e6, 67, 1},
    {"Step-3 section 6", "MB left for KV",
     (of::l20.bandwidth * stage_272us - stored::fp8.of(step3_linear_tp8)).value / 1e6, 168, 1},
    {"Step-3 section 6", "bytes of KV a token and layer", kv_bytes(step3_mix, 1_tokens).value, 512, 1},
    {"Step-3 section 6", "thousand tokens in 168 MB", 168_MB / kv_bytes(step3_mix, 1_tokens) / 1e3, 328, 1},
    {"Step-3 section 6", "requests of 8K in 328K", 328.0 / 8, 41, 1},
    {"Step-3 section 6", "GB of FFN weights on an L20", (117_MB * of::step3.layers()).value / 1e9, 7.1, .1},
    {"Step-3 section 6", "GB on a server of 8", 8 * 7.1, 56.8, .1},
    {"Step-3 section 6", "L20 for 300 GB", 8 * ceiling(300 / 56.8), 48, 1},
    {"Step-3 section 6", "L4 instead of 48 L20", 8 * ceiling(48 * (of::l20.bandwidth / of::l4.bandwidth) / 8), 144, 1},
};
// Two numbers that are cut off, not rounded: 2.80e-19 dollars a FLOP of the H800 in Table 5 (2.806e-19), and StepMesh's
// 819 us of a layer at 50 ms (819.7).
constexpr bool cut_off(double computed, double printed, double place) {
    return computed >= printed && computed < printed + place && !holds({"", "", computed, printed, place});
}
static_assert(cut_off(per_flop(of::h800), 2.80e-19, 1e-21));
static_assert(cut_off((exact(50_ms) / 61).value * 1e6, 819, 1));

// Others' published figures that must come out of the same formulas.
constexpr units::usd_rate deepseek_fleet = 2_usd_per_hour * (226.75 * 8);
constexpr units::second day(86'400);
constexpr double deepseek_day = (deepseek_fleet * day).value;
constexpr units::byte mesh_out = stored::fp8.of(128.0 * 7168), mesh_back = stored::bf16.of(128.0 * 7168);
constexpr double tflops(units::flop work, units::second time, int gpus) { return (work / time).value / gpus / 1e12; }
constexpr model qwen = of::qwen3_30b;
constexpr layer_group qwen_layer = qwen.groups[0];
constexpr work qwen_token = work_per_token(qwen, 5120_tokens); // 4,096 in, the middle of 2,048 out
// InferSim calls 4,096 GiB/s "GB/s" and takes 0.8 of it.
constexpr units::byte_rate infersim_h20 = decimal(units::gibibyte(4096 * 0.8)) / units::second(1);
constexpr double mib = 1 << 20;
constexpr double send(int experts, int active, int nodes) {
    return distinct_destinations(moe({experts, active, 0, 1}), nodes) / nodes;
}

inline constexpr row others[] = {
    {"DeepSeek inference overview", "dollars a day", deepseek_day, 87'072, 1},
    {"DeepSeek inference overview", "cost profit margin, %", (562'027 - deepseek_day) / deepseek_day * 100, 545, 1},
    {"DeepSeek inference overview", "output tokens/s/GPU", 14'800.0 / 8, 1'850, 1},
    {"arXiv 2602.09721", "HFU cap of DSv3 on H800 at 160 GB/s, %",
     100 * hfu_cap(network_intensity(of::deepseek_v3.groups[0].feed),
                   of::nvlink4_h800.rate* of::nvlink4_h800.efficiency, 1979_TFLOPS),
     33.1, .1},
    {"arXiv 2602.09721", "HFU cap of DSv3 on GB200 at 720 GB/s and 4.5 PF, %",
     100 * hfu_cap(network_intensity(of::deepseek_v3.groups[0].feed), one_way(720_GBps), 4.5_PFLOPS), 65.5, .1},
    {"arXiv 2411.01783", "TFLOPS a GPU, Llama 405B, 1M tokens, 77 s, 128 H100",
     tflops(units::flop(2 * 405e9 * 1e6 + 4.0 * 126 * 16384 * 1e12 / 2), units::second(77), 128), 501, 1},
    {"StepMesh Table 1", "us of one of three stages of it", (exact(50_ms) / 61 / 3).value * 1e6, 273, 1},
    {"StepMesh Table 1", "Gb/s for two FFN peers, 128 tokens a GPU",
     ((mesh_out + mesh_back) * 2 / exact(273_us)).value * 8e-9, 161.3, .1},
    {"StepMesh Table 1", "us of it for FP8 out", 273.0 / 3, 91, 1},
    {"StepMesh Table 1", "us of it for BF16 back", 273.0 * 2 / 3, 182, 1},
    {"StepMesh tensors", "KiB out", mesh_out.value / 1024, 896, 1},
    {"StepMesh tensors", "MiB back", mesh_back.value / mib, 1.75, .01},
    {"Step-3 Table 8", "tokens/s/GPU of 4A2F foretold from 2A2F", 4'039.0 * 32 / 48, 2'693, 1},
    {"Step-3 Table 8", "tokens/s/GPU of 16A2F foretold", 4'039.0 * 32 / 144, 898, 1},
    {"Step-3 section 7", "tokens/s/GPU of 3A4F, 3 x 3,072 in 50 ms", 9'216 / (exact(50_ms).value * 56), 3'291, 1},
    {"xDeepServe", "thousand tokens/s, 288 dies of 60, 1.9 tokens in 95 ms", 288 * 60 * 1.9 / 0.095 / 1e3, 345.6, .1},
    {"xDeepServe", "tokens/s a chip of two dies", 345'600.0 / 144, 2'400, 1},
    {"CloudMatrix-Infer", "prefill tokens/s/TFLOPS", 6'688 / (2 * of::ascend_910c_die.dense.int8.value / 1e12), 4.45,
     .01},
    {"CloudMatrix-Infer", "decode tokens/s/TFLOPS", 1'943 / (2 * of::ascend_910c_die.dense.int8.value / 1e12), 1.29,
     .01},
    {"CPX analysis", "million tokens/s over 131 GB/s", (one_way(131_GBps) / stored::fp8.of(7168)).value / 1e6, 18.3,
     .1},
    {"CPX analysis", "thousand tokens/s of compute", (of::rubin_cpx.dense.fp4 / units::flop(2 * 37.5e9)).value / 1e3,
     267, 1},
    {"InferSim README", "MiB of attention weights",
     stored::bf16.of(attention_weights(qwen_layer.mix, qwen.hidden)).value / mib, 36.00, .01},
    {"InferSim README", "MiB of an expert", stored::bf16.of(expert_weights(qwen_layer.feed, qwen.hidden)).value / mib,
     9.00, .01},
    {"InferSim README", "KiB of KV a token", kv_bytes(qwen, 1_tokens).value / 1024, 96.00, .01},
    {"InferSim README", "GFLOP of the core in a layer", qwen_token.core.value / 48e9, 0.08, .01},
    {"InferSim README", "GFLOP of the experts in a layer", qwen_token.feed.value / 48e9, 0.08, .01},
    {"InferSim README", "GFLOP of projections in a layer", qwen_token.linear.value / 48e9, 0.04, .01},
    {"InferSim README", "GFLOP of the core", qwen_token.core.value / 1e9, 4.03, .01},
    {"InferSim README", "GFLOP of the experts", qwen_token.feed.value / 1e9, 3.62, .01},
    {"InferSim README", "GFLOP of projections", qwen_token.linear.value / 1e9, 1.81, .01},
    {"InferSim README", "GFLOP in all", (qwen_token.core + qwen_token.feed + qwen_token.linear).value / 1e9, 9.46, .01},
    {"InferSim README", "us to load KV of a layer, 100 requests",
     (kv_traffic(qwen_layer.mix, 5120_tokens) * 100 / infersim_h20).value * 1e6, 298.02, .01},
    {"InferSim README", "us to load the experts of a quarter",
     (stored::bf16.of(expert_weights(qwen_layer.feed, qwen.hidden) * 32) / infersim_h20).value * 1e6, 85.83, .01},
    // _afd_send_prob of ai-dynamo/aiconfigurator at 095f58a, sdk/operations/afd_transfer.py, run on these arguments
    {"aiconfigurator P(send)", "256, 8 on 2", send(256, 8, 2), 0.9965100577159106, 1e-12},
    {"aiconfigurator P(send)", "256, 8 on 4", send(256, 8, 4), 0.9035535763916283, 1e-12},
    {"aiconfigurator P(send)", "256, 8 on 64", send(256, 8, 64), 0.11993359674640763, 1e-12},
    {"aiconfigurator P(send)", "48, 3 on 4", send(48, 3, 4), 0.5871877890841813, 1e-12},
    {"aiconfigurator P(send)", "384, 8 on 12", send(384, 8, 12), 0.5048088546911169, 1e-12},
    {"aiconfigurator P(send)", "128, 8 on 16", send(128, 8, 16), 0.4122820506876189, 1e-12},
    {"aiconfigurator P(send)", "8, 8 on 2", send(8, 8, 2), 1, 1e-12},
    {"aiconfigurator P(send)", "dense on 4", send(0, 0, 4), 0.25, 1e-12},
};

template <const auto& Table, int Row>
struct printed_digit {
    static_assert(holds(Table[Row]), "a printed value is not reproduced: Table and Row say which");
    static constexpr bool value = true;
};
template <const auto& Table, int... Row>
consteval bool each(std::integer_sequence<int, Row...>) {
    return (printed_digit<Table, Row>::value && ...);
}
template <const auto& Table>
inline constexpr int size = static_cast<int>(sizeof(Table) / sizeof(row));

static_assert(size<step3> + 4 == 166); // Tables 2, 3, 6, and with four of step3_text Table 7
static_assert(each<step3>(std::make_integer_sequence<int, size<step3>>{}));
static_assert(each<step3_text>(std::make_integer_sequence<int, size<step3_text>>{}));
static_assert(each<others>(std::make_integer_sequence<int, size<others>>{}));

} // namespace golden
