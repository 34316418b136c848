// SPDX-License-Identifier: Apache-2.0
// Whether all engines that must be there are there, and who is told: the first time whoever waits for the line on
// standard output, each time the supervisor, and whoever asks /health.
//
//     readiness state(how, engines, fleet, line);   state.at(url);   state.look();   state.unhealthy();
#pragma once

#include <string>
#include <utility>

#include "engines.hpp"
#include "fleet.hpp"
#include "settings.hpp"
#include "supervisor_line.hpp"

namespace serve {

class readiness {
public:
    readiness(const settings& how, const engines& connected, const fleet& all, supervisor_line& above)
        : how_(how), connected_(connected), all_(all), above_(above) {}

    void serves_at(std::string url) { url_ = std::move(url); }
    void over(std::string fabric) { fabric_ = std::move(fabric); }
    void cannot_start(const std::string& role); // an engine, for the time being
    void ends() { ending_ = true; }

    void look();                   // after an engine came or went
    const char* unhealthy() const; // why, in words for clients; nullptr: all is well

private:
    const settings& how_;
    const engines& connected_;
    const fleet& all_;
    supervisor_line& above_;
    std::string url_, fabric_, trouble_;
    bool ready_ = false, announced_ = false, ending_ = false;
};

} // namespace serve
