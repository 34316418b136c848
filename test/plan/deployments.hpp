// SPDX-License-Identifier: Apache-2.0
// Published deployments as values.
#pragma once

#include <ashlar/plan.hpp>

namespace deployments {
using namespace ashlar;
using namespace ashlar::literals;

// Step-3 report (2507.19427): 8K of context, 192 requests an attention rank in three micro-batches of 2,048, tokens
// broadcast to FFN servers that are tensor parallel inside. Its cheapest pair of devices: H20 and H800.
inline constexpr plan::deployment step3{.what = plan::catalog::step3,
                                        .attention = plan::catalog::h20,
                                        .ffn = plan::catalog::h800,
                                        .attention_ranks = 32,
                                        .ffn_ranks = 16,
                                        .ffn_group = 8,
                                        .attention_cut = 2.54, // o_proj over 8, the rest replicated: 67 of 169 MB
                                        .requests = 192_requests,
                                        .context = 8192_tokens,
                                        .per_token = units::second(0.05),
                                        .goes = plan::dispatch_to::all};
constexpr plan::deployment with_attention(plan::deployment d, const plan::device& on, int ranks, double requests) {
    d.attention = on;
    d.attention_ranks = ranks;
    d.requests = units::request(requests);
    return d;
}
// Section 6: an L4's 300 GB/s do not even read the projections in time.
inline constexpr plan::deployment on_l4 = with_attention(step3, plan::catalog::l4, 64, 24);

// The 600B variant of section 5: three attention servers, four of experts, 3,072 tokens a micro-batch, the limit of
// attention's cards at 80 %.
constexpr plan::deployment three_a_four_f() {
    plan::deployment d = with_attention(step3, plan::catalog::h800, 24, 3 * 3072 / 24.0);
    d.context = 4096_tokens;
    d.ffn_ranks = 32;
    d.reached_attention.dispatch = d.reached_attention.combine = 0.8;
    return d;
}

// DeepSeek-V3 on H800, experts over 64 ranks behind one 400 Gb/s card each, asked for 30 % of the experts' peak.
inline constexpr plan::deployment deepseek{.what = plan::catalog::deepseek_v3,
                                           .attention = plan::catalog::h800,
                                           .ffn = plan::catalog::h800,
                                           .attention_ranks = 64,
                                           .ffn_ranks = 64,
                                           .requests = 96_requests,
                                           .context = 4096_tokens,
                                           .per_token = units::second(0.05),
                                           .utilisation = 0.3};
} // namespace deployments
