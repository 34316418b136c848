// SPDX-License-Identifier: Apache-2.0
// Links, racks and the topologies they make. Rates are of one rank and one direction; latencies are of small writes and
// stand only where a source measured them.
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/rack.hpp>
#include <ashlar/plan/topology.hpp>

namespace ashlar::inline v0::plan::catalog {

// Rates of ports are those of a device that has them, with its source.
inline constexpr link nvlink4{.name = "NVLink 4", .rate = h100.scale_up, .memory_semantics = true};
// 160 of 200 GB/s: arXiv 2602.09721, InferSim.
inline constexpr link nvlink4_h800{
    .name = "NVLink 4, H800", .rate = h800.scale_up, .memory_semantics = true, .efficiency = 0.8};
inline constexpr link nvlink5{.name = "NVLink 5", .rate = gb200.scale_up, .memory_semantics = true};
inline constexpr link nvlink6{.name = "NVLink 6", .rate = rubin.scale_up, .memory_semantics = true};
// 16 lanes of 64 GT/s; headers and flits left out.
inline constexpr link pcie6_x16{
    .name = "PCIe 6 x16", .rate = one_way(128_GBps), .ordered = true, .memory_semantics = true};
// Cards by their name: 200, 400 and 800 Gb/s.
inline constexpr link roce200{.name = "RoCE 200G", .rate = 200_Gbps, .ordered = true};
inline constexpr link roce400{.name = "RoCE 400G", .rate = 400_Gbps, .ordered = true};
inline constexpr link roce800{.name = "RoCE 800G", .rate = 800_Gbps, .ordered = true};
// DeepEP reaches 40 of 50 GB/s a card: Step-3 report, section 5.
inline constexpr link roce400_deepep{.name = "RoCE 400G, DeepEP", .rate = 400_Gbps, .efficiency = 0.8};
// Writes of EFA's protocol arrive in any order.
inline constexpr link efa400{.name = "EFA 400G", .rate = 400_Gbps};
// Between racks: 5 us in aiconfigurator systems/gb200.yaml.
inline constexpr link infiniband800{
    .name = "InfiniBand XDR 800G", .rate = 800_Gbps, .latency = units::second(5e-6), .ordered = true};
// A die reads 196 GB/s remotely, 1.2 us at 512 bytes: CloudMatrix-Infer (2506.12708), which says NPU or die.
inline constexpr link unified_bus{.name = "Unified Bus",
                                  .rate = ascend_910c_die.scale_up,
                                  .latency = units::second(1.2e-6),
                                  .memory_semantics = true};

// One scale-up domain.
using hgx8 = topo<domain<8, nvlink4>>;
using nvl72 = topo<domain<72, nvlink5>>;
using rubin_nvl72 = topo<domain<72, nvlink6>>; // called NVL144 when announced, after its dies
using cloudmatrix384 = topo<domain<2, unified_bus>, domain<8, unified_bus>, domain<48, unified_bus>>; // dies

inline constexpr rack gb200_nvl72{.name = "GB200 NVL72",
                                  .as_of = {2026, 9},
                                  .source = "aiconfigurator systems/gb200.yaml",
                                  .main = gb200,
                                  .scale_up = nvl72::value};
inline constexpr rack gb300_nvl72{.name = "GB300 NVL72",
                                  .as_of = {2026, 9},
                                  .source = "aiconfigurator systems/gb300.yaml",
                                  .main = gb300,
                                  .scale_up = nvl72::value};
inline constexpr rack vera_rubin_nvl72{.name = "Vera Rubin NVL72",
                                       .is = status::announced,
                                       .as_of = {2026, 9},
                                       .source = "secondary reports of CES and GTC 2026",
                                       .main = rubin,
                                       .scale_up = rubin_nvl72::value};
// 144 CPX beside 72 Rubin packages of two dies. Cancelled as such in 2026-03; kept because prefill-only devices outside
// the scale-up domain are a shape that a planner must know.
inline constexpr rack vera_rubin_nvl144_cpx{.name = "Vera Rubin NVL144 CPX",
                                            .is = status::cancelled,
                                            .as_of = {2026, 3},
                                            .source = "announcement of 2025-09-09, as reported",
                                            .main = rubin_2025,
                                            .scale_up = rubin_nvl72::value,
                                            .prefill = rubin_cpx,
                                            .prefill_count = 144,
                                            .prefill_wire = roce800};
inline constexpr rack lpx{.name = "Groq 3 LPX",
                          .is = status::announced,
                          .as_of = {2026, 3},
                          .source = "secondary reports of GTC 2026",
                          .main = groq3_lpu,
                          .scale_up = topology{{{256, {.name = "LPX", .rate = groq3_lpu.scale_up}}}}};
inline constexpr rack cloudmatrix_384{.name = "CloudMatrix384",
                                      .as_of = {2025, 6},
                                      .source = "CloudMatrix-Infer (2506.12708)",
                                      .main = ascend_910c_die,
                                      .scale_up = cloudmatrix384::value};

// All of them: to look one up by its name.
inline constexpr const rack* racks[] = {&gb200_nvl72,           &gb300_nvl72, &vera_rubin_nvl72,
                                        &vera_rubin_nvl144_cpx, &lpx,         &cloudmatrix_384};

} // namespace ashlar::inline v0::plan::catalog
