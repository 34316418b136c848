// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/topology.hpp>

#include <ashlar/plan/catalog_racks.hpp>

#include <vector>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;
using namespace ashlar::literals;

namespace {
using three = topo<domain<2, catalog::nvlink5>, domain<3, catalog::nvlink5>, domain<4, catalog::roce400>>;
constexpr topology world = three::value;

template <topology T>
constexpr std::int64_t size_of = world_size(T);
} // namespace

TEST_CASE("a topology is a type and a value, innermost first") {
    static_assert(size_of<world> == 24);
    static_assert(world.ranks_within(-1) == 1 && world.ranks_within(0) == 2 && world.ranks_within(1) == 6);
    static_assert(world_size(catalog::nvl72::value) == 72 && world_size(catalog::cloudmatrix384::value) == 768);
    CHECK(well_formed(world));
    CHECK_FALSE(well_formed(topology{{{0, {}}}}));
    CHECK_FALSE(well_formed(topology{{{-2, {}}, {-3, {}}}}));
}

TEST_CASE("coordinates and ranks are each other's inverse") {
    for (std::int64_t rank = 0; rank < world_size(world); ++rank) {
        std::int64_t at[topology::levels_max];
        for (int k = 0; k < topology::levels_max; ++k) at[k] = coordinate(world, rank, k);
        CHECK(rank_at(world, at) == rank);
    }
}

TEST_CASE("two ranks talk over the innermost level that holds both") {
    CHECK(level_between(world, 5, 5) == -1);
    CHECK(level_between(world, 0, 1) == 0);
    CHECK(level_between(world, 1, 2) == 1);
    CHECK(level_between(world, 5, 6) == 2);
    CHECK(level_between(world, 0, 23) == 2);
    CHECK(level_between(world, 23, 24) == topology::levels_max);
}

TEST_CASE("an all-to-all crosses a level as often as it has peers there") {
    // counted: every rank sends one byte to each of the 24
    std::vector<double> counted(topology::levels_max, 0);
    for (std::int64_t peer = 1; peer < 24; ++peer) counted[level_between(world, 0, peer)] += 1;
    const crossing c = bytes_crossing(world, collective::all_to_all, units::byte(24));
    for (int k = 0; k < topology::levels_max; ++k) CHECK(c.bytes[k].value == doctest::Approx(counted[k]));
}

TEST_CASE("gathering and reducing by rails cross an outer level once") {
    const crossing gather = bytes_crossing(world, collective::all_gather, units::byte(1));
    CHECK(gather.bytes[2].value == 3);  // three other domains' shard of my rail
    CHECK(gather.bytes[1].value == 8);  // two others with four shards each
    CHECK(gather.bytes[0].value == 12); // one other with twelve
    const crossing reduce = bytes_crossing(world, collective::reduce_scatter, units::byte(24));
    for (int k = 0; k < topology::levels_max; ++k)
        CHECK(reduce.bytes[k].value == doctest::Approx(gather.bytes[k].value));
    const crossing both = bytes_crossing(world, collective::all_reduce, units::byte(24));
    for (int k = 0; k < topology::levels_max; ++k)
        CHECK(both.bytes[k].value == doctest::Approx(2 * gather.bytes[k].value));
}

TEST_CASE("the busiest level decides how long a crossing takes") {
    crossing c;
    c.bytes[0] = 9_GB, c.bytes[2] = 1_GB;
    CHECK(crossing_time(world, c).value == doctest::Approx(0.02)); // 1 GB at 50 GB/s, not 9 at 900
    CHECK(crossing_time(world, crossing{}) == units::second());
    CHECK(wire_time(catalog::unified_bus, 196_MB).value == doctest::Approx(1e-3 + 1.2e-6));
    CHECK(wire_time(catalog::nvlink4_h800, 160_MB).value == doctest::Approx(1e-3));
}

TEST_CASE("the bisection is what half of the outermost domains can send") {
    CHECK(bisection(world) == one_way(50_GBps) * 12);
    CHECK(bisection(catalog::nvl72::value) == one_way(900_GBps) * 36);
    CHECK(bisection(topology{}) == units::wire_rate());
}

TEST_CASE("a rack with trays out is still a topology") {
    degraded rack{catalog::nvl72::value};
    CHECK(rack.remove(8, 4));
    CHECK(rack.size() == 68);
    CHECK(rack.remove(0, 2));
    CHECK(rack.remove(12, 1)); // right behind a gap
    CHECK(rack.size() == 65);
    CHECK_FALSE(rack.remove(11, 1)); // out already
    CHECK_FALSE(rack.remove(70, 3)); // leaves the world
    CHECK_FALSE(rack.remove(-1, 1));
    CHECK_FALSE(rack.remove(5, 4)); // runs into a gap
    CHECK(rack.size() == 65);
    std::int64_t n = 0;
    for (std::int64_t rank = 0; rank < 72; ++rank) {
        if (!rack.has(rank)) continue;
        CHECK(rack.rank(n) == rank);
        CHECK(rack.index(rank) == n);
        ++n;
    }
    CHECK(n == rack.size());
    CHECK_FALSE(rack.has(72));
}

TEST_CASE("a world has at most sixteen gaps") {
    degraded rack{catalog::nvl72::value};
    for (int k = 0; k < degraded::gaps_max; ++k) CHECK(rack.remove(4 * k, 1));
    CHECK_FALSE(rack.remove(70, 1));
    CHECK(rack.size() == 56);
}

TEST_CASE("a hundred thousand ranks do not overflow, and what does is refused") {
    constexpr topology large{{{72, catalog::nvlink5}, {1389, catalog::roce800}}};
    static_assert(world_size(large) == 100'008 && level_between(large, 0, 100'007) == 1);
    CHECK(bytes_crossing(large, collective::all_gather, 1_TB).bytes[0].value == doctest::Approx(71.0 * 1389 * 1e12));
    constexpr topology absurd{{{1'000'000'000'000, {}}, {1'000'000'000'000, {}}, {1'000'000'000'000, {}}}};
    static_assert(world_size(absurd) == std::numeric_limits<std::int64_t>::max() && !well_formed(absurd));
}
