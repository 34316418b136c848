// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: of::wire_rate_both_ways>
// expect: of::wire_rate_one_way>
#include <ashlar/plan/topology.hpp>

using namespace ashlar::literals;

constexpr ashlar::plan::link half{.name = "NVLink 4", .rate = one_way(both_ways(900_GBps))};
#if !defined(ASHLAR_ACCEPT)
constexpr ashlar::plan::link whole{.name = "NVLink 4", .rate = both_ways(900_GBps)}; // what the data sheet adds up
#endif
