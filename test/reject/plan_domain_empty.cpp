// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: a domain holds at least one member
#include <ashlar/plan/catalog_racks.hpp>

using namespace ashlar::plan;

constexpr auto right = topo<domain<8, catalog::nvlink4>>::value;
#if !defined(ASHLAR_ACCEPT)
constexpr auto wrong = topo<domain<0, catalog::nvlink4>>::value;
#endif
