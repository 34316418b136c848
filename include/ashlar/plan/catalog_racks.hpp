// SPDX-License-Identifier: Apache-2.0
// Links and the shapes of racks: what devices are joined by, as values and as topologies.
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/topology.hpp>

namespace ashlar::inline v0::plan::catalog {

using literals::operator""_GBps;
using literals::operator""_TBps;
using literals::operator""_Gbps;

inline constexpr link nvlink4{.name = "NVLink 4", .rate = one_way(both_ways(900_GBps)), .memory_semantics = true};
inline constexpr link nvlink4_h800{.name = "NVLink 4, H800",
                                   .rate = one_way(both_ways(400_GBps)),
                                   .memory_semantics = true,
                                   .efficiency = 0.8}; // 160 GB/s: arXiv 2602.09721
inline constexpr link nvlink5{.name = "NVLink 5", .rate = one_way(both_ways(1.8_TBps)), .memory_semantics = true};
inline constexpr link nvlink6{.name = "NVLink 6", .rate = one_way(both_ways(3.6_TBps)), .memory_semantics = true};
inline constexpr link roce200{.name = "RoCE 200G", .rate = 200_Gbps, .ordered = true};
inline constexpr link roce400{.name = "RoCE 400G", .rate = 400_Gbps, .ordered = true};
inline constexpr link roce800{.name = "RoCE 800G", .rate = 800_Gbps, .ordered = true};
inline constexpr link pcie6_x16{
    .name = "PCIe 6 x16", .rate = one_way(131_GBps), .ordered = true, .memory_semantics = true};
// CloudMatrix384 (arXiv 2506.12708): 196 GB/s a die by remote reads, 1.2 us at 512 bytes.
inline constexpr link unified_bus{
    .name = "Unified Bus", .rate = one_way(196_GBps), .latency = units::second(1.2e-6), .memory_semantics = true};

// One NVLink domain, and one card per device out of it.
using hgx = topo<domain<8, nvlink4>>;
using nvl72_gb200 = topo<domain<72, nvlink5>>;
using nvl72_rubin = topo<domain<72, nvlink6>>; // announced as NVL144, after its dies

} // namespace ashlar::inline v0::plan::catalog
