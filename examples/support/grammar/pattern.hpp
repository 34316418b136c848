// SPDX-License-Identifier: Apache-2.0
// JSON Schema's `pattern` (ECMA-262, the regular part) as GBNF of the text between a JSON string's quotes: what JSON
// has to escape is escaped.
//
//     auto text = support::pattern_to_gbnf("^[a-z]+\\d{2}$");      // [a-z]+ [0-9]{2}
//
// Refused by name: look-around, back references, word boundaries, named groups, Unicode properties, anchors inside
// groups. What matches here matches in ECMA-262 and in Python: \d, \w and \s are ASCII, negated they are printable
// ASCII, and control characters stand only where the pattern spells them out.
#pragma once

#include <string>
#include <string_view>

#include <support/outcome.hpp>

namespace ashlar::support {

// An expression over `json-char`, any character of a JSON string, which the grammar has to have. Not anchored: anything
// may stand before and behind. unsupported, corrupt: the sentence says where.
outcome<std::string> pattern_to_gbnf(std::string_view pattern);

} // namespace ashlar::support
