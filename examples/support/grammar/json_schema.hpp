// SPDX-License-Identifier: Apache-2.0
// A JSON Schema (draft 2020-12) as GBNF: every text of the grammar is valid JSON that the schema accepts. A keyword
// that is not understood is refused by name, with its place; none is ignored that could make an answer invalid.
//
//     auto text = support::schema_to_gbnf(R"({"type":"object","properties":{"age":{"type":"integer"}}})");
//
// Where a schema leaves things open, what is written is narrower than what it accepts: declared properties come in
// their order, others only where additionalProperties says so or nothing is declared; a schema without `type` writes
// the types that its keywords are about; white space is short; numbers have at most 16 digits.
//
// Understood: type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems,
// minLength, maxLength, pattern, format (date, time, date-time, uuid, email, hostname, ipv4, uri), minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf 1, anyOf, allOf, oneOf whose branches exclude each other, $ref into
// the same schema ("#/..."), $defs, definitions, nullable, true and false, and annotations.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <support/outcome.hpp>

namespace ashlar::support {

inline constexpr std::size_t schema_bytes_max = 64 << 10;

// corrupt: no JSON, or a keyword whose value has the wrong form. unsupported: a keyword or a combination that cannot be
// held, or a schema that nothing satisfies. exhausted: nesting, alternatives or rules beyond the limits. The sentence
// names the place as a JSON pointer.
outcome<std::string> schema_to_gbnf(std::string_view schema);

// What a rule of that grammar is about, as a JSON pointer; nothing when it is no rule of one schema alone.
std::optional<std::string> place_of_rule(std::string_view schema, std::string_view rule);

// The rules of JSON itself, json-object among them; without `root`.
extern const std::string_view json_rules;

} // namespace ashlar::support
