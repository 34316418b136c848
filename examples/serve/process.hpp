// SPDX-License-Identifier: Apache-2.0
// What every process of the server does the same way.
#pragma once

#include <string>
#include <vector>

#include "settings.hpp"

namespace serve {

void name_process(const std::string& role); // as ps and the log show it
void die_with_parent(int parent);           // SIGKILL when it goes; exits at once if it has gone already
// The one line on standard output that scripts wait for.
void announce_ready(const std::string& url, const std::string& fabric, const settings& how);
std::vector<peer_line> read_peers(const std::string& path); // throws std::runtime_error with the line's number

} // namespace serve
