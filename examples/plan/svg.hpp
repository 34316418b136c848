// SPDX-License-Identifier: Apache-2.0
// Three kinds of figure as SVG texts for a page: a scatter over two logarithmic axes with lines of equal ratio, curves
// over a count, stacked bars. No script; colours are the page's CSS variables, so that it reads in light and dark; what
// there is to say about a mark is in its <title>. A label goes where it covers no other, or stays away.
//
//     figure f{.title = "...", .x_axis = "bytes", .y_axis = "FLOP"};
//     page += scatter(f, {{"Step-3", 2.6e8, 3.3e10, true}}, {{"H800: 591", 591}});
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace planner {

std::string escape(std::string_view text); // for XML

struct figure {
    std::string title, x_axis, y_axis;
};
struct mark {
    std::string name;
    double x = 0, y = 0;
    bool chosen = false;
    std::string tip{};
};
// Points at which y = ratio x.
struct diagonal {
    std::string name;
    double ratio = 0;
    std::string tip{};
};
std::string scatter(const figure& f, const std::vector<mark>& marks, const std::vector<diagonal>& lines);

struct curve_point {
    double x = 0, y = 0;
    std::string tip{};
};
struct level_line {
    std::string name;
    double y = 0;
};
// `best` is the index of the point that is marked.
std::string curve(const figure& f, const std::vector<curve_point>& points, std::size_t best,
                  const std::vector<level_line>& levels);

struct bar {
    std::string name;
    double first = 0, second = 0; // stacked
    bool chosen = false;
    std::string tip{};
};
std::string bars(const figure& f, const std::vector<bar>& all, std::string_view first, std::string_view second);

} // namespace planner
