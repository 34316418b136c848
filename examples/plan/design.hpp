// SPDX-License-Identifier: Apache-2.0
// The inverse: from hardware, network, context and objective to the shapes of models that suit them.
//
//     const designed d = design(asked(words, design_keys()));   // d.found.points, d.query
#pragma once

#include <string>
#include <vector>

#include <ashlar/plan.hpp>

#include "asked.hpp"
#include "report.hpp"

namespace planner {

struct designed {
    plan::design_query query;
    plan::design_set found; // by cost, the cheapest first
    int shown = 24;         // rows of the text
};

std::vector<std::string> design_keys();
designed design(const asked& words);

std::string as_text(const designed& d);
json as_json(const designed& d);

} // namespace planner
