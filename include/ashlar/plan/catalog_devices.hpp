// SPDX-License-Identifier: Apache-2.0
// Devices. FLOPS are dense; a port's number is one direction. Prices are those of the Step-3 report's Table 4 where it
// has them: a snapshot, not an offer. Put in your own: `device mine = catalog::h800; mine.price = 1.60_usd_per_hour;`
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>

namespace ashlar::inline v0::plan::catalog {

using literals::operator""_GB;
using literals::operator""_GBps;
using literals::operator""_TBps;
using literals::operator""_Gbps;
using literals::operator""_TFLOPS;
using literals::operator""_PFLOPS;
using literals::operator""_usd_per_hour;

// The four of the Step-3 report, Table 4; memory sizes and ports from InferSim's hardware table.
inline constexpr device h800{.name = "H800",
                             .as_of = {2025, 7},
                             .source = "Step-3 report (2507.19427) Table 4; InferSim",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1980_TFLOPS, .int8 = 1980_TFLOPS},
                             .memory = 80_GB,
                             .bandwidth = 3.35_TBps,
                             .scale_up = one_way(both_ways(400_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8,
                             .price = 2_usd_per_hour};
inline constexpr device h20{.name = "H20",
                            .as_of = {2025, 7},
                            .source = "Step-3 report (2507.19427) Table 4; InferSim",
                            .dense = {.bf16 = 148_TFLOPS, .fp8 = 296_TFLOPS, .int8 = 296_TFLOPS},
                            .memory = 96_GB,
                            .bandwidth = 4_TBps,
                            .scale_up = one_way(both_ways(900_GBps)),
                            .scale_out = 400_Gbps,
                            .scale_up_size = 8,
                            .price = 0.80_usd_per_hour};
inline constexpr device a800{.name = "A800", // stores INT8 in the report, and multiplies in BF16
                             .as_of = {2025, 7},
                             .source = "Step-3 report (2507.19427) Table 4",
                             .dense = {.bf16 = 312_TFLOPS},
                             .memory = 80_GB,
                             .bandwidth = 2_TBps,
                             .scale_up = one_way(both_ways(400_GBps)),
                             .scale_out = 200_Gbps,
                             .scale_up_size = 8,
                             .price = 0.75_usd_per_hour};
inline constexpr device ascend_910b{.name = "Ascend 910B", // its weakest variant; price estimated there from the A800's
                                    .as_of = {2025, 7},
                                    .source = "Step-3 report (2507.19427) Table 4",
                                    .dense = {.bf16 = 280_TFLOPS},
                                    .memory = 64_GB,
                                    .bandwidth = 1.6_TBps,
                                    .scale_out = 200_Gbps,
                                    .scale_up_size = 8,
                                    .price = 0.67_usd_per_hour};

// Weak ones of section 6 of the report.
inline constexpr device l20{.name = "L20",
                            .as_of = {2025, 7},
                            .source = "Step-3 report (2507.19427) section 6",
                            .memory = 48_GB,
                            .bandwidth = 864_GBps};
inline constexpr device l4{.name = "L4",
                           .as_of = {2025, 7},
                           .source = "Step-3 report (2507.19427) section 6",
                           .memory = 24_GB,
                           .bandwidth = 300_GBps};

// NVIDIA, from aiconfigurator's system files.
inline constexpr device h100{.name = "H100 SXM",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/h100_sxm.yaml",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1979_TFLOPS, .int8 = 1979_TFLOPS},
                             .memory = 80_GB,
                             .bandwidth = 3.35_TBps,
                             .scale_up = one_way(both_ways(900_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8};
inline constexpr device h200{.name = "H200 SXM",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/h200_sxm.yaml",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1979_TFLOPS, .int8 = 1979_TFLOPS},
                             .memory = 141_GB,
                             .bandwidth = 4.8_TBps,
                             .scale_up = one_way(both_ways(900_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8};
inline constexpr device gb200{.name = "GB200",
                              .as_of = {2026, 9},
                              .source = "aiconfigurator systems/gb200.yaml",
                              .dense = {.bf16 = 2.5_PFLOPS, .fp8 = 5_PFLOPS, .int8 = 5_PFLOPS, .fp4 = 10_PFLOPS},
                              .memory = 192_GB,
                              .bandwidth = 8_TBps,
                              .scale_up = one_way(both_ways(1.8_TBps)),
                              .scale_out = 400_Gbps,
                              .scale_up_size = 72};

// What is announced changes: Rubin's bandwidth was 20.5 TB/s in 2025 and 22 in 2026.
inline constexpr device rubin{.name = "Vera Rubin",
                              .is = status::announced,
                              .as_of = {2026, 9},
                              .source = "secondary reports of CES and GTC 2026",
                              .dense = {.bf16 = 4_PFLOPS, .fp8 = 17.5_PFLOPS, .fp4 = 35_PFLOPS},
                              .memory = 288_GB,
                              .bandwidth = 22_TBps,
                              .scale_up = one_way(both_ways(3.6_TBps)),
                              .scale_out = 1600_Gbps,
                              .scale_up_size = 72};
inline constexpr device rubin_cpx{
    .name = "Rubin CPX",
    .is = status::announced, // 2025-09; left the roadmap 2026-03, reported restarted 2026-09
    .as_of = {2025, 9},
    .source = "NVIDIA announcement, 2025-09-09, as reported",
    .dense = {.fp4 = 20_PFLOPS},
    .memory = 128_GB,
    .bandwidth = 2_TBps};
} // namespace ashlar::inline v0::plan::catalog
