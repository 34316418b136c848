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
               w.head_table / ranks / (d.bandwidth * e.weights));
}

// One way of serving, ready to be asked for a step of any number of requests: everything below is of all layers, and of
// one request or constant. `cut` says over how many ranks.
struct colocated_cut {
    double attention = 1, projections = 1, experts = 1; // ranks that share a request, weights, experts
    double tokens_each = 1;                             // tokens in the experts for each request counted
};
struct colocated_step {
    struct kind {
        units::second core{}, linear{}, projections{}, feed{}, expert{};
        ffn shape{};
    };
    kind kinds[model::groups_max];
    int kind_count = 0;
    double tokens_each = 1;
    units::second starts{}, fixed_way{}, way{}, head{}, head_read{};

    constexpr colocated_step(const stage_costs& c, colocated_cut cut)
        : kind_count(c.kind_count), tokens_each(cut.tokens_each) {
        const double core = 1 / cut.attention, projections = 1 / cut.projections, experts = 1 / cut.experts;
        for (int i = 0; i < c.kind_count; ++i) {
            const stage_costs::kind& k = c.kinds[i];
            kinds[i] = {k.core * (core * k.count),
                        k.linear * (projections * k.count),
                        k.projections * (projections * k.count),
                        k.feed * (experts * tokens_each * k.count),
                        k.expert * (experts * k.count),
                        k.shape};
        }
        starts = (c.attention_start + c.ffn_start) * c.layers;
    }
    constexpr units::second least() const { return starts + fixed_way + head_read; }
    constexpr units::second compute(double requests) const {
        units::second sum = starts;
        for (int i = 0; i < kind_count; ++i) {
            const kind& k = kinds[i];
            sum += k.core * requests + max(k.linear * requests, k.projections) +
                   max(k.feed * requests, k.expert * experts_met(k.shape, requests * tokens_each));
        }
        return sum;
    }
    constexpr units::second way_of(double requests) const { return fixed_way + way * requests; }
    constexpr units::second head_of(double requests) const { return max(head * requests, head_read); }
    // Nothing overlaps.
    constexpr units::second serial(double requests) const {
        return compute(requests) + way_of(requests) + head_of(requests);
    }
    // Two halves take turns: one computes while the other travels. Weights are read twice.
    constexpr units::second halves(double requests) const {
        return max(compute(requests / 2), way_of(requests / 2)) * 2.0 + head_of(requests);
    }
};

// Wide EP: each rank has requests of its own, a token goes to `copies` ranks. A copy that stays in the scale-up domain
// of a larger world is not counted: the card is what is short.
constexpr colocated_step wide_ep(const serving_work& w, const device& d, const colocated_options& o,
                                 const stage_costs& costs, double copies) {
    const double outside = o.ranks > d.scale_up_size ? 1 - d.scale_up_size / o.ranks : 1;
    const double routed = o.ranks > 1 ? w.routed_layers : 0;
    const units::second starts = o.reached.dispatch_start + o.reached.combine_start, hops = o.latency * 2.0;
    const units::second one = exchange_time(w, port(d, o.ranks), o.reached, copies * outside, o.wire).both();
    colocated_step s(costs, {.experts = o.ranks, .tokens_each = o.ranks});
    if (one.value > 0) {
        s.fixed_way = (starts + hops) * routed;
        s.way = (one - starts) * routed;
    }
    s.head = flop_time(w.head, d, math::bf16, o.reached);
    s.head_read = w.head_table / (d.bandwidth * o.reached.weights);
    return s;
}
constexpr units::second wide_ep_step(const serving_work& w, const device& d, const colocated_options& o,
                                     double requests, double copies, bool halves = false) {
    const stage_costs costs = costs_on(w, d, o.reached);
    const colocated_step s = wide_ep(w, d, o, costs, copies);
    return halves ? s.halves(requests) : s.serial(requests);
}

// Helix: all ranks serve one batch, cut by KV heads first and by context over the rest. Partial outputs are exchanged
// once; outputs of attention and of the experts are summed over all ranks.
constexpr colocated_step helix(const serving_work& w, const device& d, const colocated_options& o,
                               const stage_costs& costs) {
    const attention& heads = w.heads;
    const double tensor = heads.kv_heads < o.ranks ? heads.kv_heads : o.ranks;
    const cp_decode one{1, static_cast<std::int64_t>(o.ranks / tensor), heads.query_heads, heads.kv_heads,
                        heads.kind == plan::heads::latent ? heads.latent_dim : heads.value_dim};
    const units::wire_rate wire = port(d, o.ranks);
    colocated_step s(costs, {.attention = o.ranks, .projections = o.ranks, .experts = o.ranks});
    const units::byte sums(2 * 2 * w.hidden * stored::bf16.bytes());
    s.fixed_way = o.latency * (w.layers * (one.ranks > 1 ? 3 : 2));
    if (wire.value > 0) s.way = (helix_bytes(one, tensor) + sums) / (wire * o.reached.combine) * w.layers;
    s.head = flop_time(w.head, d, math::bf16, o.reached) / o.ranks;
    s.head_read = w.head_table / (d.bandwidth * (o.reached.weights * o.ranks));
    return s;
}

namespace detail {
constexpr double whole(double n) { // a double of 2^53 or more has no fraction
    return n < 0x1p53 ? (n > 0 ? static_cast<double>(static_cast<std::int64_t>(n)) : 0) : n;
}
} // namespace detail

struct batch {
    double requests = 0;
    units::second step{};
};
// The largest whole number up to `high` whose step takes at most `limit`, or a little fewer; 0 if not even one does.
// `least` is what a step takes at least. Steps grow nearly linearly, so a few secants do.
template <class Step>
constexpr batch largest_batch(batch high, units::second least, units::second limit, const Step& step) {
    if (high.step <= limit) return high;
    batch low{0, least};
    double above = (high.step - limit).value, below = (least - limit).value;
    if (below > 0) return {};
    for (int i = 0; i < 6 && high.requests - low.requests > 1 + high.requests / 64; ++i) {
        const double guess = low.requests + (high.requests - low.requests) * below / (below - above);
        const double at = guess > low.requests + 1 ? detail::whole(guess) : low.requests + 1;
        const batch now{at, step(at)};
        if (now.step > limit) { // Illinois: an end that stays counts half the next time
            high = now;
            above = (now.step - limit).value;
            below /= 2;
        } else {
            low = now;
            below = (now.step - limit).value;
            above /= 2;
        }
    }
    return low;
}

namespace detail {
// `devices` serve one batch together.
constexpr colocated_plan plan_of(const colocated_options& o, double devices, const batch& b) {
    if (b.requests < 1) return {};
    return {b.requests, b.step / o.accepted, b.requests * o.accepted / (b.step.value * devices)};
}
} // namespace detail

// With as many requests as memory and objective allow, and in two halves if that is faster for all that memory holds.
constexpr colocated_plan best_wide_ep(const serving_work& w, const device& d, const colocated_options& o,
                                      const stage_costs& costs) {
    const units::byte fixed = w.attention_weights + w.tables + w.ffn_weights / o.ranks;
    const double fits = detail::whole((d.memory * o.usable_memory - fixed) / w.kv_request);
    if (!(fits >= 1)) return {};
    const double copies = w.routed.routed() ? distinct_destinations(w.routed, static_cast<int>(o.ranks)) : 0;
    const colocated_step s = wide_ep(w, d, o, costs, copies);
    const units::second serial = s.serial(fits), halves = s.halves(fits), limit = o.per_token * o.accepted;
    return detail::plan_of(
        o, 1,
        halves < serial
            ? largest_batch(
                  {fits, halves}, s.least(), limit, [&](double requests) { return s.halves(requests); })
            : largest_batch({fits, serial}, s.least(), limit, [&](double requests) { return s.serial(requests); }));
}
constexpr colocated_plan best_wide_ep(const serving_work& w, const device& d, const colocated_options& o) {
    return best_wide_ep(w, d, o, costs_on(w, d, o.reached));
}
constexpr colocated_plan best_helix(const serving_work& w, const device& d, const colocated_options& o,
                                    const stage_costs& costs) {
    const units::byte fixed = (w.attention_weights + w.tables + w.ffn_weights) / o.ranks;
    const double fits = detail::whole((d.memory * o.usable_memory - fixed) * o.ranks / w.kv_request);
    if (!(fits >= 1)) return {};
    const colocated_step s = helix(w, d, o, costs);
    return detail::plan_of(o, o.ranks,
                           largest_batch({fits, s.serial(fits)}, s.least(), o.per_token * o.accepted,
                                         [&](double requests) { return s.serial(requests); }));
}
constexpr colocated_plan best_helix(const serving_work& w, const device& d, const colocated_options& o) {
    return best_helix(w, d, o, costs_on(w, d, o.reached));
}

// What a plan is compared with on one kind of device: EP over all ranks, EP within a scale-up domain if that is
// smaller, and Helix. That exchanges in every layer, so it goes over cards only where a domain is too small or too slow
// for it.
struct colocated_ways {
    colocated_plan wide_ep{}, domain_ep{}, helix{};
    double domain = 0, helix_over = 0; // ranks
};
constexpr colocated_ways best_ways(const serving_work& w, const device& on, const colocated_options& o,
                                   const stage_costs& costs) {
    colocated_options near = o;
    near.ranks = on.scale_up_size < o.ranks ? on.scale_up_size : o.ranks;
    const bool apart = near.ranks < o.ranks;
    colocated_ways ways{.wide_ep = best_wide_ep(w, on, o, costs),
                        .helix = best_helix(w, on, near, costs),
                        .domain = near.ranks,
                        .helix_over = near.ranks};
    if (!apart) return ways;
    ways.domain_ep = best_wide_ep(w, on, near, costs);
    if (ways.helix.feasible()) return ways;
    ways.helix = best_helix(w, on, o, costs);
    ways.helix_over = o.ranks;
    return ways;
}

} // namespace ashlar::inline v0::plan
