// SPDX-License-Identifier: Apache-2.0
// What experts ask of memory and network: the batch at which they stop being bound by reading weights, the sparsity
// that a network can feed, the FLOP that a byte on the wire buys, and how many destinations a token really has.
//
//     static_assert(knee_batch(moe({.experts = 48, .active = 3, .shared = 1, .width = 5120}),
//                              balance(catalog::h800, math::fp8)) > 3619_tokens);
//
// Sources: Step-3 report (arXiv 2507.19427) section 5 and Table 7; arXiv 2602.09721 for the HFU cap.
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/ffn.hpp>
#include <ashlar/plan/precision.hpp>

namespace ashlar::inline v0::plan {

// x^n of a chance x by squaring. Less than 1e-100 is nothing: nvcc takes an underflow for no constant. (The product is
// never below the square of x, so x alone needs watching.)
constexpr double power(double x, std::int64_t n) {
    constexpr double nothing = 1e-100;
    double product = 1;
    for (; n > 0 && x > nothing; n /= 2, x *= x) product *= n % 2 != 0 ? x : 1;
    return n > 0 || product < nothing ? 0 : product;
}

// C(all - without, draws) / C(all, draws): the chance that `draws` different experts miss `without` given ones.
constexpr double chance_of_missing(double all, double without, int draws) {
    double chance = 1;
    for (double left = all - without; draws > 0 && chance > 0; --draws, left -= 1, all -= 1) chance *= left / all;
    return chance > 0 ? chance : 0;
}

// Experts whose weights a batch of tokens reads, routed evenly and independently; the shared ones always.
constexpr double experts_touched(const ffn& f, double tokens) {
    if (!f.routed()) return f.shared;
    const double misses = 1 - static_cast<double>(f.active) / f.experts; // of one token, one expert
    return f.shared + f.experts * (1 - power(misses, static_cast<std::int64_t>(tokens < 1e18 ? tokens : 1e18)));
}

// Tokens of a step at which the layer is bound by FLOPS and by reading weights alike: balance / (2 sparsity), for
// weights of one byte. Below it the weights' bandwidth decides.
constexpr units::token knee_batch(const ffn& f, units::flop_per_byte balance, precision weights = stored::fp8) {
    return units::token(balance.value * weights.bytes() / (2 * f.sparsity()));
}

// How a token travels to its experts and back.
struct wire_format {
    precision dispatch = stored::fp8, combine = stored::bf16;

    constexpr double bytes() const { return dispatch.bytes() + combine.bytes(); } // of an element, there and back
};

// The smallest sparsity at which the network carries a knee batch in a layer's share of a stage: one stage of `stage`
// for all `layers` together. `net` is one direction of a whole server. Step-3: hidden balance layers / (net 11.1 ms).
constexpr double sparsity_min(int hidden, int layers, units::flop_per_byte balance, units::wire_rate net,
                              units::second stage, wire_format wire = {}) {
    const units::byte knee_at_one(wire.bytes() * hidden * balance.value / 2);
    return knee_at_one / net * static_cast<double>(layers) / stage;
}

// FLOP of a routed expert for each byte that its token costs there and back: 2 width for FP8 and BF16, whatever hidden
// size, top-k and number of experts are.
constexpr units::flop_per_byte network_intensity(const ffn& f, wire_format wire = {}) {
    return units::flop_per_byte(2.0 * f.matrices * f.width / wire.bytes());
}

// The share of its peak that an expert's device can reach behind this wire, at most 1.
constexpr double hfu_cap(units::flop_per_byte network_intensity, units::wire_rate net, units::flop_rate peak) {
    const double cap = network_intensity.value * net.value / peak.value;
    return cap < 1 ? cap : 1;
}

// Expected number of different destinations of a token when the experts lie evenly on `ranks` of them: what is sent if
// rows are de-duplicated. One for a dense layer. Divided by ranks it is the chance that a given one gets the token.
constexpr double distinct_destinations(const ffn& f, int ranks) {
    if (!f.routed()) return 1;
    if (ranks > f.experts) ranks = f.experts; // the others hold none
    return ranks * (1 - chance_of_missing(f.experts, static_cast<double>(f.experts) / ranks, f.active));
}
// How much more a wire byte buys when every destination adds up its experts' outputs before it answers.
constexpr double fan_out_gain(const ffn& f, int ranks) { return f.active / distinct_destinations(f, ranks); }
// The share of a broadcast to all ranks that nobody asked for.
constexpr double broadcast_waste(const ffn& f, int ranks) { return 1 - distinct_destinations(f, ranks) / ranks; }

} // namespace ashlar::inline v0::plan
