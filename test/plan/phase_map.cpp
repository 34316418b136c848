// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/phase_map.hpp>

#include <ashlar/plan/catalog_racks.hpp>

#include <doctest/doctest.h>

using namespace ashlar;
using namespace ashlar::plan;

namespace {
using cluster = topo<domain<8, catalog::nvlink4>, domain<4, catalog::roce400>>;
constexpr topology world = cluster::value;
constexpr phase_map colocated{{{0, 32}, {.data = 32}}, {{0, 32}, {.data = 32}}};
constexpr phase_map helix{{{0, 8}, {.tensor = 2, .context = 4}}, {{0, 8}, {.tensor = 8}}};
constexpr phase_map afd{{{0, 16}, {.data = 16}}, {{16, 16}, {.expert = 16}}};
constexpr phase_map mixed{{{0, 16}, {.data = 16}}, {{8, 16}, {.expert = 16}}};

template <phase_map Map>
constexpr serving_style style = style_of(Map);
} // namespace

TEST_CASE("colocated, Helix and AFD are two sub-grids of one topology") {
    static_assert(style<colocated> == serving_style::colocated && style<helix> == serving_style::resharded);
    static_assert(style<afd> == serving_style::disaggregated && style<mixed> == serving_style::overlapping);
    CHECK(well_formed(colocated, world));
    CHECK(well_formed(helix, world));
    CHECK(well_formed(afd, world));
    CHECK(placed<afd, cluster>::value == afd);
    CHECK_FALSE(well_formed(mixed, world));
}

TEST_CASE("the edge between the phases crosses the level that spans both") {
    CHECK(edge_level(colocated, world) == -1);
    CHECK(edge_level(helix, world) == 0);
    CHECK(edge_level(afd, world) == 1);
}

TEST_CASE("a phase lies in the world and is cut over its ranks") {
    CHECK_FALSE(well_formed({{{0, 33}, {.data = 33}}, {{0, 33}, {.data = 33}}}, world));
    CHECK_FALSE(well_formed({{{-1, 8}, {.data = 8}}, {{8, 8}, {.expert = 8}}}, world));
    CHECK_FALSE(well_formed({{{0, 8}, {.data = 4}}, {{8, 8}, {.expert = 8}}}, world));
    CHECK_FALSE(well_formed({{{0, 8}, {.tensor = -2, .data = -4}}, {{8, 8}, {.expert = 8}}}, world));
    constexpr int many = 1'000'000'000; // a product of 10^36
    CHECK_FALSE(well_formed({{{0, 8}, {many, many, many, many}}, {{8, 8}, {.expert = 8}}}, world));
}
