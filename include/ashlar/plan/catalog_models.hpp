// SPDX-License-Identifier: Apache-2.0
// Models. Shapes are those of their published configurations; the nine of the Step-3 report's Tables 2 and 3 store
// their caches as the report assumes (FP8, and BF16 on full layers of hybrids). Change it with with_kv().
#pragma once

#include <ashlar/plan/model.hpp>

namespace ashlar::inline v0::plan::catalog {

// Step-3 report (arXiv 2507.19427), Table 1 and README: 316B, 38B active. Expert and dense widths are not printed
// there; 5120 and 18432 reproduce Table 2's FLOP and both parameter totals.
inline constexpr model step3{
    .name = "Step-3",
    .hidden = 7168,
    .vocabulary = 128815,
    .groups = {{56, mfa({64, 256, 2048}), moe({48, 3, 1, 5120})}, {5, mfa({64, 256, 2048}), dense(18432)}}};

// deepseek-ai/DeepSeek-V3 config.json: 671B, 37B active.
inline constexpr model deepseek_v3{
    .name = "DeepSeek-V3",
    .hidden = 7168,
    .vocabulary = 129280,
    .groups = {{58, mla({.query_heads = 128, .query_rank = 1536}), moe({256, 8, 1, 2048})},
               {3, mla({.query_heads = 128, .query_rank = 1536}), dense(18432)}}};

// deepseek-ai/DeepSeek-V3.2-Exp config.json: V3 with an indexer of 64 heads of 128 and the best 2,048 tokens.
inline constexpr reach v32_reach{.top_k = 2048, .index_heads = 64, .index_dim = 128};
inline constexpr model deepseek_v32{
    .name = "DeepSeek-V3.2",
    .hidden = 7168,
    .vocabulary = 129280,
    .groups = {{58, sees(mla({.query_heads = 128, .query_rank = 1536}), v32_reach), moe({256, 8, 1, 2048})},
               {3, sees(mla({.query_heads = 128, .query_rank = 1536}), v32_reach), dense(18432)}}};

// moonshotai/Kimi-K2-Instruct config.json: 1T, 32B active.
inline constexpr model kimi_k2{.name = "Kimi K2",
                               .hidden = 7168,
                               .vocabulary = 163840,
                               .groups = {{60, mla({.query_heads = 64, .query_rank = 1536}), moe({384, 8, 1, 2048})},
                                          {1, mla({.query_heads = 64, .query_rank = 1536}), dense(18432)}}};

// deepseek-ai/DeepSeek-V4-Pro config.json: 1.6T, 49B active. Keys are values (512, one head); layers compress their far
// context by 4 and index it, or by 128; all see their last 128 tokens; the first three route by hash. What compresses
// is not counted.
inline constexpr attention v4_heads(reach r) {
    attention a = sees(gqa({128, 1, 512}), r);
    a.query_rank = 1536, a.output_rank = 1024, a.output_groups = 16, a.shared_kv = true;
    return a;
}
inline constexpr reach v4_light{.window = 128, .ratio = 128};
inline constexpr reach v4_sparse{.window = 128, .ratio = 4, .top_k = 1024, .index_heads = 64, .index_dim = 128};
inline constexpr model deepseek_v4_pro{.name = "DeepSeek-V4-Pro",
                                       .hidden = 7168,
                                       .vocabulary = 129280,
                                       .groups = {{2, v4_heads(v4_light), hash_routed(moe({384, 6, 1, 3072}))},
                                                  {1, v4_heads(v4_sparse), hash_routed(moe({384, 6, 1, 3072}))},
                                                  {29, v4_heads(v4_light), moe({384, 6, 1, 3072})},
                                                  {29, v4_heads(v4_sparse), moe({384, 6, 1, 3072})}}};

// Qwen config.json: Qwen3-235B-A22B, Qwen3-30B-A3B, Qwen3-32B, Qwen3-8B.
inline constexpr model qwen3_235b{.name = "Qwen3-235B-A22B",
                                  .hidden = 4096,
                                  .vocabulary = 151936,
                                  .groups = {{94, gqa({64, 4, 128}), moe({128, 8, 0, 1536})}}};
inline constexpr model qwen3_30b{.name = "Qwen3-30B-A3B",
                                 .hidden = 2048,
                                 .vocabulary = 151936,
                                 .groups = {{48, gqa({32, 4, 128}, stored::bf16), moe({128, 8, 0, 768})}}};
inline constexpr model qwen3_32b{
    .name = "Qwen3-32B", .hidden = 5120, .vocabulary = 151936, .groups = {{64, gqa({64, 8, 128}), dense(25600)}}};

inline constexpr model qwen3_8b{
    .name = "Qwen3-8B", .hidden = 4096, .vocabulary = 151936, .groups = {{36, gqa({32, 8, 128}), dense(12288)}}};

// meta-llama/Llama-4-Maverick config.json: every fourth layer sees all, others chunks of 8,192; every second is routed.
inline constexpr model llama4_maverick{.name = "Llama 4 Maverick",
                                       .hidden = 5120,
                                       .vocabulary = 202048,
                                       .groups = {{12, gqa({40, 8, 128}, stored::bf16), moe({128, 1, 1, 8192})},
                                                  {12, windowed(gqa({40, 8, 128}), 8192), moe({128, 1, 1, 8192})},
                                                  {24, windowed(gqa({40, 8, 128}), 8192), dense(16384)}}};

// MiniMaxAI/MiniMax-M1 config.json: one layer of eight is softmax attention, the others lightning with FP32 states.
inline constexpr model minimax_m1{.name = "MiniMax M1",
                                  .hidden = 6144,
                                  .vocabulary = 200064,
                                  .groups = {{10, gqa({64, 8, 128}, stored::bf16), moe({32, 2, 0, 9216})},
                                             {70, recurrent({64, 64, 128, 128}), moe({32, 2, 0, 9216})}}};

// MiniMaxAI/MiniMax-M2.5 config.json.
inline constexpr model minimax_m25{.name = "MiniMax M2.5",
                                   .hidden = 3072,
                                   .vocabulary = 200064,
                                   .groups = {{62, gqa({48, 8, 128}), moe({256, 8, 0, 1536})}}};

// baidu/ERNIE-4.5-300B-A47B config.json.
inline constexpr model ernie_45{
    .name = "ERNIE 4.5",
    .hidden = 8192,
    .vocabulary = 103424,
    .groups = {{51, gqa({64, 8, 128}), moe({64, 8, 0, 3584})}, {3, gqa({64, 8, 128}), dense(28672)}}};

// Pangu Pro MoE (arXiv 2505.21411): 72B, 16B active; 64 routed in 8 groups, 8 of them and 4 shared.
inline constexpr model pangu_pro{.name = "Pangu Pro MoE",
                                 .hidden = 5120,
                                 .vocabulary = 153376,
                                 .groups = {{48, gqa({40, 8, 128}), moe({64, 8, 4, 1344})}}};

// meta-llama/Llama-3.1-405B config.json.
inline constexpr model llama31_405b{.name = "Llama 3.1 405B",
                                    .hidden = 16384,
                                    .vocabulary = 128256,
                                    .groups = {{126, gqa({128, 8, 128}, stored::bf16), dense(53248)}}};

// HuggingFaceTB/SmolLM2-135M config.json: the model of the quickstart.
inline constexpr model smollm2_135m{.name = "SmolLM2-135M",
                                    .hidden = 576,
                                    .vocabulary = 49152,
                                    .tied = true,
                                    .groups = {{30, gqa({9, 3, 64}, stored::bf16), dense(1536)}}};

// All of them: to look one up by its name.
inline constexpr const model* models[] = {
    &step3,    &deepseek_v3,     &deepseek_v32, &deepseek_v4_pro, &kimi_k2,  &qwen3_235b, &qwen3_30b,    &qwen3_32b,
    &qwen3_8b, &llama4_maverick, &minimax_m1,   &minimax_m25,     &ernie_45, &pangu_pro,  &llama31_405b, &smollm2_135m};

} // namespace ashlar::inline v0::plan::catalog
