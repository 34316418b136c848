// SPDX-License-Identifier: Apache-2.0
// Will attention and experts on different ranks meet the objective, and if not, why? A verdict holds every reason with
// its margin, the plan's speed and price, and what the same devices would do colocated.
//
//     constexpr deployment mine{.what = catalog::step3, .attention = catalog::h20, .ffn = catalog::h800, ...};
//     using plan = afd<mine>;               // does not compile if infeasible: the error names reason and margin
//     const verdict v = judge(mine);        // the same at run time
//
// A margin is what is left of a limit: 1 - need / limit. At -0.49 the plan needs 1.49 times what there is.
#pragma once

#include <cstdint>
#include <type_traits>

#include <ashlar/core/assert.hpp>
#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/colocated.hpp>
#include <ashlar/plan/moe.hpp>
#include <ashlar/plan/phase_map.hpp>
#include <ashlar/plan/pipeline.hpp>
#include <ashlar/plan/stage.hpp>

namespace ashlar::inline v0::plan {

enum class reason : std::uint8_t {
    dense_model,             // no expert to gather tokens for
    hbm_attention,           // projections, caches of all micro-batches, tables and slots
    hbm_ffn,                 // experts and slots
    attention_weights_floor, // reading a layer's projections alone takes longer than the stage's budget
    ffn_weights_floor,       // or its experts
    attention_budget,        // attention of a micro-batch against the stage's budget
    ffn_budget,
    network_budget,    // both directions together, each by its busier end
    network_intensity, // the share of the FFN device's peak that the wire can feed, against the one asked for
    pipeline_depth,    // a micro-batch's loop against its layer's share of the objective
    latency_floor,     // the same with latency and jitter of both hops
    time_per_token,    // the whole step, head and gap included, against the objective
    knee_unreached,    // from here on advice: experts are still bound by reading weights
    layer_variance,    // the slowest layer against the mean
    quantised_ratio,   // throughput lost against the best real ratio
    beaten_by,         // colocated wide EP or Helix on the same devices
};
inline constexpr int reason_count = 16;
inline constexpr reason first_advice = reason::knee_unreached;

// Where a token goes: to each rank (or group) that holds one of its experts, to all of them, or once for each expert.
enum class dispatch_to : std::uint8_t { distinct, all, each_expert };

struct deployment {
    model what{};
    device attention{}, ffn{};
    int attention_ranks = 1, ffn_ranks = 1;
    int ffn_group = 1;         // FFN ranks that share one copy of a token and cut each expert (tensor parallel)
    double attention_cut = 1;  // attention projections / what a rank holds of them
    units::request requests{}; // of an attention rank, all micro-batches
    units::token context{};
    units::second per_token{}; // the objective
    int micro_batches = 3;
    double accepted = 1; // tokens of a step, with speculation
    units::second gap{}; // between steps
    precision weights = stored::fp8;
    wire_format wire{};
    dispatch_to goes = dispatch_to::distinct;
    transfer by = transfer::beside;
    efficiency reached_attention = reached::large_kernels, reached_ffn = reached::large_kernels;
    units::wire_rate card{};           // one way, of a rank; 0: the devices' own ports
    units::second latency{}, jitter{}; // of a hop: small message, and what its 99th percentile adds
    double usable_memory = 0.9;
    double utilisation = 0;       // share of the FFN device's peak that is asked for; 0: not asked
    double layer_spread_max = 2;  // slowest layer / mean
    double ratio_loss_max = 0.15; // of throughput

    constexpr double tokens() const { return requests.value * attention_ranks / micro_batches; } // of a micro-batch
};

// Both sides can multiply what they hold: weights, and on the attention side each cache.
constexpr bool has_arithmetic(const deployment& d) {
    for (const layer_group& g : d.what.groups) {
        if (g.count == 0) continue;
        const math core = core_math(g.mix, d.weights.in);
        if (core != d.weights.in && !(rate(d.attention, core).value > 0)) return false;
    }
    return rate(d.attention, d.weights.in).value > 0 && rate(d.ffn, d.weights.in).value > 0;
}

// What judge() takes for granted: ask it of numbers that a user typed. No comparison holds of a NaN.
constexpr bool well_formed(const deployment& d) {
    constexpr int most = 1 << 30; // ranks of a side: both together are a number
    return well_formed(d.what) && well_formed(d.attention) && well_formed(d.ffn) && has_arithmetic(d) &&
           d.attention_ranks >= 1 && d.attention_ranks <= most && d.ffn_ranks >= 1 && d.ffn_ranks <= most &&
           d.ffn_group >= 1 && d.ffn_ranks % d.ffn_group == 0 && d.attention_cut >= 1 && d.requests.value > 0 &&
           d.context.value > 0 && d.per_token.value > 0 && d.micro_batches >= 1 && d.accepted >= 1 &&
           d.gap.value >= 0 && well_formed(d.reached_attention) && well_formed(d.reached_ffn) && d.card.value >= 0 &&
           d.latency.value >= 0 && d.jitter.value >= 0 && d.utilisation >= 0 && d.usable_memory > 0 &&
           d.layer_spread_max > 0 && d.ratio_loss_max > 0;
}
// The same as sub-grids: requests cut attention, experts cut the FFN side, whose groups are tensor parallel.
constexpr phase_map phases_of(const deployment& d) {
    return {.attention = {{0, d.attention_ranks}, {.data = d.attention_ranks}},
            .ffn = {{d.attention_ranks, d.ffn_ranks}, {.tensor = d.ffn_group, .expert = d.ffn_ranks / d.ffn_group}}};
}

struct verdict {
    double margins[reason_count] = {};
    std::uint32_t failed = 0; // bit of each reason whose margin is negative
    stage_times stages{};     // of a micro-batch and layer
    units::second budget{};   // of a stage
    units::second per_token{};
    double micro_batches_to_hide = 0;
    double rate = 0;                                // tokens a second and device
    units::usd_per_token cost{};                    // 0: a device has no price
    colocated_plan domain_ep{}, wide_ep{}, helix{}; // of the better device for each
    double best_colocated = 0; // tokens a second and device, or tokens a dollar if both have prices

    constexpr bool has(reason r) const { return (failed >> static_cast<int>(r) & 1) != 0; }
    constexpr double margin(reason r) const { return margins[static_cast<int>(r)]; }
    constexpr bool ok() const { return (failed & ((1u << static_cast<int>(first_advice)) - 1)) == 0; }
    // The reason with the least margin, of those that forbid the plan. The whole step only if no part of it fails.
    constexpr reason worst() const {
        int at = 0;
        for (int i = 1; i < static_cast<int>(reason::time_per_token); ++i) at = margins[i] < margins[at] ? i : at;
        return margins[at] >= 0 && has(reason::time_per_token) ? reason::time_per_token : static_cast<reason>(at);
    }
    constexpr int percent(reason r) const { // rounded away from zero, so that no refusal says 0
        const double p = margin(r) * 100;
        return static_cast<int>(p < 0 ? p - 0.999999 : p);
    }
};

namespace detail {
// From -1e6 to 1. What cannot be computed (infinities that meet) is not met.
constexpr double margin_of(double need, double limit) {
    if (need <= 0) return 1;
    const double margin = limit > 0 ? 1 - need / limit : -1e6;
    return margin > -1e6 ? margin : -1e6;
}
constexpr double margin_of(units::second need, units::second limit) { return margin_of(need.value, limit.value); }

// Names and sources apart.
constexpr bool same_figures(const device& a, const device& b) {
    return a.dense == b.dense && a.memory == b.memory && a.bandwidth == b.bandwidth && a.scale_up == b.scale_up &&
           a.scale_out == b.scale_out && a.scale_up_size == b.scale_up_size && a.price == b.price;
}

// A colocated plan's worth: tokens a dollar if there are prices, tokens a second and device if not.
struct best_colocated {
    double worth = 0;
    constexpr void take(colocated_plan& best, const colocated_plan& p, double price) {
        best = p.rate > best.rate ? p : best;
        const double w = price > 0 ? p.rate / price : p.rate;
        worth = w > worth ? w : worth;
    }
    constexpr void take(verdict& v, const colocated_ways& ways, double price) {
        take(v.wide_ep, ways.wide_ep, price);
        take(v.domain_ep, ways.domain_ep, price);
        take(v.helix, ways.helix, price);
    }
};
} // namespace detail

// Copies of a token that leave its attention rank.
constexpr double copies_of(const deployment& d, const ffn& routed) {
    const int groups = d.ffn_ranks / d.ffn_group;
    if (d.goes == dispatch_to::all || !routed.routed()) return groups;
    return d.goes == dispatch_to::each_expert ? routed.active : distinct_destinations(routed, groups);
}

constexpr stage_times stages_of(const deployment& d, const serving_work& w, const stage_costs& attention,
                                const stage_costs& ffn, double copies, units::second* longest = nullptr) {
    const efficiency& a = d.reached_attention;
    const double all = d.attention_ranks + d.ffn_ranks;
    const crossing_bytes b = bytes_of(d.tokens(), w.hidden, copies, d.attention_ranks, d.ffn_ranks,
                                      d.wire.dispatch.bytes(), d.wire.combine.bytes());
    const units::wire_rate from = d.card.value > 0 ? d.card : port(d.attention, all);
    const units::wire_rate to = d.card.value > 0 ? d.card : port(d.ffn, all);
    return {attention_time(attention, {.requests = d.requests.value / d.micro_batches, .weight_ranks = d.attention_cut},
                           longest),
            a.dispatch_start + dispatch_time(b, from * a.dispatch, to * a.dispatch),
            ffn_time(ffn, d.tokens(), d.ffn_ranks), a.combine_start + combine_time(b, from * a.combine, to * a.combine),
            d.latency * 2.0};
}
constexpr stage_times stages_of(const deployment& d) {
    const serving_work w = work_of(d.what, d.context, d.weights);
    return stages_of(d, w, costs_on(w, d.attention, d.reached_attention), costs_on(w, d.ffn, d.reached_ffn),
                     copies_of(d, w.routed));
}

// As many devices of one kind, serving colocated under the same objective.
constexpr colocated_options colocated_options_of(const deployment& d, const efficiency& reached) {
    return {.ranks = static_cast<double>(d.attention_ranks + d.ffn_ranks),
            .per_token = d.per_token,
            .accepted = d.accepted,
            .reached = reached,
            .wire = d.wire,
            .usable_memory = d.usable_memory,
            .latency = d.latency};
}
// What judge() compares a plan with, on one of its two kinds of devices.
constexpr colocated_ways colocated_ways_of(const deployment& d, const device& on, const efficiency& reached) {
    const serving_work w = work_of(d.what, d.context, d.weights);
    return best_ways(w, on, colocated_options_of(d, reached), costs_on(w, on, reached));
}

constexpr verdict judge(const deployment& d) {
    using detail::margin_of;
    ASHLAR_ASSERT(well_formed(d));
    const serving_work w = work_of(d.what, d.context, d.weights);
    const stage_costs attention = costs_on(w, d.attention, d.reached_attention);
    const stage_costs ffn = costs_on(w, d.ffn, d.reached_ffn);
    const double m = d.micro_batches, tokens = d.tokens(), copies = copies_of(d, w.routed);
    const double ranks = d.attention_ranks + d.ffn_ranks, made = d.requests.value * d.attention_ranks * d.accepted;
    const int layers = static_cast<int>(w.layers);
    verdict v;
    const auto say = [&](reason r, double margin) {
        v.margins[static_cast<int>(r)] = margin;
        v.failed |= static_cast<std::uint32_t>(margin < 0) << static_cast<int>(r);
    };

    units::second longest;
    const stage_times t = v.stages = stages_of(d, w, attention, ffn, copies, &longest);
    const units::second budget = v.budget = stage_budget(d.per_token, layers, d.micro_batches, d.accepted, d.gap);
    const units::second step = decode_time(t, layers, d.micro_batches, d.by) + d.gap +
                               head_time(w, d.attention, d.reached_attention, d.requests.value);
    v.per_token = step / d.accepted;
    v.micro_batches_to_hide = micro_batches_to_hide(t);
    v.rate = made / (step.value * ranks);
    const bool priced = d.attention.price.value > 0 && d.ffn.price.value > 0;
    const units::usd_rate price = d.attention.price * d.attention_ranks + d.ffn.price * d.ffn_ranks;
    if (priced) v.cost = step * price / units::token(made);

    const units::byte slot = d.wire.dispatch.of(w.hidden), back = d.wire.combine.of(w.hidden);
    const units::byte held =
        w.attention_weights / d.attention_cut + w.tables + (w.kv_request + slot + back * copies) * d.requests.value;
    const units::byte experts = w.ffn_weights / d.ffn_ranks + (slot + back) * (tokens * copies * m / d.ffn_ranks);
    const units::second projections =
        w.attention_weights / (w.layers * d.attention_cut) / (d.attention.bandwidth * d.reached_attention.weights);
    const units::second expert_read =
        w.ffn_weights / (w.layers * d.ffn_ranks) / (d.ffn.bandwidth * d.reached_ffn.weights);
    const units::second loop_budget = budget * m;
    say(reason::dense_model, w.routed.routed() ? 1 : -1);
    say(reason::hbm_attention, margin_of(held.value, d.attention.memory.value * d.usable_memory));
    say(reason::hbm_ffn, margin_of(experts.value, d.ffn.memory.value * d.usable_memory));
    say(reason::attention_weights_floor, margin_of(projections, budget));
    say(reason::ffn_weights_floor, margin_of(expert_read, budget));
    say(reason::attention_budget, margin_of(t.attention, budget));
    say(reason::ffn_budget, margin_of(t.ffn, budget));
    say(reason::network_budget, margin_of(t.way(), budget));
    say(reason::pipeline_depth, margin_of(t.loop() - t.latency, loop_budget));
    say(reason::latency_floor, margin_of(t.loop() + d.jitter * 2.0, loop_budget));
    say(reason::time_per_token, margin_of(v.per_token, d.per_token));
    say(reason::layer_variance, margin_of(longest / t.attention, d.layer_spread_max));

    double intensity = 1, knee = 1, ratio = 1;
    if (const units::flop_rate peak = rate(d.ffn, d.weights.in); peak.value > 0) {
        const units::wire_rate card = d.card.value > 0 ? d.card : port(d.ffn, ranks);
        if (d.utilisation > 0 && w.routed.routed()) {
            intensity = margin_of(d.utilisation, hfu_cap(network_intensity(w.routed, d.wire), card, peak));
        }
        knee = margin_of(knee_batch(w.routed, balance(d.ffn, d.weights.in), d.weights).value, tokens);
        // Attention ranks for each FFN rank: ours, and that at which experts compute as long as all else takes.
        units::second feed;
        for (int i = 0; i < ffn.kind_count; ++i) feed += ffn.kinds[i].feed * (ffn.kinds[i].count / w.layers);
        const units::second floor = max(t.attention, expert_read);
        const double ours = static_cast<double>(d.attention_ranks) / d.ffn_ranks;
        const double best = floor / (feed * (d.requests.value / m));
        const double reached = ours / (ours + 1) / t.busiest().value, most = best / (best + 1) / floor.value;
        ratio = margin_of(1 - reached / most, d.ratio_loss_max);
    }
    say(reason::network_intensity, intensity);
    say(reason::knee_unreached, knee);
    say(reason::quantised_ratio, ratio);

    detail::best_colocated best;
    best.take(v, best_ways(w, d.attention, colocated_options_of(d, d.reached_attention), attention),
              priced ? d.attention.price.value : 0);
    if (!detail::same_figures(d.ffn, d.attention)) {
        best.take(v, best_ways(w, d.ffn, colocated_options_of(d, d.reached_ffn), ffn), priced ? d.ffn.price.value : 0);
    }
    v.best_colocated = best.worth;
    say(reason::beaten_by, margin_of(best.worth, priced ? 1 / v.cost.value : v.rate));
    return v;
}

// What a compiler prints of a plan that cannot meet its objective: the worst reason and its margin in percent.
template <reason Why, int MarginPercent>
struct infeasible_because;
struct meets_its_objective {};

// A plan as a type. Instantiating it with an infeasible one does not compile.
template <const deployment& Plan>
struct afd : std::conditional_t<judge(Plan).ok(), meets_its_objective,
                                infeasible_because<judge(Plan).worst(), judge(Plan).percent(judge(Plan).worst())>> {
    static constexpr verdict judged = judge(Plan);
};

} // namespace ashlar::inline v0::plan
