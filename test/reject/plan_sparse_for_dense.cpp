// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: of::flop_rate_with_sparsity>
// expect: of::flop_rate>
#include <ashlar/plan/device.hpp>

using namespace ashlar::literals;

constexpr ashlar::plan::device halved{.name = "H100", .dense = {.fp8 = dense(with_sparsity(3958_TFLOPS))}};
#if !defined(ASHLAR_ACCEPT)
constexpr ashlar::plan::device advertised{.name = "H100", .dense = {.fp8 = with_sparsity(3958_TFLOPS)}};
#endif
