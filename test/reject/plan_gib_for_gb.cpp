// SPDX-License-Identifier: Apache-2.0
// compilers: all
// expect: of::gibibyte>
// expect: of::byte>
#include <ashlar/plan/device.hpp>

using namespace ashlar::literals;

constexpr ashlar::plan::device in_gb{.name = "H100", .memory = decimal(80_GiB)};
#if !defined(ASHLAR_ACCEPT)
constexpr ashlar::plan::device in_gib{.name = "H100", .memory = 80_GiB};
#endif
