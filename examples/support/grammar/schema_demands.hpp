// SPDX-License-Identifier: Apache-2.0
// What one way to satisfy a JSON Schema says, keyword by keyword.
//
//     demands own;
//     demand(own, "minItems", 2, "/properties/list");     // throws a fault that names the place
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <ashlar/core/result.hpp>

namespace ashlar::support::schema {

using json = nlohmann::ordered_json;

enum type : unsigned {
    null_t = 1,
    boolean_t = 2,
    integer_t = 4,
    fraction_t = 8,
    string_t = 16,
    array_t = 32,
    object_t = 64
};
constexpr unsigned number_t = integer_t | fraction_t, all_types = 127;

// What one way to satisfy a schema says. Sub-schemas are conjunctions, as JSON: true, false, or a schema object.
struct demands {
    unsigned types = all_types;
    bool typed = false, whole = false;
    unsigned about = 0; // types that a keyword is about
    std::optional<std::vector<json>> choices;
    std::vector<std::pair<std::string, json>> properties;
    std::vector<std::string> required;
    json additional = true;
    bool additional_said = false;
    std::vector<json> prefix;
    json items = true;
    bool items_said = false;
    std::uint64_t min_items = 0, max_items = unbounded;
    std::uint64_t min_length = 0, max_length = unbounded;
    std::string pattern, format;
    bool has_pattern = false;
    std::optional<double> low, high;
    bool low_open = false, high_open = false; // the bound itself is excluded
    static constexpr std::uint64_t unbounded = ~std::uint64_t{0};

    unsigned written() const { return typed || about == 0 ? types : types & about; }
    const json* property(const std::string& name) const {
        for (const auto& each : properties)
            if (each.first == name) return &each.second;
        return nullptr;
    }
    bool requires_it(const std::string& name) const {
        return std::find(required.begin(), required.end(), name) != required.end();
    }
};

// Throw the fault that schema_to_gbnf returns.
[[noreturn]] void fail(errc code, const std::string& place, const std::string& why);
[[noreturn]] void wrong(const std::string& place, const std::string& keyword, const std::string& wanted);

unsigned type_of(const json& value);
// Both at once.
json conjunction(const json& a, const json& b);
// What a keyword says that has no schemas to be followed at once.
void demand(demands& own, const std::string& keyword, const json& value, const std::string& place);
// Whether a listed value satisfies the rest.
bool fits(const json& value, const demands& to, const std::string& place);

} // namespace ashlar::support::schema
