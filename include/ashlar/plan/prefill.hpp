// SPDX-License-Identifier: Apache-2.0
// FLOP of a prompt. Every token sees those before it, so the core grows with the square; MLA is not absorbed here, as
// keys and values of a whole prompt are worth unpacking.
//
//     constexpr units::flop all = prefill_flop(catalog::llama31_405b, 1000000_tokens);   // 4.9e18: 77 s on 128 H100
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/attention.hpp>
#include <ashlar/plan/model.hpp>

namespace ashlar::inline v0::plan {

// The integral of min(cap, s) for s from 0 to n; a cap of 0 or less is none.
constexpr double integral_of_min(double cap, double n) {
    return cap <= 0 || n <= cap ? n * n / 2 : cap * cap / 2 + cap * (n - cap);
}

// Pairs (token, token that it sees) of a prompt of n tokens, and those that an indexer scores.
constexpr double attended_pairs(const reach& r, double n) {
    const double near = r.window == 0 ? 0 : integral_of_min(r.window, n);
    return near + (r.ratio == 0 ? 0 : integral_of_min(static_cast<double>(r.top_k) * r.ratio, n) / r.ratio);
}
constexpr double scored_pairs(const reach& r, double n) { return r.ratio == 0 ? 0 : n * n / 2 / r.ratio; }

// Of `prompt` tokens behind `cached` ones whose keys and values are there already. The head is left out: one token of a
// prompt needs it.
constexpr units::flop prefill_flop(const model& m, units::token prompt, units::token cached = {}) {
    units::flop sum;
    const double from = cached.value, to = from + prompt.value;
    for (const layer_group& g : m.groups) {
        const attention& a = g.mix;
        const double pair = 2.0 * a.query_heads * (a.head_dim + a.rope_dim + a.value_dim);
        const double core = a.kind == heads::recurrent
                                ? 10 * state_elements(a) * prompt.value
                                : pair * (attended_pairs(a.sees, to) - attended_pairs(a.sees, from));
        const double index =
            2.0 * a.sees.index_heads * a.sees.index_dim * (scored_pairs(a.sees, to) - scored_pairs(a.sees, from));
        const units::flop token = units::flop(2 * attention_weights(a, m.hidden)) + ffn_flop(g.feed, m.hidden);
        sum += (units::flop(core + index) + token * prompt.value) * g.count;
    }
    return sum;
}

} // namespace ashlar::inline v0::plan
