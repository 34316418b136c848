// SPDX-License-Identifier: Apache-2.0
// What fuzz targets hold their subjects to.
#pragma once

#include <cstdlib>

inline void require(bool holds) {
    if (!holds) std::abort();
}

template <class Outcome>
bool given(const Outcome& outcome) { // a refusal says why
    if (!outcome) require(!outcome.fault().sentence.empty());
    return static_cast<bool>(outcome);
}
