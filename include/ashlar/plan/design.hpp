// SPDX-License-Identifier: Apache-2.0
// The inverse of a plan: from hardware, network, context and objective to models. The network bounds sparsity, hidden
// size and expert width; shapes within the bounds whose decoding is not dearer than that of a model with more active
// parameters and a finer cache make the set.
//
//     static design_set found;                       // 13 kB, no allocation
//     search(found, {.attention = catalog::h20, .ffn = catalog::h800, .card = 400_Gbps, .context = 8192_tokens});
//
// Source: Step-3 report (arXiv 2507.19427), sections 3 to 5. Attention is one shared KV head behind a low-rank query (MFA),
// or grouped heads; cost is the report's: full use, attention by the dearer of FLOP and bytes.
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/cost.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/moe.hpp>

namespace ashlar::inline v0::plan {

// The hardware's side.
struct design_query {
    device attention{}, ffn{};
    units::wire_rate card{}; // one way, of an FFN rank
    int server_ranks = 8;
    units::token context{};
    units::second per_token{0.05}; // the objective
    double accepted = 1;
    // A third of a stage's share of the objective is the network's, and two thirds of that what it gets done: Table 7.
    int stages = 3;
    double network_share = 2.0 / 3;
    precision weights = stored::fp8;
    precision caches[2] = {stored::fp8, {math::fp8, 4}}; // to choose from: 8 bits, or 4 multiplied as 8
    wire_format wire{};
    // The model's side: what is given and what is asked for.
    int layers = 61, dense_layers = 5, dense_width = 18432, query_rank = 2048;
    int hidden_min = 7168, hidden_max = 8192;        // in steps of 1,024
    int attention_rank_min = 16384;                  // query heads times their dimension
    int key_dim_min = 256;                           // of all KV heads: what a key can tell apart
    double parameters_min = 300e9, parameters_max = 330e9; // without tables
};

// What the network asks of any mixture of this hidden size on this hardware.
struct design_bounds {
    double sparsity_min = 0;                 // active / all experts
    double hidden_max_at_step3 = 0;          // the hidden size at which 4 of 49 would be the bound
    units::flop_per_byte balance_attention{}; // an attention of this intensity uses FLOPS and bandwidth alike
    int width_min = 0;                       // of an expert, for its FLOP to cover the wire at `utilisation`
};
constexpr units::second network_time(const design_query& q) {
    return q.per_token * (q.accepted * q.network_share / q.stages);
}
constexpr double sparsity_bound(const design_query& q, int hidden) {
    return sparsity_min(hidden, q.layers, balance(q.ffn, q.weights.in) * q.weights.bytes(), q.card * q.server_ranks,
                        network_time(q), q.wire) *
           1.5 / (q.wire.bytes() / 2); // the report spreads 3 bytes an element over the whole stage
}

struct design_point {
    int hidden = 0, query_heads = 0, kv_heads = 0, head_dim = 0;
    int experts = 0, active = 0, width = 0; // and one shared expert
    precision cache{};
    double sparsity = 0, sparsity_min = 0;
    double parameters = 0, active_parameters = 0;
    units::token batch{}; // of a micro-batch, from which on experts are not bound by reading weights
    units::usd_per_token cost{};
    units::flop_per_byte intensity{}; // of attention

    friend constexpr bool operator==(const design_point&, const design_point&) = default;
};
// Nowhere worse, and somewhere better: cheaper, more active parameters, more bits in the cache.
constexpr bool dominates(const design_point& a, const design_point& b) {
    const bool nowhere_worse = a.cost <= b.cost && a.active_parameters >= b.active_parameters &&
                               a.cache.bits >= b.cache.bits && a.cost.value < b.cost.value * (1 + 1e-9);
    const bool better = a.cost < b.cost || a.active_parameters > b.active_parameters || a.cache.bits > b.cache.bits;
    return nowhere_worse && better;
}
