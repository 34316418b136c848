// SPDX-License-Identifier: Apache-2.0
// What the same devices do without disaggregation: attention by requests and experts over all ranks (wide EP), or
// context over all ranks for one shared batch (Helix). An AFD plan has to beat the better of them.
//
//     const colocated_plan p = best_wide_ep(w, catalog::h200, {.ranks = 16, .per_token = exact(50_ms)});
//     p.rate;   // tokens a second and device
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/cp.hpp>
#include <ashlar/plan/stage.hpp>

namespace ashlar::inline v0::plan {

struct colocated_options {
    double ranks = 1;
    units::second per_token{}; // the objective
    double accepted = 1;       // tokens of a step, with speculation
    efficiency reached = reached::large_kernels;
    wire_format wire{};
    double usable_memory = 0.9; // of the device's; the rest is workspace
    units::second latency{};    // of a small message
};
struct colocated_plan {
    double requests = 0; // of a rank (wide EP), of all ranks (Helix); 0: not one fits
    units::second per_token{};
    double rate = 0; // tokens a second and device

    constexpr bool feasible() const { return requests >= 1; }
};

constexpr units::second head_time(const serving_work& w, const device& d, const efficiency& e, double requests,
                                  double ranks = 1) {
    return max(flop_time(w.head * (requests / ranks), d, math::bf16, e),
               w.tables / (2 * ranks) / (d.bandwidth * e.weights));
}

// One step of wide EP with `requests` on each rank, nothing overlapped. A token goes to `copies` ranks; those in the
// scale-up domain cost its port, the others the card's.
constexpr units::second wide_ep_step(const serving_work& w, const device& d, const colocated_options& o,
                                     double requests, double copies, bool halves = false) {
    const double parts = halves ? 2 : 1, part = requests / parts;
    const units::second compute =
        (attention_time(w, d, o.reached, {.requests = part}) + ffn_time(w, d, o.reached, part * o.ranks, o.ranks)) *
        parts;
    const double inside = o.ranks <= d.scale_up_size ? o.ranks : d.scale_up_size;
    const bool leaves = o.ranks > d.scale_up_size;
    const double share = o.ranks > 1 ? (leaves ? 1 - inside / o.ranks : 1) : 0;
    const units::second way = exchange_time(w, port(d, o.ranks), o.reached, part * copies * share, o.wire).both() *
                              (w.routed_layers / w.layers * parts);
    // Two halves take turns: one computes while the other travels.
    const units::second layer = halves ? max(compute, way) : compute + way;
    return layer * w.layers + head_time(w, d, o.reached, requests);
}

// The largest number up to `most` whose step takes at most `limit`, or a little fewer; 0 if not even one does. Steps
// grow nearly linearly, so a few secants do.
template <class Step>
constexpr double largest_batch(double most, units::second limit, const Step& step) {
    if (!(most >= 1)) return 0;
    double high = most, low = 1;
    double above = step(high).value - limit.value;
    if (above <= 0) return high;
    double below = step(low).value - limit.value;
    if (below > 0) return 0;
    for (int i = 0; i < 6 && high - low > high / 64; ++i) { // Illinois: an end that stays counts half the next time
        const double at = low + (high - low) * below / (below - above), now = step(at).value - limit.value;
        if (now > 0) {
            high = at;
            above = now;
            below /= 2;
        } else {
            low = at;
            below = now;
            above /= 2;
        }
    }
    return low;
}

constexpr double whole(double requests) { return static_cast<double>(static_cast<std::int64_t>(requests)); }

// With as many requests as memory and objective allow, and two-batch overlap where that is faster.
constexpr colocated_plan best_wide_ep(const serving_work& w, const device& d, const colocated_options& o) {
    const double copies = w.routed.routed() ? distinct_destinations(w.routed, static_cast<int>(o.ranks)) : 0;
    const units::byte fixed = w.attention_weights + w.tables + w.ffn_weights / o.ranks;
    const double fits = (d.memory * o.usable_memory - fixed) / w.kv_request;
    const auto step = [&](double requests) {
        return min(wide_ep_step(w, d, o, requests, copies), wide_ep_step(w, d, o, requests, copies, true));
    };
    const double requests = whole(largest_batch(fits, o.per_token * o.accepted, step));
    if (requests < 1) return {};
    const units::second time = step(requests);
    return {requests, time / o.accepted, requests * o.accepted / time.value};
}

// One step of Helix: all ranks serve one batch, cut by KV heads first and by context over the rest.
constexpr units::second helix_step(const serving_work& w, const device& d, const colocated_options& o,
                                   const attention& heads, double requests) {
    const double tensor = heads.kv_heads < o.ranks ? heads.kv_heads : o.ranks;
    const cp_decode cut{requests, static_cast<std::int64_t>(o.ranks / tensor), heads.query_heads, heads.kv_heads,
                        heads.kind == plan::heads::latent ? heads.latent_dim : heads.value_dim};
    const cp_rank rank{{}, port(d, o.ranks), o.latency};
    const units::second layer =
        attention_time(w, d, o.reached, {.requests = requests, .ranks = o.ranks, .weight_ranks = o.ranks}) +
        helix_exchange_time(cut, rank, tensor) + ffn_time(w, d, o.reached, requests, o.ranks) +
        // outputs of attention and of the experts are summed over all ranks
        (o.latency + w.hidden * requests * stored::bf16.of(2) / (rank.wire * o.reached.combine)) * 2;
    return layer * w.layers + head_time(w, d, o.reached, requests, o.ranks);
}
constexpr colocated_plan best_helix(const serving_work& w, const device& d, const colocated_options& o,
                                    const attention& heads) {
    const units::byte fixed = (w.attention_weights + w.tables + w.ffn_weights) / o.ranks;
    const double fits = (d.memory * o.usable_memory - fixed) * o.ranks / w.kv_request;
    const auto step = [&](double requests) { return helix_step(w, d, o, heads, requests); };
    const double requests = whole(largest_batch(fits, o.per_token * o.accepted, step));
    if (requests < 1) return {};
    const units::second time = step(requests);
    return {requests, time / o.accepted, requests * o.accepted / time.value / o.ranks};
}

} // namespace ashlar::inline v0::plan
