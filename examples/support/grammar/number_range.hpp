// SPDX-License-Identifier: Apache-2.0
// Numbers between two bounds as GBNF: alternatives of digits and ranges of digits.
//
//     support::integers_to_gbnf(7, 120);      // [7-9] | [1-9] [0-9] | "1" [0-1] [0-9] | "120"
//
#pragma once

#include <cstdint>
#include <string>

namespace ashlar::support {

inline constexpr std::int64_t number_most = 9'999'999'999'999'999; // 16 digits; the least is its negative

// Integers low..high, both within ±number_most; empty when there is none. Without leading zeros.
std::string integers_to_gbnf(std::int64_t low, std::int64_t high);
// Numbers low / 10^digits .. high / 10^digits, written with exactly so many digits (at least one) behind the point.
std::string fractions_to_gbnf(std::int64_t low, std::int64_t high, int digits);

} // namespace ashlar::support
