// SPDX-License-Identifier: Apache-2.0
// Nested domains as a value and as a type, innermost first. Rank r has coordinate (r / ranks within) % size at each
// level; two ranks talk over the innermost level whose domain holds both.
//
//     using rack = topo<domain<72, catalog::nvlink5>, domain<8, catalog::roce400>>;
//     static_assert(world_size(rack::value) == 576 && level_between(rack::value, 3, 80) == 1);
#pragma once

#include <cstdint>
#include <limits>

#include <ashlar/core/quantity.hpp>

namespace ashlar::inline v0::plan {

struct link {
    char name[24] = {};
    units::wire_rate rate{};       // of one rank
    units::second latency{};       // of a small write
    bool ordered = false;          // writes arrive in the order in which they were posted
    bool memory_semantics = false; // a processor can load and store through it
    bool duplex = true;            // both directions at full rate together
    double efficiency = 1;         // of large transfers, measured; 1: not known

    friend constexpr bool operator==(const link&, const link&) = default;
};

// Time of one write of so many bytes.
constexpr units::second wire_time(const link& wire, units::byte bytes) {
    return wire.latency + bytes / (wire.rate * wire.efficiency);
}

struct level {
    std::int64_t size = 1;
    link wire{};

    friend constexpr bool operator==(const level&, const level&) = default;
};

struct topology {
    static constexpr int levels_max = 4;

    level levels[levels_max] = {}; // those of size 1 say nothing

    // Ranks of a domain of this level; 1 at level -1. What does not fit is the largest number. (Divides, because
    // __builtin_mul_overflow is no constant to nvcc.)
    constexpr std::int64_t ranks_within(int at) const {
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
        std::int64_t n = 1;
        for (int k = 0; k <= at; ++k) {
            if (levels[k].size > 1 && n > most / levels[k].size) return most;
            n *= levels[k].size;
        }
        return n;
    }
    friend constexpr bool operator==(const topology&, const topology&) = default;
};

constexpr std::int64_t world_size(const topology& t) { return t.ranks_within(topology::levels_max - 1); }
constexpr bool well_formed(const topology& t) {
    for (const level& l : t.levels) {
        if (l.size < 1) return false;
    }
    return world_size(t) < std::numeric_limits<std::int64_t>::max();
}
constexpr std::int64_t coordinate(const topology& t, std::int64_t rank, int at) {
    return rank / t.ranks_within(at - 1) % t.levels[at].size;
}
constexpr std::int64_t rank_at(const topology& t, const std::int64_t (&coordinates)[topology::levels_max]) {
    std::int64_t rank = 0;
    for (int k = topology::levels_max; k-- > 0;) rank = rank * t.levels[k].size + coordinates[k];
    return rank;
}

// The level that two ranks talk over; -1 for one and the same, levels_max if one of them is not in the world.
constexpr int level_between(const topology& t, std::int64_t a, std::int64_t b) {
    int at = -1;
    while (at < topology::levels_max && a / t.ranks_within(at) != b / t.ranks_within(at)) ++at;
    return at;
}

// Bytes that each rank sends over each level.
enum class collective : std::uint8_t { all_to_all, all_gather, reduce_scatter, all_reduce };

struct crossing {
    units::byte bytes[topology::levels_max] = {};
};

// `payload` is what a rank holds at the start: its rows for everybody (all_to_all, itself included, in equal shares),
// its shard (all_gather), the whole vector (reduce_scatter, all_reduce). The last three go by rails: within the domain
// first when reducing, last when gathering, so that nothing crosses an outer level twice.
constexpr crossing bytes_crossing(const topology& t, collective what, units::byte payload) {
    const double world = static_cast<double>(world_size(t));
    crossing sum;
    for (int k = 0; k < topology::levels_max; ++k) {
        const double within = static_cast<double>(t.ranks_within(k)),
                     below = within / static_cast<double>(t.levels[k].size);
        const double others = static_cast<double>(t.levels[k].size - 1);
        switch (what) {
        case collective::all_to_all:
            sum.bytes[k] = payload * ((within - below) / world);
            break;
        case collective::all_gather:
            sum.bytes[k] = payload * (others * world / within);
            break;
        case collective::reduce_scatter:
            sum.bytes[k] = payload * (others / within);
            break;
        case collective::all_reduce:
            sum.bytes[k] = payload * (2 * others / within);
            break;
        }
    }
    return sum;
}

// The time that the busiest level needs to carry them; levels work at the same time, latencies add up.
constexpr units::second crossing_time(const topology& t, const crossing& c) {
    units::second busiest, latency;
    for (int k = 0; k < topology::levels_max; ++k) {
        if (c.bytes[k].value <= 0) continue;
        const link& wire = t.levels[k].wire;
        busiest = max(busiest, c.bytes[k] / (wire.rate * wire.efficiency));
        latency += wire.latency;
    }
    return busiest + latency;
}

// What one half of the outermost domains can send to the other, if no switch above the ports is oversubscribed.
constexpr units::wire_rate bisection(const topology& t) {
    for (int k = topology::levels_max; k-- > 0;) {
        if (t.levels[k].size > 1) {
            return t.levels[k].wire.rate * static_cast<double>(t.levels[k].size / 2 * t.ranks_within(k - 1));
        }
    }
    return {};
}

// A world with gaps: trays that are out, ranks that have died. Up to 16 runs; known at run time.
struct degraded {
    static constexpr int gaps_max = 16;
    struct gap {
        std::int64_t first = 0, count = 0;
    };

    topology whole{};
    gap gaps[gaps_max] = {}; // by first rank, apart from each other
    int gap_count = 0;

    // False, and nothing changes, if the run leaves the world, touches a rank that is out already, or is one too many.
    constexpr bool remove(std::int64_t first, std::int64_t count) {
        if (count <= 0 || first < 0 || first > world_size(whole) - count || gap_count == gaps_max) return false;
        int at = 0;
        while (at < gap_count && gaps[at].first < first) ++at;
        if (at > 0 && gaps[at - 1].first + gaps[at - 1].count > first) return false;
        if (at < gap_count && first + count > gaps[at].first) return false;
        for (int k = gap_count++; k > at; --k) gaps[k] = gaps[k - 1];
        gaps[at] = {first, count};
        return true;
    }
    constexpr bool has(std::int64_t rank) const {
        for (int k = 0; k < gap_count; ++k) {
            if (rank >= gaps[k].first && rank < gaps[k].first + gaps[k].count) return false;
        }
        return rank >= 0 && rank < world_size(whole);
    }
    constexpr std::int64_t size() const {
        std::int64_t n = world_size(whole);
        for (int k = 0; k < gap_count; ++k) n -= gaps[k].count;
        return n;
    }
    // The n-th rank that is there, and which one a rank that is there is.
    constexpr std::int64_t rank(std::int64_t n) const {
        for (int k = 0; k < gap_count && n >= gaps[k].first; ++k) n += gaps[k].count;
        return n;
    }
    constexpr std::int64_t index(std::int64_t rank) const {
        std::int64_t n = rank;
        for (int k = 0; k < gap_count && gaps[k].first < rank; ++k) n -= gaps[k].count;
        return n;
    }
};

// Types over the values.
template <std::int64_t Size, const link& Wire>
struct domain {
    static_assert(Size >= 1, "a domain holds at least one member");
    static constexpr level value{Size, Wire};
};
template <class... Domains>
struct topo {
    static_assert(sizeof...(Domains) <= topology::levels_max, "a topology has at most four levels");
    static constexpr topology value{{Domains::value...}};
};

} // namespace ashlar::inline v0::plan
