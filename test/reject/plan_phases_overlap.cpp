// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: a phase leaves the world, is not cut over exactly its ranks, or half overlaps the other
#include <ashlar/plan/catalog_racks.hpp>
#include <ashlar/plan/phase_map.hpp>

using namespace ashlar::plan;
using cluster = topo<domain<8, catalog::nvlink4>, domain<4, catalog::roce400>>;

constexpr auto right = placed<phase_map{{{0, 16}, {.data = 16}}, {{16, 16}, {.expert = 16}}}, cluster>::value;
#if !defined(ASHLAR_ACCEPT)
constexpr auto wrong = placed<phase_map{{{0, 16}, {.data = 16}}, {{8, 16}, {.expert = 16}}}, cluster>::value;
#endif
