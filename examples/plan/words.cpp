// SPDX-License-Identifier: Apache-2.0
#include "words.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

namespace planner {

namespace {

struct suffix {
    std::string_view text;
    double times;
};

struct limits {
    double least, most; // what is beyond is a slip, and would lead out of what the planner's arithmetic holds
};

// A number and one of these suffixes; spaces may stand between them.
double read_number(std::string_view text, std::span<const suffix> suffixes, std::string_view wants, limits within) {
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string quoted = "\"" + std::string(text) + "\"";
    if (fault != std::errc{} || !std::isfinite(value))
        throw bad_input(quoted + " is no number; write " + std::string(wants));
    std::string_view rest(end, text.data() + text.size());
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    for (const suffix& each : suffixes) {
        if (each.text != rest) continue;
        const double scaled = value * each.times;
        if (!(scaled > 0)) throw bad_input(quoted + " must be above 0");
        if (scaled < within.least) throw bad_input(quoted + " is less than what is planned for");
        if (scaled > within.most) throw bad_input(quoted + " is more than what is planned for");
        return scaled;
    }
    const std::string what = rest.empty() ? "has no unit" : "ends in \"" + std::string(rest) + "\"";
    throw bad_input(quoted + " " + what + "; write " + std::string(wants));
}

constexpr suffix byte_suffixes[] = {{"kB", 1e3},     {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},
                                    {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
constexpr suffix byte_rate_suffixes[] = {{"MB/s", 1e6}, {"GB/s", 1e9},  {"TB/s", 1e12},   {"PB/s", 1e15},
                                         {"GBps", 1e9}, {"TBps", 1e12}, {"GiB/s", 0x1p30}};

constexpr std::pair<std::string_view, plan::precision> precisions[] = {
    {"fp32", plan::stored::fp32},   {"bf16", plan::stored::bf16},
    {"fp8", plan::stored::fp8},     {"mxfp8", plan::stored::mxfp8},
    {"int8", plan::stored::int8},   {"mxfp4", plan::stored::mxfp4},
    {"nvfp4", plan::stored::nvfp4}, {"fp8-block", plan::stored::fp8_block128}};

} // namespace

double read_count(std::string_view text) {
    static constexpr suffix suffixes[] = {{"", 1},    {"k", 1e3},     {"K", 1e3},     {"M", 1e6},
                                          {"G", 1e9}, {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}};
    const double number = read_number(text, suffixes, "32768, 32Ki or 128K", {0, 1e12});
    if (std::floor(number) != number) {
        throw bad_input("\"" + std::string(text) + "\" is not a whole number");
    }
    return number;
}
units::second read_duration(std::string_view text) {
    static constexpr suffix suffixes[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"ns", 1e-9}};
    return units::second(read_number(text, suffixes, "a time with its unit: 50ms, 0.05s or 273us", {1e-9, 1e6}));
}
units::byte read_bytes(std::string_view text) {
    return units::byte(read_number(text, byte_suffixes, "a size with its unit: \"96 GB\" or \"96 GiB\"", {1, 4e12}));
}
units::byte_rate read_byte_rate(std::string_view text) {
    return units::byte_rate(read_number(text, byte_rate_suffixes, "a rate with its unit: \"3.35 TB/s\"", {1, 1e16}));
}
units::wire_rate read_rate(std::string_view text) {
    constexpr std::string_view sum = " both ways", one = " one way";
    if (text.ends_with(sum)) return one_way(both_ways(read_byte_rate(text.substr(0, text.size() - sum.size()))));
    if (text.ends_with(one)) text.remove_suffix(one.size());
    static constexpr suffix suffixes[] = {{"GB/s", 1e9},      {"TB/s", 1e12},    {"MB/s", 1e6},     {"GBps", 1e9},
                                          {"TBps", 1e12},     {"Gbps", 1e9 / 8}, {"Gb/s", 1e9 / 8}, {"Gbit/s", 1e9 / 8},
                                          {"Tbps", 1e12 / 8}, {"Tb/s", 1e12 / 8}};
    return units::wire_rate(read_number(
        text, suffixes, "one direction with its unit: 50GB/s or 400Gbps; or \"900GB/s both ways\"", {1, 1e16}));
}
units::usd_rate read_price(std::string_view text) {
    static constexpr suffix suffixes[] = {{"", 1.0 / 3600}, {"USD/h", 1.0 / 3600}, {"$/h", 1.0 / 3600}};
    return units::usd_rate(read_number(text, suffixes, "dollars an hour: 2.5 or 2.5USD/h", {1e-12, 1e3}));
}
plan::precision read_precision(std::string_view text) {
    std::vector<std::string> names;
    for (const auto& [name, precision] : precisions) {
        if (name == text) return precision;
        names.emplace_back(name);
    }
    throw bad_input("\"" + std::string(text) + "\" is no precision" + did_you_mean(text, names) + "; one of " +
                    join(names));
}
double read_share(std::string_view text) {
    static constexpr suffix suffixes[] = {{"", 1}, {"%", 1e-2}};
    const double number = read_number(text, suffixes, "a share: 0.7 or 70%", {1e-6, 100});
    if (number > 1) throw bad_input("\"" + std::string(text) + "\" is more than the whole; write 0.7 or 70%");
    return number;
}

std::string plain(std::string_view name) {
    std::string out;
    for (const char c : name) {
        const auto u = static_cast<unsigned char>(c);
        if (std::isalnum(u)) out += static_cast<char>(std::tolower(u));
    }
    return out;
}

bool printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string nearest(std::string_view name, std::span<const std::string> names) {
    const std::string want = plain(name).substr(0, 64);
    std::string best;
    std::size_t least = want.size() / 2 + 1; // more changes than this is another word
    for (const std::string& each : names) {
        const std::string have = plain(each);
        std::vector<std::size_t> row(have.size() + 1); // Levenshtein's distance, row by row
        for (std::size_t k = 0; k < row.size(); ++k) row[k] = k;
        for (std::size_t i = 0; i < want.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i + 1);
            for (std::size_t k = 0; k < have.size(); ++k) {
                const std::size_t change = diagonal + (want[i] != have[k]);
                diagonal = row[k + 1];
                row[k + 1] = std::min({change, row[k] + 1, row[k + 1] + 1});
            }
        }
        const bool part = !want.empty() && have.find(want) != std::string::npos; // "v3" of "deepseek-v3"
        const std::size_t distance = part ? std::min<std::size_t>(row.back(), 1) : row.back();
        if (distance < least) least = distance, best = each;
    }
    return best;
}
std::string did_you_mean(std::string_view name, std::span<const std::string> names) {
    const std::string best = nearest(name, names);
    return best.empty() ? "" : "; did you mean " + best + "?";
}
std::string join(std::span<const std::string> names, std::string_view between) {
    std::string out;
    for (const std::string& each : names) {
        if (!out.empty()) out += between;
        out += each;
    }
    return out;
}
std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == at) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

std::string fixed(double value, int decimals) {
    char text[512];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}
std::string significant(double value, int digits) {
    if (!std::isfinite(value)) return "-";
    char text[64];
    std::snprintf(text, sizeof text, "%.*e", digits - 1, value);
    const int exponent = std::atoi(std::string_view(text).substr(std::string_view(text).find('e') + 1).data());
    if (value == 0 || exponent < -4 || exponent > 6) return value == 0 ? "0" : text;
    std::string whole = fixed(std::strtod(text, nullptr), std::max(0, digits - 1 - exponent));
    for (std::size_t at = whole.find('.') == std::string::npos ? whole.size() : whole.find('.'); at > 3;) {
        at -= 3;
        if (exponent >= 4) whole.insert(at, ","); // 12,345 but 1234
    }
    return whole;
}
std::string tokens_text(units::token tokens) {
    const double n = tokens.value;
    if (n >= 1024 && std::fmod(n, 1024) == 0) return fixed(n / 1024, 0) + "Ki";
    return fixed(n, 0);
}
std::string name_of(plan::precision precision) {
    for (const auto& [name, each] : precisions) {
        if (each == precision) return std::string(name);
    }
    return fixed(precision.bits, 0) + "-bit in " + name_of(precision.in);
}
const char* name_of(plan::math in) {
    static constexpr std::array names{"fp32", "bf16", "fp8", "int8", "fp4"};
    return names[static_cast<std::size_t>(in)];
}
const char* name_of(plan::status is) {
    static constexpr std::array names{"shipping", "announced", "cancelled", "rumoured"};
    return names[static_cast<std::size_t>(is)];
}

} // namespace planner
