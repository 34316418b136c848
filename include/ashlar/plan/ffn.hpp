// SPDX-License-Identifier: Apache-2.0
// A feed-forward layer as a value. A dense one is a mixture whose only expert is shared, so no formula asks which it
// is.
//
//     constexpr ffn routed = moe({.experts = 256, .active = 8, .shared = 1, .width = 2048});
//     constexpr ffn plain = dense(18432);
#pragma once

#include <ashlar/core/quantity.hpp>

namespace ashlar::inline v0::plan {

struct ffn {
    int experts = 0;          // routed ones
    int active = 0;           // routed ones that a token visits
    int shared = 0;           // those that every token visits
    int width = 0;            // of one expert
    int matrices = 3;         // gate, up, down; 2 without a gate
    bool hash_routed = false; // the token's id decides, no gate: the destination is known before the layer runs

    constexpr bool routed() const { return experts != 0; }
    // Active of all, shared ones counted: 1 if dense, 4/49 for Step-3.
    constexpr double sparsity() const { return static_cast<double>(active + shared) / (experts + shared); }
    friend constexpr bool operator==(const ffn&, const ffn&) = default;
};

struct moe_shape {
    int experts, active, shared = 0, width;
};
constexpr ffn moe(moe_shape m) {
    return {.experts = m.experts, .active = m.active, .shared = m.shared, .width = m.width};
}
constexpr ffn hash_routed(ffn f) {
    f.hash_routed = true;
    return f;
}
constexpr ffn dense(int width) { return {.shared = 1, .width = width}; }

// Weights of one expert, of all, and of those that a token visits.
constexpr double expert_weights(const ffn& f, int hidden) { return static_cast<double>(f.matrices) * hidden * f.width; }
constexpr double ffn_weights(const ffn& f, int hidden) {
    return expert_weights(f, hidden) * (f.experts + f.shared) +
           (f.routed() && !f.hash_routed ? static_cast<double>(f.experts) * hidden : 0);
}
// Of one token; the gate is left out, as the Step-3 report does.
constexpr units::flop ffn_flop(const ffn& f, int hidden) {
    return units::flop(2 * expert_weights(f, hidden) * (f.active + f.shared));
}

} // namespace ashlar::inline v0::plan
