// SPDX-License-Identifier: Apache-2.0
// Words of the command line and values of files: numbers with suffixes, times, rates, precisions, and the name that
// somebody probably meant.
//
//     read_count("32Ki")      32768        read_duration("50ms")    0.05 s
//     read_rate("400Gbps")    50 GB/s      read_precision("nvfp4")  stored::nvfp4
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ashlar/plan.hpp>

namespace planner {

namespace plan = ashlar::plan;
namespace units = ashlar::units;

// What is wrong with which word or field of which file, and what to do about it. main() prints it and exits with 2.
struct bad_input : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A positive number of things up to 10^12: plain, with K M G (thousands) or Ki Mi Gi (1,024s).
double read_count(std::string_view text);
// 50ms, 0.05s, 273us.
units::second read_duration(std::string_view text);
// 96GB or 96GiB, with or without a space; kB, MB, TB, KiB, MiB, TiB as well.
units::byte read_bytes(std::string_view text);
// Bytes a second: 4TB/s, 864GB/s.
units::byte_rate read_byte_rate(std::string_view text);
// One direction of a link: 50GB/s, 400Gbps, and "900GB/s both ways", of which it is half.
units::wire_rate read_rate(std::string_view text);
// 2.5 or 2.5USD/h.
units::usd_rate read_price(std::string_view text);
plan::precision read_precision(std::string_view text);
// 0 < share <= 1.
double read_share(std::string_view text);

// Lower case without what people write in different ways: "DeepSeek-V3" and "deepseek_v3" are one name.
std::string plain(std::string_view name);
bool printable(std::string_view text); // ASCII that a terminal and a page can show
// The name of the list that needs the fewest changes; empty if nothing is near.
std::string nearest(std::string_view name, std::span<const std::string> names);
// "; did you mean h800?" or nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string> names);
std::string join(std::span<const std::string> names, std::string_view between = ", ");
std::vector<std::string> split(std::string_view text, char at);

// Numbers for people: 3 significant digits with a suffix, 1.23e+12 beyond.
std::string significant(double value, int digits = 3);
std::string fixed(double value, int decimals);
std::string tokens_text(units::token tokens); // 32Ki where it is one, 100000 else
std::string name_of(plan::precision precision);
const char* name_of(plan::math in);
const char* name_of(plan::status is);

} // namespace planner
