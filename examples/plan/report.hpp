// SPDX-License-Identifier: Apache-2.0
// An answer for people, for machines, and as a page with figures; tables and sweeps likewise.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "paper.hpp"
#include "question.hpp"

namespace planner {

using json = nlohmann::ordered_json;

std::string as_text(const question& q, const answer& a);
json as_json(const question& q, const answer& a);
// One file that needs no other: roofline scatter, ratio curve, cost bars.
std::string as_html(const question& q, const answer& a);

std::string as_text(const table& t);
json as_json(const table& t);

// Columns that fit their widest cell; the first is flush left, the others right.
std::string align(const std::vector<std::vector<std::string>>& rows, std::string_view indent = "  ");

std::string ratio_text(const plan::deployment& d); // "3 : 1"
std::string percent(double margin);                // rounded down: no limit looks farther away than it is
std::string refusal(const candidate& c);           // why not, and what helps

} // namespace planner
