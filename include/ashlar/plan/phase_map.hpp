// SPDX-License-Identifier: Apache-2.0
// Which ranks compute attention and which the feed-forward layers. Colocated serving, Helix and AFD are one object: two
// sub-grids of one topology. The same ranks cut the same way are colocated, the same ranks cut anew between the phases
// are Helix (arXiv 2507.07120), different ranks are AFD.
//
//     constexpr phase_map afd{.attention = {{0, 16}, {.data = 16}}, .ffn = {{16, 16}, {.expert = 16}}};
//     static_assert(style_of(afd) == serving_style::disaggregated);
#pragma once

#include <cstdint>
#include <initializer_list>

#include <ashlar/plan/topology.hpp>

namespace ashlar::inline v0::plan {

struct subgrid {
    std::int64_t first = 0, count = 0;

    friend constexpr bool operator==(const subgrid&, const subgrid&) = default;
};

// How the work of a phase is cut over its ranks: by heads or columns, by context, by experts, by requests.
struct sharding {
    int tensor = 1, context = 1, expert = 1, data = 1;

    constexpr bool covers(std::int64_t ranks) const { // the product can exceed 64 bits, and is no rank count then
        return tensor > 0 && context > 0 && expert > 0 && data > 0 &&
               static_cast<double>(tensor) * context * expert * data == static_cast<double>(ranks);
    }
    friend constexpr bool operator==(const sharding&, const sharding&) = default;
};

struct phase {
    subgrid on{};
    sharding cut{};

    friend constexpr bool operator==(const phase&, const phase&) = default;
};

struct phase_map {
    phase attention{}, ffn{};

    friend constexpr bool operator==(const phase_map&, const phase_map&) = default;
};

enum class serving_style : std::uint8_t { colocated, resharded, disaggregated, overlapping };

constexpr serving_style style_of(const phase_map& m) {
    const subgrid a = m.attention.on, f = m.ffn.on;
    if (a == f) return m.attention.cut == m.ffn.cut ? serving_style::colocated : serving_style::resharded;
    const bool apart = a.first + a.count <= f.first || f.first + f.count <= a.first;
    return apart ? serving_style::disaggregated : serving_style::overlapping;
}

// Both phases lie in the world, are cut over exactly their ranks and do not half overlap.
constexpr bool well_formed(const phase_map& m, const topology& t) {
    for (const phase& p : {m.attention, m.ffn}) {
        if (p.on.first < 0 || p.on.count < 1 || p.on.first > world_size(t) - p.on.count) return false;
        if (!p.cut.covers(p.on.count)) return false;
    }
    return style_of(m) != serving_style::overlapping;
}

// The outermost level that the edge between the phases crosses; -1 where nothing moves.
constexpr int edge_level(const phase_map& m, const topology& t) {
    if (style_of(m) == serving_style::colocated) return -1;
    const std::int64_t first = m.attention.on.first < m.ffn.on.first ? m.attention.on.first : m.ffn.on.first;
    const std::int64_t a = m.attention.on.first + m.attention.on.count, f = m.ffn.on.first + m.ffn.on.count;
    return level_between(t, first, (a < f ? f : a) - 1);
}

// A map as a type: on a topology that it fits.
template <phase_map Map, class Topology>
struct placed {
    static_assert(well_formed(Map, Topology::value),
                  "a phase leaves the world, is not cut over exactly its ranks, or half overlaps the other");
    static constexpr phase_map value = Map;
};

} // namespace ashlar::inline v0::plan
