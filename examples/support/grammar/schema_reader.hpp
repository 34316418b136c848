// SPDX-License-Identifier: Apache-2.0
// The ways to satisfy a JSON Schema: references followed, allOf joined, anyOf and oneOf multiplied out.
//
//     schema_reader of(root);
//     for (const demands& way : of.ways_of(root["items"], "/items")) ...      // none: nothing satisfies it
//
// Throws a fault with the place; time is bounded by a count of steps.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <support/grammar/schema_demands.hpp>

namespace ashlar::support::schema {

class schema_reader {
public:
    explicit schema_reader(const json& root) : root_(root) {}

    std::vector<demands> ways_of(const json& schema, const std::string& place, std::vector<std::string> refs = {});

private:
    const json& referred(const std::string& ref, const std::string& place) const;
    // The ways to satisfy `schema` besides each of `in`.
    std::vector<demands> satisfy(const json& schema, std::vector<demands> in, const std::string& place,
                                 std::vector<std::string>& refs);
    // Makes `into` demand `more` too; false when nothing can satisfy both.
    bool add(demands& into, const demands& more, const std::string& place);
    void check_exclusive(const json& schema, const std::string& place, std::vector<std::string> refs);
    bool exclude(const demands& a, const demands& b, const std::string& place, int depth);
    void spend(std::size_t steps, const std::string& place);

    const json& root_;
    std::size_t steps_ = 0;
};

} // namespace ashlar::support::schema
