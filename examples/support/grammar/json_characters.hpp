// SPDX-License-Identifier: Apache-2.0
// Characters of a JSON string as GBNF: those that JSON has to escape, escaped.
//
//     json_characters set{.ranges = {{'a', 'z'}, {'"', '"'}}};
//     set.text();                                              // ([a-z] | "\\\"")
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <support/grammar/gbnf.hpp>

namespace ashlar::support {

// A set of characters. `broad`: a complement, which control characters do not belong to here.
struct json_characters {
    std::vector<gbnf::range> ranges;
    bool broad = false;

    bool has(char32_t code) const {
        return std::any_of(ranges.begin(), ranges.end(),
                           [&](const auto& each) { return code >= each.low && code <= each.high; });
    }
    void add(const json_characters& more) {
        ranges.insert(ranges.end(), more.ranges.begin(), more.ranges.end());
        broad = broad || more.broad;
    }
    json_characters negated(char32_t last) const; // up to `last`
    std::string text() const;                     // an expression of one character; empty when none fits
};

// Text as a GBNF literal, with its quotes.
std::string gbnf_literal(std::string_view text);
// One character of a JSON string, escaped where JSON wants it, without quotes.
void append_json_character(std::string& out, char32_t code);

} // namespace ashlar::support
