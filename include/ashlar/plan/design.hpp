// SPDX-License-Identifier: Apache-2.0
// The inverse of a plan: from hardware, network, context and objective to models. The network bounds the sparsity of
// experts; of the shapes within the bounds, those make the set that no other beats in decoding cost, in expert
// parameters that a token meets and in bits of the cache.
//
//     design_set found;   // 30 kB, no allocation
//     search(found, {.attention = catalog::h20, .ffn = catalog::h800, .card = 400_Gbps, .context = 8192_tokens});
//
// Source: Step-3 report (arXiv 2507.19427), sections 3 to 5; cost is the report's. Attention shares KV heads behind a
// low-rank query (MFA with one KV head); a layer has routed experts and one shared.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/cost.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/moe.hpp>

namespace ashlar::inline v0::plan {

struct design_query {
    device attention{}, ffn{};
    units::wire_rate card{}; // one way, of an FFN rank
    int server_ranks = 8;    // that share a copy of each token
    units::token context{};
    units::second per_token{0.05}; // the objective; attention, experts and network get a third each
    double accepted = 1;           // tokens of a step, with speculation
    precision weights = stored::fp8;
    precision caches[2] = {stored::fp8, {math::fp8, 4}}; // to choose from: 8 bits, or 4 that are multiplied as 8
    wire_format wire{};
    // What is given of the model, and what is asked of it.
    int layers = 61, dense_layers = 5, dense_width = 18432, query_rank = 2048;
    int hidden_min = 7168, hidden_max = 8192;              // in steps of 1,024
    int attention_rank_min = 16384;                        // query heads times their dimension
    int key_dims_min = 256;                                // of all KV heads: what keys can tell apart
    double parameters_min = 300e9, parameters_max = 330e9; // without tables
    double active_experts_max = 40e9;                      // parameters of the experts that a token meets
    int width_max = 8192;                                  // of an expert
};

// The least share of active experts that keeps FFN ranks busy behind this network. It grows with the hidden size and
// shrinks with the bytes of a weight, whose knee comes earlier, and with accepted tokens.
constexpr double sparsity_bound(const design_query& q, int hidden) {
    return sparsity_min(hidden, q.layers, balance(q.ffn, q.weights.in) * q.weights.bytes(),
                        q.card * static_cast<double>(q.server_ranks), q.per_token * (q.accepted / 3), q.wire);
}
// The largest hidden size at which a mixture of this sparsity is not bound by the network.
constexpr int hidden_bound(const design_query& q, double sparsity) {
    const double hidden = sparsity / sparsity_bound(q, 1);
    return hidden < 1e9 ? static_cast<int>(hidden) : 1'000'000'000;
}
// The least expert width whose FLOP cover the wire at this share of the peak, if each copy travels alone.
constexpr double width_bound(const design_query& q, double utilisation) {
    return utilisation * rate(q.ffn, q.weights.in).value /
           (network_intensity(moe({1, 1, 0, 1}), q.wire).value * q.card.value);
}

struct design_point {
    int hidden = 0, query_heads = 0, kv_heads = 0, head_dim = 0;
    int experts = 0, active = 0, width = 0; // and one shared expert
    precision cache{};
    double sparsity = 0, sparsity_least = 0;
    double parameters = 0, active_experts = 0; // without tables; of the experts that a token meets
    units::token batch{};                      // of a micro-batch, from which on reading weights does not bind
    units::usd_per_token cost{};               // seconds instead of dollars if a device has no price
    units::flop_per_byte intensity{};          // of attention

    friend constexpr bool operator==(const design_point&, const design_point&) = default;
};

// Nowhere worse and somewhere better.
constexpr bool beats(const design_point& a, const design_point& b) {
    const bool better = a.cost < b.cost || a.active_experts > b.active_experts || a.cache.bits > b.cache.bits;
    return better && a.cost <= b.cost && a.active_experts >= b.active_experts && a.cache.bits >= b.cache.bits;
}

struct design_set {
    static constexpr int points_max = 256;

    design_point points[points_max] = {};
    int count = 0;
    std::int64_t considered = 0, dropped = 0; // dropped: good ones for which there was no room

    constexpr void add(const design_point& p) {
        ++considered;
        int kept = 0;
        for (int i = 0; i < count; ++i) {
            if (beats(points[i], p)) return; // then p has beaten none: what beats p would have before
        }
        for (int i = 0; i < count; ++i) {
            if (!beats(p, points[i])) points[kept++] = points[i];
        }
        count = kept;
        if (count == points_max) {
            ++dropped;
        } else {
            points[count++] = p;
        }
    }
};

constexpr model model_of(const design_query& q, const design_point& p) {
    const attention mix{.query_heads = p.query_heads,
                        .kv_heads = p.kv_heads,
                        .head_dim = p.head_dim,
                        .value_dim = p.head_dim,
                        .query_rank = q.query_rank,
                        .kv = p.cache};
    return {.name = "designed",
            .hidden = p.hidden,
            .groups = {{q.layers - q.dense_layers, mix, moe({p.experts, p.active, 1, p.width})},
                       {q.dense_layers, mix, dense(q.dense_width)}}};
}

// A shape with its figures; false where it breaks a bound of the query.
constexpr bool complete(design_point& p, const design_query& q) {
    const model m = model_of(q, p);
    const ffn& feed = m.groups[0].feed;
    const weights w = count_weights(m);
    p.sparsity = feed.sparsity();
    p.sparsity_least = sparsity_bound(q, p.hidden);
    p.parameters = w.attention + w.ffn;
    p.active_experts = expert_weights(feed, p.hidden) * (p.active + 1) * (q.layers - q.dense_layers);
    if (p.sparsity < p.sparsity_least || p.active_experts > q.active_experts_max) return false;
    if (p.parameters < q.parameters_min || p.parameters > q.parameters_max || p.width > q.width_max) return false;
    p.batch = knee_batch(feed, balance(q.ffn, q.weights.in), q.weights);
    p.intensity = intensity(m.groups[0].mix, q.context);
    device a = q.attention, f = q.ffn;
    if (!(a.price.value > 0 && f.price.value > 0)) a.price = f.price = units::usd_rate(1);
    p.cost = cost_per_token(m, a, f, q.context, convention::exact, q.weights.in).total();
    return true;
}

// Query heads in steps that tensor cores and eight ranks like, experts that divide over servers, widths of 512.
constexpr void search(design_set& found, const design_query& q) {
    ASHLAR_ASSERT(q.card.value > 0 && well_formed(q.attention) && well_formed(q.ffn) && q.layers > q.dense_layers &&
                  q.per_token.value > 0);
    const auto shape = [&](design_point p) { // widths that make the parameters asked for
        const double each = 3.0 * p.hidden * (p.experts + 1) * (q.layers - q.dense_layers) * 512;
        model without = model_of(q, p);
        without.groups[0].feed.width = 0;
        const weights rest = count_weights(without);
        const double taken = rest.attention + rest.ffn;
        for (int n = static_cast<int>((q.parameters_min - taken) / each); n * each + taken <= q.parameters_max; ++n) {
            p.width = 512 * n;
            for (p.active = 1; n > 0 && p.active <= 16 && p.active <= p.experts; ++p.active) {
                if (design_point full = p; complete(full, q)) found.add(full);
            }
        }
    };
    for (int hidden = q.hidden_min; hidden <= q.hidden_max; hidden += 1024) {
        for (const precision& cache : q.caches) {
            for (const int heads : {16, 32, 64, 96, 128}) {
                for (const int dim : {64, 128, 192, 256, 512}) {
                    for (const int shared : {1, 2, 4, 8}) {
                        if (heads * dim < q.attention_rank_min || shared * dim < q.key_dims_min) continue;
                        for (const int experts : {8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512}) {
                            shape({.hidden = hidden,
                                   .query_heads = heads,
                                   .kv_heads = shared,
                                   .head_dim = dim,
                                   .experts = experts,
                                   .cache = cache});
                        }
                    }
                }
            }
        }
    }
}

} // namespace ashlar::inline v0::plan
