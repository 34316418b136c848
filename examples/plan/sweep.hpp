// SPDX-License-Identifier: Apache-2.0
// One question for each combination of what its words list.
//
//     expand({"model=step3", "ffn=h800,h20", "context=8Ki,32Ki"})   // four lists of words
#pragma once

#include <string>
#include <vector>

#include "question.hpp"

namespace planner {

// Values with commas between are alternatives; ratio=1..16 is every whole one. Throws bad_input.
std::vector<std::vector<std::string>> expand(const std::vector<std::string>& words);

struct swept {
    question asked;
    answer got;
};
std::vector<swept> sweep(const std::vector<std::string>& words);

} // namespace planner
