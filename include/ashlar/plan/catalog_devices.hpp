// SPDX-License-Identifier: Apache-2.0
// Devices. FLOPS are dense; a port's number is one direction. Prices are those of the Step-3 report's Table 4 where it
// has them: a snapshot, not an offer. Put in your own, and what your kernels reach:
//
//     constexpr device mine = [] { device d = catalog::h800; d.price = 1.60_usd_per_hour; return derate(d, 0.7, 0.9);
//     }();
//
// `aiconfigurator` is ai-dynamo/aiconfigurator at 095f58a, whose memory sizes are those that nvidia-smi reports;
// `InferSim` is alibaba/InferSim at f2293da; status and month say how far a number may be trusted.
#pragma once

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/device.hpp>

namespace ashlar::inline v0::plan::catalog {

using literals::operator""_GB;
using literals::operator""_GiB;
using literals::operator""_MB;
using literals::operator""_GBps;
using literals::operator""_TBps;
using literals::operator""_Gbps;
using literals::operator""_TFLOPS;
using literals::operator""_PFLOPS;
using literals::operator""_watts;
using literals::operator""_usd_per_hour;

// The Step-3 report's four. It stores INT8 and multiplies BF16 on the two without FP8; memory and ports: InferSim and
// vendors.
inline constexpr device h800{.name = "H800",
                             .as_of = {2025, 7},
                             .source = "Step-3 report (2507.19427), Table 4; InferSim",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1980_TFLOPS, .int8 = 1980_TFLOPS},
                             .memory = 80_GB,
                             .bandwidth = 3.35_TBps,
                             .scale_up = one_way(both_ways(400_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8,
                             .price = 2_usd_per_hour};
inline constexpr device h20{.name = "H20",
                            .as_of = {2025, 7},
                            .source = "Step-3 report (2507.19427), Table 4; InferSim",
                            .dense = {.bf16 = 148_TFLOPS, .fp8 = 296_TFLOPS, .int8 = 296_TFLOPS},
                            .memory = 96_GB,
                            .bandwidth = 4_TBps,
                            .scale_up = one_way(both_ways(900_GBps)),
                            .scale_out = 400_Gbps,
                            .scale_up_size = 8,
                            .price = 0.80_usd_per_hour};
inline constexpr device a800{.name = "A800",
                             .as_of = {2025, 7},
                             .source = "Step-3 report (2507.19427), Table 4",
                             .dense = {.bf16 = 312_TFLOPS},
                             .memory = 80_GB,
                             .bandwidth = 2_TBps,
                             .scale_up = one_way(both_ways(400_GBps)),
                             .scale_out = 200_Gbps,
                             .scale_up_size = 8,
                             .price = 0.75_usd_per_hour};
// Its weakest variant.
inline constexpr device ascend_910b{.name = "Ascend 910B",
                                    .as_of = {2025, 7},
                                    .source =
                                        "Step-3 report (2507.19427), Table 4; price estimated there from the A800's",
                                    .dense = {.bf16 = 280_TFLOPS},
                                    .memory = 64_GB,
                                    .bandwidth = 1.6_TBps,
                                    .scale_out = 200_Gbps,
                                    .scale_up_size = 8,
                                    .price = 0.67_usd_per_hour};

// NVIDIA.
inline constexpr device a100{.name = "A100 SXM",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/a100_sxm.yaml",
                             .dense = {.bf16 = 312_TFLOPS, .int8 = 624_TFLOPS},
                             .memory = decimal(80_GiB),
                             .bandwidth = 2.039_TBps,
                             .scale_up = one_way(both_ways(600_GBps)),
                             .scale_out = 200_Gbps,
                             .scale_up_size = 8,
                             .power = 400_watts};
inline constexpr device h100{.name = "H100 SXM",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/h100_sxm.yaml",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1978_TFLOPS, .int8 = 1978_TFLOPS},
                             .memory = decimal(80_GiB),
                             .bandwidth = 3.35_TBps,
                             .scale_up = one_way(both_ways(900_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8,
                             .power = 700_watts};
inline constexpr device h200{.name = "H200 SXM",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/h200_sxm.yaml",
                             .dense = {.bf16 = 989_TFLOPS, .fp8 = 1978_TFLOPS, .int8 = 1978_TFLOPS},
                             .memory = decimal(141_GiB),
                             .bandwidth = 4.8_TBps,
                             .scale_up = one_way(both_ways(900_GBps)),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8,
                             .power = 700_watts};
inline constexpr device b200{.name = "B200 HGX",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/b200_sxm.yaml",
                             .dense = {.bf16 = 2250_TFLOPS, .fp8 = 4500_TFLOPS, .int8 = 4500_TFLOPS, .fp4 = 9_PFLOPS},
                             .memory = decimal(180_GiB),
                             .bandwidth = 7.7_TBps,
                             .scale_up = one_way(both_ways(1800_GBps)),
                             .scale_out = 800_Gbps,
                             .scale_up_size = 8,
                             .power = 1000_watts};
inline constexpr device b300{.name = "B300 HGX",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/b300_sxm.yaml",
                             .dense = {.bf16 = 2250_TFLOPS, .fp8 = 4500_TFLOPS, .int8 = 153.5_TFLOPS, .fp4 = 14_PFLOPS},
                             .memory = 288.4_GB,
                             .bandwidth = 7.75_TBps,
                             .scale_up = one_way(both_ways(1800_GBps)),
                             .scale_out = 800_Gbps,
                             .scale_up_size = 8,
                             .power = 1100_watts};
inline constexpr device gb200{.name = "GB200",
                              .as_of = {2026, 9},
                              .source = "aiconfigurator systems/gb200.yaml",
                              .dense = {.bf16 = 2.5_PFLOPS, .fp8 = 5_PFLOPS, .int8 = 5_PFLOPS, .fp4 = 10_PFLOPS},
                              .memory = 198.67_GB,
                              .bandwidth = 8_TBps,
                              .scale_up = one_way(both_ways(1800_GBps)),
                              .scale_out = 800_Gbps,
                              .scale_up_size = 72,
                              .power = 1200_watts};
inline constexpr device gb300{.name = "GB300",
                              .as_of = {2026, 9},
                              .source = "aiconfigurator systems/gb300.yaml",
                              .dense = {.bf16 = 2.5_PFLOPS, .fp8 = 5_PFLOPS, .int8 = 165_TFLOPS, .fp4 = 15_PFLOPS},
                              .memory = 298.01_GB,
                              .bandwidth = 8_TBps,
                              .scale_up = one_way(both_ways(1800_GBps)),
                              .scale_out = 800_Gbps,
                              .scale_up_size = 72,
                              .power = 1400_watts};
inline constexpr device l4{.name = "L4",
                           .as_of = {2026, 9},
                           .source = "aiconfigurator systems/l4.yaml",
                           .dense = {.bf16 = dense(with_sparsity(242_TFLOPS)), .fp8 = 242_TFLOPS, .int8 = 242_TFLOPS},
                           .memory = decimal(24_GiB),
                           .bandwidth = 300_GBps,
                           .scale_up = one_way(32_GBps),
                           .scale_out = 200_Gbps,
                           .scale_up_size = 8,
                           .power = 72_watts};
inline constexpr device l20{.name = "L20",
                            .as_of = {2025, 7},
                            .source = "Step-3 report section 6; FlagScale chip profile nvidia_l20",
                            .dense = {.bf16 = 119.5_TFLOPS},
                            .memory = 48_GB,
                            .bandwidth = 864_GBps,
                            .power = 275_watts};
inline constexpr device l40s{.name = "L40S",
                             .as_of = {2026, 9},
                             .source = "aiconfigurator systems/l40s.yaml",
                             .dense = {.bf16 = 362.05_TFLOPS, .fp8 = 733_TFLOPS, .int8 = 733_TFLOPS},
                             .memory = 48.3_GB,
                             .bandwidth = 864_GBps,
                             .scale_up = one_way(32_GBps),
                             .scale_out = 400_Gbps,
                             .scale_up_size = 8,
                             .power = 350_watts};

// Announced: numbers that move. Rubin's bandwidth was 20.5 TB/s in 2025 and 22 in 2026; FP4 is its training figure (50
// PF: inference).
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
// The same as it stood in 2025, beside CPX.
inline constexpr device rubin_2025 = [] {
    device d = rubin;
    d.as_of = {2025, 9};
    d.bandwidth = 20.5_TBps;
    return d;
}();
// As announced: 30 PF, about 20 of them dense. Off the roadmap in 2026-03; what was reported as restarted in 2026-09
// has another memory.
inline constexpr device rubin_cpx{.name = "Rubin CPX",
                                  .is = status::cancelled,
                                  .as_of = {2026, 3},
                                  .source = "announcement of 2025-09-09, as reported; reports of GTC 2026",
                                  .dense = {.fp4 = 20_PFLOPS},
                                  .memory = 128_GB,
                                  .bandwidth = 2_TBps,
                                  .scale_out = 800_Gbps};
// One of the 256 of an LPX rack: 128 GB and 40 PB/s of SRAM in all.
inline constexpr device groq3_lpu{.name = "Groq 3 LPU",
                                  .is = status::announced,
                                  .as_of = {2026, 3},
                                  .source = "secondary reports of GTC 2026",
                                  .dense = {.fp8 = 1.23_PFLOPS},
                                  .memory = 500_MB,
                                  .bandwidth = 156.25_TBps,
                                  .scale_up = one_way(both_ways(2.5_TBps)),
                                  .scale_up_size = 256};
inline constexpr device mi455x{.name = "MI455X",
                               .is = status::announced,
                               .as_of = {2026, 9},
                               .source = "secondary reports of the Helios rack",
                               .dense = {.fp8 = 20_PFLOPS, .fp4 = 40_PFLOPS},
                               .memory = 432_GB,
                               .bandwidth = 23.3_TBps,
                               .scale_up = one_way(both_ways(3.6_TBps)),
                               .scale_out = 2400_Gbps,
                               .scale_up_size = 72};

// Huawei.
inline constexpr device ascend_910c_die{.name = "Ascend 910C die",
                                        .as_of = {2025, 6},
                                        .source = "CloudMatrix-Infer (2506.12708), halves of a package",
                                        .dense = {.bf16 = 376_TFLOPS, .int8 = 752_TFLOPS},
                                        .memory = 64_GB,
                                        .bandwidth = 1.6_TBps,
                                        .scale_up = one_way(196_GBps),
                                        .scale_out = 200_Gbps,
                                        .scale_up_size = 768};

// All of them: to look one up by its name.
inline constexpr const device* devices[] = {
    &h800,  &h20, &a800, &ascend_910b, &a100,  &h100,      &h200,      &b200,   &b300,           &gb200,
    &gb300, &l4,  &l20,  &l40s,        &rubin, &rubin_cpx, &groq3_lpu, &mi455x, &ascend_910c_die};

} // namespace ashlar::inline v0::plan::catalog
