// SPDX-License-Identifier: Apache-2.0
#include <support/grammar/number_range.hpp>

#include <algorithm>
#include <string_view>

namespace ashlar::support {

namespace {

std::int64_t power_of_ten(int n) {
    std::int64_t p = 1;
    for (; n > 0; --n) p *= 10;
    return p;
}

std::string digit_range(char low, char high) {
    if (low == high) return {'"', low, '"', ' '};
    return {'[', low, '-', high, ']', ' '};
}

class alternatives {
public:
    // `point`: where from the right it stands; 0: nowhere.
    alternatives(std::string sign, int point) : sign_(std::move(sign)), point_(point) {}

    // Numbers of exactly `width` digits from low to high.
    void add(std::int64_t low, std::int64_t high, int width) {
        const auto written = [&](std::int64_t n) {
            const std::string text = std::to_string(n);
            return std::string(static_cast<std::size_t>(width) - text.size(), '0') + text;
        };
        split(written(low), written(high));
    }
    std::string text;

private:
    void split(const std::string& low, const std::string& high) {
        const std::size_t n = low.size();
        std::size_t same = 0;
        while (same < n && low[same] == high[same]) ++same;
        const auto rest_is = [&](const std::string& of, std::size_t from, char digit) {
            return std::all_of(of.begin() + static_cast<std::ptrdiff_t>(from), of.end(),
                               [&](char c) { return c == digit; });
        };
        if (same == n || (rest_is(low, same + 1, '0') && rest_is(high, same + 1, '9'))) return emit(low, high, same);
        // low .. its 99..9, whole decades between, high's 00..0 .. high
        std::string first_end = low.substr(0, same + 1) + std::string(n - same - 1, '9');
        std::string last_begin = high.substr(0, same + 1) + std::string(n - same - 1, '0');
        char from = low[same], to = high[same];
        if (!rest_is(low, same + 1, '0')) split(low, first_end), ++from;
        const bool cut = !rest_is(high, same + 1, '9');
        if (cut) --to;
        if (from <= to) {
            std::string begin = low, end = high;
            begin[same] = from, end[same] = to;
            emit(begin, end, same);
        }
        if (cut) split(last_begin, high);
    }
    // The first `same` digits of both, one range, and then any digits.
    void emit(const std::string& low, const std::string& high, std::size_t same) {
        text += text.empty() ? sign_ : " | " + sign_;
        for (std::size_t i = 0; i < low.size(); ++i) {
            if (point_ > 0 && i == low.size() - static_cast<std::size_t>(point_)) text += "\".\" ";
            text += i <= same ? digit_range(low[i], high[i]) : "[0-9] ";
        }
        text.pop_back();
    }
    const std::string sign_;
    const int point_;
};

// Non-negative ones, from `width_min` digits.
std::string range(std::int64_t low, std::int64_t high, int width_min, int point, const std::string& sign) {
    alternatives out(sign, point);
    for (int width = width_min; width <= 16; ++width) {
        const std::int64_t least = width == width_min ? 0 : power_of_ten(width - 1);
        const std::int64_t from = std::max(low, least), to = std::min(high, power_of_ten(width) - 1);
        if (from <= to) out.add(from, to, width);
    }
    return out.text;
}

std::string signed_range(std::int64_t low, std::int64_t high, int width_min, int point) {
    std::string out;
    if (high >= 0) out = range(std::max<std::int64_t>(low, 0), high, width_min, point, "");
    if (low < 0) {
        const std::string below = range(high < 0 ? -high : 1, -low, width_min, point, "\"-\" ");
        out += (out.empty() || below.empty() ? "" : " | ") + below;
    }
    return out;
}

} // namespace

std::string integers_to_gbnf(std::int64_t low, std::int64_t high) {
    if (low > high) return {};
    return signed_range(std::max(low, -number_most), std::min(high, number_most), 1, 0);
}

std::string fractions_to_gbnf(std::int64_t low, std::int64_t high, int digits) {
    if (low > high) return {};
    return signed_range(std::max(low, -number_most), std::min(high, number_most), digits + 1, digits);
}

} // namespace ashlar::support
