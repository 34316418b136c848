// SPDX-License-Identifier: Apache-2.0
#include "svg.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "words.hpp"

namespace planner {

namespace {

constexpr double width = 760, font = 12, character = 7.0; // of a sans-serif letter, on the generous side

struct box {
    double left, top, right, bottom;

    bool meets(const box& other) const {
        return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }
};

double text_width(std::string_view text) {
    const auto starts = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }; // UTF-8
    return character * static_cast<double>(std::ranges::count_if(text, starts));
}

// An SVG that grows; y is downwards.
class drawing {
public:
    drawing(double height, const std::string& title) {
        body_ = "<svg viewBox=\"0 0 " + fixed(width, 0) + " " + fixed(height, 0) + "\" role=\"img\" aria-label=\"" +
                escape(title) + "\">\n";
    }
    std::string finish() && { return std::move(body_) + "</svg>\n"; }

    // Labels keep clear of what is told here as long as there is another place.
    void avoid(double x1, double y1, double x2, double y2) {
        for (int k = 0; k <= 200; ++k) {
            const double x = x1 + (x2 - x1) * k / 200, y = y1 + (y2 - y1) * k / 200;
            crossed_.push_back({x - 1, y - 1, x + 1, y + 1});
        }
    }
    void line(double x1, double y1, double x2, double y2, std::string_view kind, std::string_view tip = {}) {
        add("line", "x1=\"" + at(x1) + "\" y1=\"" + at(y1) + "\" x2=\"" + at(x2) + "\" y2=\"" + at(y2) + "\"", kind,
            tip);
    }
    void circle(double x, double y, double r, std::string_view kind, std::string_view tip) {
        add("circle", "cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"" + at(r) + "\"", kind, tip);
        taken_.push_back({x - r, y - r, x + r, y + r});
    }
    void rectangle(double x, double y, double w, double h, std::string_view kind, std::string_view tip) {
        add("rect", "x=\"" + at(x) + "\" y=\"" + at(y) + "\" width=\"" + at(w) + "\" height=\"" + at(h) + "\"", kind,
            tip);
    }
    void path(const std::vector<std::pair<double, double>>& points, std::string_view kind) {
        std::string d;
        for (const auto& [x, y] : points) d += (d.empty() ? "M" : " L") + at(x) + " " + at(y);
        add("path", "d=\"" + d + "\"", kind, {});
    }
    // Always written; what comes later keeps clear of it.
    void text(double x, double y, std::string_view words, std::string_view anchor, std::string_view kind = "t") {
        taken_.push_back(around(x, y, words, anchor));
        write(x, y, words, anchor, kind);
    }
    void upright(double x, double y, std::string_view words) { // read from below
        body_ += "<text class=\"t\" text-anchor=\"middle\" transform=\"translate(" + at(x) + " " + at(y) +
                 ") rotate(-90)\">" + escape(words) + "</text>\n";
    }
    // Beside a mark, where there is place; false if there is none.
    bool label(double x, double y, std::string_view words, std::string_view kind, const box& within) {
        for (const bool clear : {true, false}) {
            for (const double far : {9.0, 16.0, 26.0}) {
                const std::pair<double, double> places[] = {{far, 4},    {-far, 4},      {0, -far},    {0, far + 8},
                                                            {far, -far}, {far, far + 6}, {-far, -far}, {-far, far + 6}};
                for (const auto& [dx, dy] : places) {
                    const std::string_view anchor = dx > 0 ? "start" : dx < 0 ? "end" : "middle";
                    if (!free(around(x + dx, y + dy, words, anchor), within, clear)) continue;
                    const double up = dy > 4 ? dy - 8 : dy; // a text stands on its y
                    if (far > 10) line(x + dx * 0.45, y + up * 0.45, x + dx * 0.9, y + up * 0.9, "leader");
                    text(x + dx, y + dy, words, anchor, kind);
                    return true;
                }
            }
        }
        return false;
    }
    // Above or below a horizontal line, at one of its ends or in the middle.
    void name_of_level(double y, std::string_view words, const box& within) {
        const double w = text_width(words);
        for (const double up : {-6.0, 15.0}) {
            for (const double x : {within.right - w, (within.left + within.right - w) / 2, within.left + 6}) {
                if (!free(around(x, y + up, words, "start"), within, true)) continue;
                return text(x, y + up, words, "start");
            }
        }
    }

private:
    bool free(const box& here, const box& within, bool clear) const {
        const auto meets = [&](const box& b) { return b.meets(here); };
        return here.left >= within.left && here.right <= within.right && here.top >= within.top &&
               here.bottom <= within.bottom && std::ranges::none_of(taken_, meets) &&
               (!clear || std::ranges::none_of(crossed_, meets));
    }
    static std::string at(double v) { return fixed(v, 1); }
    static box around(double x, double y, std::string_view words, std::string_view anchor) {
        const double w = text_width(words);
        const double left = anchor == "start" ? x : anchor == "end" ? x - w : x - w / 2;
        return {left, y - font + 1, left + w, y + 4};
    }
    void write(double x, double y, std::string_view words, std::string_view anchor, std::string_view kind) {
        body_ += "<text class=\"" + std::string(kind) + "\" x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" +
                 std::string(anchor) + "\">" + escape(words) + "</text>\n";
    }
    void add(std::string_view what, const std::string& where, std::string_view kind, std::string_view tip) {
        const std::string name(what);
        body_ += "<" + name + " class=\"" + std::string(kind) + "\" " + where;
        body_ += tip.empty() ? "/>\n" : "><title>" + escape(tip) + "</title></" + name + ">\n";
    }

    std::string body_;
    std::vector<box> taken_, crossed_;
};

// Ticks of 1, 2 or 5 times a power of ten, from 0 to a little above the largest value.
struct linear_scale {
    double step = 1, top = 1;
    int decimals = 0;

    explicit linear_scale(double most, double parts = 5) {
        most = std::max(most, 1e-12);
        const double raw = most / parts, power = std::pow(10, std::floor(std::log10(raw)));
        step = power * (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10);
        top = step * std::ceil(most * 1.02 / step);
        decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
    }
};

std::string power_of_ten(int exponent) {
    static const char* const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string out = exponent < 0 ? "10⁻" : "10";
    for (const char c : std::to_string(std::abs(exponent))) out += digits[c - '0'];
    return out;
}

} // namespace

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default: // XML 1.0 has no other control characters
            if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
        }
    }
    return out;
}

std::string scatter(const figure& f, const std::vector<mark>& marks, const std::vector<diagonal>& lines) {
    constexpr double height = 520, left = 70, right = width - 150, top = 16, bottom = height - 52;
    double x_low = 300, x_high = -300, y_low = 300, y_high = -300; // exponents
    for (const mark& m : marks) {
        x_low = std::min(x_low, std::log10(m.x)), x_high = std::max(x_high, std::log10(m.x));
        y_low = std::min(y_low, std::log10(m.y)), y_high = std::max(y_high, std::log10(m.y));
    }
    x_low = std::floor((x_low - 0.15) * 2) / 2, x_high = std::ceil((x_high + 0.15) * 2) / 2;
    y_low = std::floor((y_low - 0.15) * 2) / 2, y_high = std::ceil((y_high + 0.15) * 2) / 2;
    const auto px = [&](double e) { return left + (e - x_low) / (x_high - x_low) * (right - left); };
    const auto py = [&](double e) { return bottom - (e - y_low) / (y_high - y_low) * (bottom - top); };

    drawing d(height, f.title);
    for (int e = static_cast<int>(std::ceil(x_low)); e <= x_high; ++e) {
        d.line(px(e), top, px(e), bottom, "grid");
        d.text(px(e), bottom + 16, power_of_ten(e), "middle");
    }
    for (int e = static_cast<int>(std::ceil(y_low)); e <= y_high; ++e) {
        d.line(left, py(e), right, py(e), "grid");
        d.text(left - 8, py(e) + 4, power_of_ten(e), "end");
    }
    d.text((left + right) / 2, height - 12, f.x_axis, "middle");
    d.upright(16, (top + bottom) / 2, f.y_axis);

    // A line leaves the plot at the right or at the top; names stand in the right margin, pushed apart, in the order of
    // the ends.
    struct end {
        const diagonal* line;
        double x, y, label;
    };
    std::vector<end> ends;
    for (const diagonal& each : lines) {
        const double e = std::log10(each.ratio), y_right = x_high + e, x_top = y_high - e;
        const double x1 = std::max(x_low, y_low - e), x2 = std::min(x_high, x_top);
        if (!(x1 < x2)) continue;
        d.line(px(x1), py(x1 + e), px(x2), py(x2 + e), "ridge", each.tip);
        d.avoid(px(x1), py(x1 + e), px(x2), py(x2 + e));
        ends.push_back({&each, px(x2), py(std::min(y_right, y_high)), 0});
    }
    std::ranges::sort(ends, [](const end& a, const end& b) { return a.y != b.y ? a.y < b.y : a.x < b.x; });
    double next = top + 10;
    for (end& each : ends) next = (each.label = std::max(next, each.y + 4)) + font + 3;
    for (std::size_t k = ends.size(); k-- > 0;) { // what hangs over the bottom moves up
        const double most = k + 1 == ends.size() ? bottom : ends[k + 1].label - font - 3;
        ends[k].label = std::min(ends[k].label, most);
    }
    for (const end& each : ends) {
        d.line(each.x, each.y, right + 10, each.label - 4, "leader");
        d.text(right + 13, each.label, each.line->name, "start", "t ridge-name");
    }
    d.line(left, bottom, right, bottom, "axis");
    d.line(left, top, left, bottom, "axis");
    const box inside{left + 2, top, right - 2, bottom - 2};
    for (const mark& m : marks) {
        d.circle(px(std::log10(m.x)), py(std::log10(m.y)), m.chosen ? 6.5 : 4.5, m.chosen ? "dot chosen" : "dot",
                 m.tip);
    }
    for (const bool chosen : {true, false}) { // who was asked about has the first choice of place
        for (const mark& m : marks) {
            if (m.chosen != chosen) continue;
            d.label(px(std::log10(m.x)), py(std::log10(m.y)), m.name, chosen ? "t strong" : "t", inside);
        }
    }
    return std::move(d).finish();
}

std::string curve(const figure& f, const std::vector<curve_point>& points, std::size_t best,
                  const std::vector<level_line>& levels) {
    constexpr double height = 380, left = 78, right = width - 24, top = 16, bottom = height - 52;
    double most = 0;
    for (const curve_point& p : points) most = std::max(most, p.y);
    for (const level_line& l : levels) most = std::max(most, l.y);
    const linear_scale y(most);
    const double x_low = points.front().x, x_high = std::max(points.back().x, x_low + 1);
    const auto px = [&](double v) { return left + 14 + (v - x_low) / (x_high - x_low) * (right - left - 28); };
    const auto py = [&](double v) { return bottom - v / y.top * (bottom - top); };

    drawing d(height, f.title);
    for (double v = 0; v <= y.top * 1.0001; v += y.step) {
        d.line(left, py(v), right, py(v), v == 0 ? "axis" : "grid");
        d.text(left - 8, py(v) + 4, fixed(v, y.decimals), "end");
    }
    const linear_scale x(x_high - x_low, 12);
    for (double k = std::ceil(x_low / x.step - 1e-9); k * x.step <= x_high + x.step * 1e-9; ++k) {
        d.line(px(k * x.step), bottom, px(k * x.step), bottom + 4, "axis");
        d.text(px(k * x.step), bottom + 17, fixed(k * x.step, x.decimals), "middle");
    }
    d.text((left + right) / 2, height - 10, f.x_axis, "middle");
    d.upright(16, (top + bottom) / 2, f.y_axis);

    std::vector<std::pair<double, double>> way;
    for (const curve_point& p : points) way.emplace_back(px(p.x), py(p.y));
    for (const level_line& l : levels) d.line(left, py(l.y), right, py(l.y), "level");
    d.path(way, "curve");
    for (std::size_t k = 1; k < way.size(); ++k)
        d.avoid(way[k - 1].first, way[k - 1].second, way[k].first, way[k].second);
    for (const level_line& l : levels) d.avoid(left, py(l.y), right, py(l.y));
    for (std::size_t k = 0; k < points.size(); ++k) {
        d.circle(way[k].first, way[k].second, k == best ? 6.5 : 3.5, k == best ? "dot chosen" : "dot", points[k].tip);
    }
    const box inside{left + 2, top - 6, right - 2, bottom - 2};
    if (best < points.size()) {
        d.label(way[best].first, way[best].second, significant(points[best].y), "t strong", inside);
    }
    for (const level_line& l : levels) d.name_of_level(py(l.y), l.name, inside);
    return std::move(d).finish();
}

std::string bars(const figure& f, const std::vector<bar>& all, std::string_view first, std::string_view second) {
    double longest = 0, most = 0;
    for (const bar& b : all) {
        longest = std::max(longest, text_width(b.name));
        most = std::max(most, b.first + b.second);
    }
    const double row = 24, top = 34, bottom = top + row * static_cast<double>(all.size()) + 4, height = bottom + 52;
    const double left = std::min(longest + 20, width / 2), right = width - 64;
    const linear_scale x(most);
    const auto px = [&](double v) { return left + v / x.top * (right - left); };

    drawing d(height, f.title);
    double at = left; // the legend
    for (const auto& [kind, words] :
         {std::pair<std::string_view, std::string_view>{"first", first}, {"second", second}}) {
        d.rectangle(at, 8, 12, 12, kind, {});
        d.text(at + 18, 18, words, "start");
        at += text_width(words) + 50;
    }
    for (double v = 0; v <= x.top * 1.0001; v += x.step) {
        d.line(px(v), top, px(v), bottom, v == 0 ? "axis" : "grid");
        d.text(px(v), bottom + 16, fixed(v, x.decimals), "middle");
    }
    d.text((left + right) / 2, height - 10, f.x_axis, "middle");
    for (std::size_t k = 0; k < all.size(); ++k) {
        const bar& b = all[k];
        const double y = top + row * static_cast<double>(k) + 5;
        d.text(left - 8, y + 12, b.name, "end", b.chosen ? "t strong" : "t");
        d.rectangle(left, y, px(b.first) - left, row - 8, "first", b.tip);
        d.rectangle(px(b.first), y, px(b.second) - left, row - 8, "second", b.tip);
        d.text(px(b.first + b.second) + 6, y + 12, fixed(b.first + b.second, 3), "start", b.chosen ? "t strong" : "t");
    }
    return std::move(d).finish();
}

} // namespace planner
