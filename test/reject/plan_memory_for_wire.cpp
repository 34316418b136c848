// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: byte_rate
// expect: of::wire_rate_one_way>
#include <ashlar/plan/catalog_devices.hpp>
#include <ashlar/plan/catalog_models.hpp>
#include <ashlar/plan/moe.hpp>

using namespace ashlar::literals;
using namespace ashlar::plan;

constexpr auto intensity_of_experts = network_intensity(catalog::step3.main_group().feed);
constexpr double right = hfu_cap(intensity_of_experts, catalog::h800.scale_out, catalog::h800.dense.fp8);
#if !defined(ASHLAR_ACCEPT)
constexpr double wrong = hfu_cap(intensity_of_experts, catalog::h800.bandwidth, catalog::h800.dense.fp8);
#endif
