// SPDX-License-Identifier: Apache-2.0
// What one rank needs for its part of one layer: attention, feed-forward, and the way there and back. A roofline with
// the shares of a device's peaks that kernels reach and the time that they take to start.
//
//     const serving_work w = work_of(catalog::step3, 8192_tokens, stored::fp8);
//     units::second a = attention_time(w, catalog::h20, reached::large_kernels, {.requests = 64});
//
// Times are means over the layers. A device without a published peak counts as one that never waits for it.
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>
#include <ashlar/plan/model.hpp>
#include <ashlar/plan/moe.hpp>

namespace ashlar::inline v0::plan {

// Shares of the peaks and times before the first byte, of one layer's kernels.
struct efficiency {
    double attention = 1; // of memory bandwidth, reading KV
    double weights = 1;   // of memory bandwidth, reading weights
    double flop = 1;
    double dispatch = 1, combine = 1; // of a wire
    units::second attention_start{}, ffn_start{}, dispatch_start{}, combine_start{};
    units::second others{}; // norms, positions, gate, quantisation: kernels that a roofline does not see

    friend constexpr bool operator==(const efficiency&, const efficiency&) = default;
};
constexpr bool well_formed(const efficiency& e) {
    return e.attention > 0 && e.weights > 0 && e.flop > 0 && e.dispatch > 0 && e.combine > 0 &&
           e.attention_start.value >= 0 && e.ffn_start.value >= 0 && e.dispatch_start.value >= 0 &&
           e.combine_start.value >= 0 && e.others.value >= 0;
}

namespace reached {
inline constexpr efficiency ideal{};
// Round numbers for kernels with much to do. KV: FlashMLA's README has 3,000 of 3,350 GB/s on an H800. Weights:
// 5.8-6.0 of 8 TB/s in aiconfigurator's GB200 table of DeepEP experts. FLOP: DeepGEMM's README has 1,233-1,550 of 1,979
// TFLOPS on an H800. Wires: DeepEP's low-latency kernels have 0.66 (dispatch) and 0.89 (combine) of 900 GB/s there,
// behind their start.
inline constexpr efficiency large_kernels{
    .attention = 0.9, .weights = 0.75, .flop = 0.7, .dispatch = 0.7, .combine = 0.7};
} // namespace reached

struct layer_kind {
    double count = 0;
    units::flop core{}, linear{}, feed{};      // of a token
    units::byte kv{};                          // of a token
    units::byte attention_weights{}, expert{}; // all projections; one expert
    math core_in = math::fp8;
    ffn shape{};
};

// A model at a context, as serving sees it.
struct serving_work {
    layer_kind kinds[model::groups_max] = {};
    int kind_count = 0;
    double layers = 0, routed_layers = 0;
    double hidden = 0;
    ffn routed{};      // of most routed layers; of most layers if none is
    attention heads{}; // of the same
    math in = math::fp8;
    units::byte kv_request{};                                 // cache of one request
    units::byte attention_weights{}, ffn_weights{}, tables{}; // of all layers; embedding and head
    units::flop head{};                                       // of a token
    units::byte head_table{};                                 // that every step reads
};
constexpr serving_work work_of(const model& m, units::token context, precision weights) {
    const layer_group& main = m.main_group();
    serving_work w{.hidden = static_cast<double>(m.hidden), .routed = main.feed, .heads = main.mix, .in = weights.in};
    for (const layer_group& g : m.groups) {
        if (g.count == 0) continue;
        const double projections = attention_weights(g.mix, m.hidden);
        const units::byte expert = weights.of(expert_weights(g.feed, m.hidden));
        w.kinds[w.kind_count++] = {.count = static_cast<double>(g.count),
                                   .core = core_flop(g.mix, context),
                                   .linear = units::flop(2 * projections),
                                   .feed = ffn_flop(g.feed, m.hidden),
                                   .kv = kv_traffic(g.mix, context),
                                   .attention_weights = weights.of(projections),
                                   .expert = expert,
                                   .core_in = core_math(g.mix, weights.in),
                                   .shape = g.feed};
        w.layers += g.count;
        w.routed_layers += g.feed.routed() ? g.count : 0;
        w.kv_request += kv_bytes(g.mix, context) * g.count;
        w.attention_weights += weights.of(projections) * g.count;
        w.ffn_weights += expert * (static_cast<double>(g.feed.experts + g.feed.shared) * g.count);
    }
    const double table = static_cast<double>(m.vocabulary) * m.hidden;
    w.head_table = stored::bf16.of(table);
    w.tables = w.head_table * (m.tied ? 1.0 : 2.0);
    w.head = units::flop(2 * table);
    return w;
}

constexpr units::second flop_time(units::flop n, const device& d, math in, const efficiency& e) {
    const units::flop_rate peak = rate(d, in);
    return peak.value > 0 ? n / (peak * e.flop) : units::second();
}

// The same on a device: what each kind of layer takes there, for a token and for reading weights once.
struct stage_costs {
    struct kind {
        double count = 0;
        units::second core{}, linear{}, feed{}; // of a token; core by the dearer of FLOP and bytes
        units::second projections{}, expert{};  // to read
        ffn shape{};
    };
    kind kinds[model::groups_max] = {};
    int kind_count = 0;
    double layers = 0;
    units::second attention_start{}, ffn_start{};
};
constexpr stage_costs costs_on(const serving_work& w, const device& d, const efficiency& e) {
    stage_costs c{.kind_count = w.kind_count,
                  .layers = w.layers,
                  .attention_start = e.attention_start + e.others,
                  .ffn_start = e.ffn_start};
    const auto seconds_in = [&](math in) {
        const double peak = rate(d, in).value * e.flop;
        return peak > 0 ? 1 / peak : 0;
    };
    const double flop_seconds = seconds_in(w.in);
    const double read_seconds = 1 / (d.bandwidth.value * e.weights), kv_seconds = 1 / (d.bandwidth.value * e.attention);
    for (int i = 0; i < w.kind_count; ++i) {
        const layer_kind& k = w.kinds[i];
        const double core_seconds = k.core_in == w.in ? flop_seconds : seconds_in(k.core_in);
        c.kinds[i] = {.count = k.count,
                      .core = max(units::second(k.core.value * core_seconds), units::second(k.kv.value * kv_seconds)),
                      .linear = units::second(k.linear.value * flop_seconds),
                      .feed = units::second(k.feed.value * flop_seconds),
                      .projections = units::second(k.attention_weights.value * read_seconds),
                      .expert = units::second(k.expert.value * read_seconds),
                      .shape = k.shape};
    }
    return c;
}

// Decoded tokens of one rank's micro-batch, and the ranks that share a request's heads and cache (both evenly).
struct attention_share {
    double requests = 0;
    double ranks = 1;        // that hold a part of each request's heads or cache
    double weight_ranks = 1; // projections / what a rank holds of them
};
// The mean over the layers; `longest` gets that of the slowest.
constexpr units::second attention_time(const stage_costs& c, attention_share s, units::second* longest = nullptr) {
    const double share = s.requests / s.ranks, row = s.requests / s.weight_ranks, part = 1 / s.weight_ranks;
    units::second sum;
    for (int i = 0; i < c.kind_count; ++i) {
        const stage_costs::kind& k = c.kinds[i];
        const units::second all = k.core * share + max(k.linear * row, k.projections * part);
        sum += all * k.count;
        if (longest != nullptr) *longest = max(*longest, all + c.attention_start);
    }
    return sum / c.layers + c.attention_start;
}
constexpr units::second attention_time(const serving_work& w, const device& d, const efficiency& e, attention_share s,
                                       units::second* longest = nullptr) {
    return attention_time(costs_on(w, d, e), s, longest);
}

// Experts whose weights so many tokens read. Where each expert expects twenty of them, it misses all with a chance of
// 2e-9, which is left out.
constexpr double experts_met(const ffn& f, double tokens) {
    return tokens * f.active >= 20.0 * f.experts ? f.experts + f.shared : experts_touched(f, tokens);
}
// Tokens that enter the feed-forward layers of all `ranks` together; each rank has an even part of the experts.
constexpr units::second ffn_time(const stage_costs& c, double tokens, double ranks) {
    const double share = tokens / ranks, part = 1 / ranks;
    units::second sum;
    for (int i = 0; i < c.kind_count; ++i) {
        const stage_costs::kind& k = c.kinds[i];
        sum += max(k.feed * share, k.expert * (experts_met(k.shape, tokens) * part)) * k.count;
    }
    return sum / c.layers + c.ffn_start;
}
constexpr units::second ffn_time(const serving_work& w, const device& d, const efficiency& e, double tokens,
                                 double ranks) {
    return ffn_time(costs_on(w, d, e), tokens, ranks);
}

// The port through which a group of so many ranks talks: the scale-up domain while it holds them all.
constexpr units::wire_rate port(const device& d, double ranks) {
    return ranks <= d.scale_up_size && d.scale_up.value > 0 ? d.scale_up : d.scale_out;
}

// One layer's way to the experts and back, of a rank that sends `rows` copies of tokens and receives as many.
struct exchange {
    units::second dispatch{}, combine{};
    constexpr units::second both() const { return dispatch + combine; }
};
constexpr exchange exchange_time(const serving_work& w, units::wire_rate wire, const efficiency& e, double rows,
                                 wire_format format) {
    if (!(rows > 0) || !(wire.value > 0)) return {};
    return {e.dispatch_start + format.dispatch.of(w.hidden * rows) / (wire * e.dispatch),
            e.combine_start + format.combine.of(w.hidden * rows) / (wire * e.combine)};
}

} // namespace ashlar::inline v0::plan
