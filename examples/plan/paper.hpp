// SPDX-License-Identifier: Apache-2.0
// What the Step-3 report (arXiv 2507.19427) prints in its Tables 2, 3, 5, 6 and 7, beside what plan computes.
//
//     for (const cell& c : paper_table(6).cells) ...   // c.text() == c.printed wherever plan reproduces the report
#pragma once

#include <string>
#include <vector>

#include <ashlar/plan.hpp>

namespace planner {

struct cell {
    std::string row, column;
    double computed = 0;
    std::string printed; // as in the report: its digits say how to round

    std::string text() const; // the computed value with as many digits
    bool same() const { return text() == printed; }
};

struct table {
    int number = 0;
    std::string title, note;
    std::vector<std::string> columns;
    std::vector<cell> cells; // row by row
};

inline constexpr int paper_tables[] = {2, 3, 5, 6, 7};
table paper_table(int number);

} // namespace planner
