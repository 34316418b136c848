// SPDX-License-Identifier: Apache-2.0
// The one clock of a process: events and leases are told its time.
#pragma once

#include <chrono>

#include <ashlar/core/units.hpp>

namespace serve {

inline ashlar::instant monotonic() {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
                .count()};
}

} // namespace serve
