// SPDX-License-Identifier: Apache-2.0
// What every process of the server does the same way.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include <spdlog/spdlog.h>

#include "settings.hpp"

namespace serve {

// What another try would not mend by itself: the supervisor tries less and less often, and tells who asks /health.
struct cannot_start : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void name_process(const std::string& role); // as ps and the log show it
void die_with_parent(int parent);           // SIGKILL when it goes; exits at once if it has gone already
// The one line on standard output that scripts wait for.
void announce_ready(const std::string& url, const std::string& fabric, const settings& how);
// What stops a process that has begun is a death like any other, with status 1: it is started again. Status 2 says that
// it cannot even begin.
template <class Run>
int outlast(const std::string& role, Run run) {
    try {
        return run();
    } catch (const cannot_start&) {
        throw; // main says why and ends with 2
    } catch (const std::exception& why) {
        spdlog::critical("the {} has to end: {}", role, why.what());
        return 1;
    }
}

} // namespace serve
