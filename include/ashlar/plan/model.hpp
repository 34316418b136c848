// SPDX-License-Identifier: Apache-2.0
// A model as a value: groups of equal layers. One type serves the compiler, a command line and a scheduler; it is
// structural, so a model can be a template argument.
//
//     inline constexpr model mine{.name = "mine", .hidden = 2048, .vocabulary = 32000,
//                                 .groups = {{16, gqa({32, 8, 64}), dense(8192)}}};
//     static_assert(kv_bytes(mine, 8192_tokens) < 1_GB);
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/attention.hpp>
#include <ashlar/plan/ffn.hpp>
#include <ashlar/plan/precision.hpp>

namespace ashlar::inline v0::plan {

struct layer_group {
    int count = 0;
    attention mix{};
    ffn feed{};

    friend constexpr bool operator==(const layer_group&, const layer_group&) = default;
};

struct model {
    static constexpr int groups_max = 8;
    static constexpr int layers_max = 1 << 20;

    char name[32] = {};
    int hidden = 0;
    int vocabulary = 0;
    bool tied = false;                   // the embedding is the head
    layer_group groups[groups_max] = {}; // those with count 0 say nothing

    constexpr int layers() const {
        int n = 0;
        for (const layer_group& g : groups) n += g.count;
        return n;
    }
    constexpr int moe_layers() const {
        int n = 0;
        for (const layer_group& g : groups) n += g.feed.routed() ? g.count : 0;
        return n;
    }
    // The routed feed-forward layer that most layers have; a dense one if there is none.
    constexpr const layer_group& main_group() const {
        const layer_group* best = groups;
        for (const layer_group& g : groups) {
            if (g.count == 0) continue;
            if (best->count == 0 || (g.feed.routed() != best->feed.routed() ? g.feed.routed() : g.count > best->count))
                best = &g;
        }
        return *best;
    }
    friend constexpr bool operator==(const model&, const model&) = default;
};

// What the formulas take for granted. For models that were read from somewhere; the catalogue's are.
constexpr bool well_formed(const model& m) {
    int layers = 0;
    for (const layer_group& g : m.groups) {
        const attention& a = g.mix;
        const ffn& f = g.feed;
        if (g.count == 0) continue;
        if (g.count < 0 || g.count > model::layers_max - layers) return false;
        layers += g.count;
        if (a.query_heads < 1 || a.kv_heads < 1 || a.head_dim < 1 || a.value_dim < 1) return false;
        if (a.sees.window < 0 || a.sees.ratio < 0 || a.sees.top_k < 0 || a.output_groups < 1) return false;
        if (a.sees.window == 0 && a.sees.ratio == 0) return false; // sees nothing
        if (f.width < 1 || f.active < 0 || f.shared < 0 || f.active > f.experts || f.active + f.shared < 1)
            return false;
    }
    return m.hidden > 0 && m.vocabulary >= 0 && layers > 0;
}

// Weights. Embedding and head stand apart, as tables of active parameters leave them out or in.
struct weights {
    double attention = 0, ffn = 0, ffn_active = 0, embedding = 0, head = 0;

    constexpr double total() const { return attention + ffn + embedding + head; }
    constexpr double active() const { return attention + ffn_active + embedding + head; }
};
constexpr weights count_weights(const model& m) {
    const double table = static_cast<double>(m.vocabulary) * m.hidden;
    weights sum{.embedding = table, .head = m.tied ? 0 : table};
    for (const layer_group& g : m.groups) {
        sum.attention += g.count * attention_weights(g.mix, m.hidden);
        sum.ffn += g.count * ffn_weights(g.feed, m.hidden);
        sum.ffn_active += g.count * expert_weights(g.feed, m.hidden) * (g.feed.active + g.feed.shared);
    }
    return sum;
}

// One decoded token through all layers.
struct work {
    units::flop core{};   // scores and values
    units::byte kv{};     // cache and states moved
    units::flop linear{}; // projections around the core
    units::flop feed{};   // feed-forward
    units::flop head{};   // vocabulary

    constexpr units::flop total() const { return core + linear + feed + head; }
};
constexpr work work_per_token(const model& m, units::token context, convention how = convention::exact) {
    work sum{.head = units::flop(2.0 * m.vocabulary * m.hidden)};
    for (const layer_group& g : m.groups) {
        sum.core += core_flop(g.mix, context, how) * g.count;
        sum.kv += kv_traffic(g.mix, context) * g.count;
        sum.linear += units::flop(2 * attention_weights(g.mix, m.hidden) * g.count);
        sum.feed += ffn_flop(g.feed, m.hidden) * g.count;
    }
    return sum;
}

// Memory that a request of this context holds.
constexpr units::byte kv_bytes(const model& m, units::token context) {
    units::byte sum;
    for (const layer_group& g : m.groups) sum += kv_bytes(g.mix, context) * g.count;
    return sum;
}

// The same model with every cache stored so; states of recurrent layers stay as they are.
constexpr model with_kv(model m, precision kv) {
    for (layer_group& g : m.groups) {
        if (g.mix.kind != heads::recurrent) g.mix.kv = kv;
    }
    return m;
}

} // namespace ashlar::inline v0::plan
