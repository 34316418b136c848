// SPDX-License-Identifier: Apache-2.0
// Which seeds a scenario runs: `count` of them from 1, or only the one that ASHLAR_SEED names.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace ashlar::scenario {

template <class Run>
void for_each_seed(std::uint64_t count, Run&& run) {
    if (const char* one = std::getenv("ASHLAR_SEED")) return run(std::strtoull(one, nullptr, 0));
    for (std::uint64_t seed = 1; seed <= count; ++seed) run(seed);
}

} // namespace ashlar::scenario
