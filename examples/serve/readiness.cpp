// SPDX-License-Identifier: Apache-2.0
#include "readiness.hpp"

#include <cstddef>
#include <utility>

#include <spdlog/spdlog.h>

#include "process.hpp"

namespace serve {

void readiness::cannot_start(const std::string& role) {
    trouble_ = "the " + role + " engine cannot start, for a reason that is in this server's log; it is tried again";
}

void readiness::look() {
    std::size_t missing[3] = {};
    for (const auto as : all_.expected()) ++missing[static_cast<std::size_t>(as)];
    for (const auto& each : connected_.all()) {
        std::size_t& of_role = missing[static_cast<std::size_t>(each->facts.as)];
        if (each->live() && of_role) --of_role;
    }
    const bool now = missing[0] + missing[1] + missing[2] == 0 && !all_.superseded();
    if (now && !ready_) {
        spdlog::info("ready on {}", url_);
        if (!std::exchange(announced_, true) && !above_.open()) announce_ready(url_, fabric_, how_);
        above_.ready(fabric_);
    }
    if (now) trouble_.clear();
    ready_ = now;
}

const char* readiness::unhealthy() const {
    return ending_             ? "this server is shutting down"
           : ready_            ? nullptr
           : all_.superseded() ? "this fleet has another router; standing by"
           : !trouble_.empty() ? trouble_.c_str()
           : announced_        ? "an engine is down; it is being started again"
                               : "loading the model";
}

} // namespace serve
