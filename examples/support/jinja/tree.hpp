// SPDX-License-Identifier: Apache-2.0
// A template as a tree, as the parser leaves it to the evaluator: names are checked, arguments stand in the order of
// their parameters.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <support/jinja/value.hpp>

namespace ashlar::support::jinja {

struct builtin;

struct expression {
    enum class kind : std::uint8_t {
        constant,
        name,
        list,   // parts: elements
        map,    // parts: key, value, key, value, ...
        member, // parts: of what; name
        item,   // parts: of what, index
        slice,  // parts: of what, start, stop, step; each of the last three may be null
        negate, // parts: one
        logical_not,
        logical_and,
        logical_or,
        arithmetic, // name: + - * / // % ~
        compare,    // parts: operands; operators between them
        choose,     // parts: then, condition, else (may be null)
        filter,     // what: a builtin; parts: subject, arguments (null where left out); test: which elements
        test,       // what; parts: the same
        method,     // what; parts: the same
        call        // what: a function; parts: arguments; of namespace: operators are their names
    };
    kind sort = kind::constant;
    std::uint32_t line = 1, depth = 1;
    std::string name{};
    value constant{};
    const builtin* what = nullptr;
    const builtin* test = nullptr;
    std::vector<std::unique_ptr<expression>> parts{};
    std::vector<std::string> operators{}; // compare: == != < > <= >= in, not in
};
using expression_ptr = std::unique_ptr<expression>;

struct statement {
    enum class kind : std::uint8_t { data, print, branch, loop, assign };
    struct way {                  // of a branch
        expression_ptr condition; // null: else
        std::vector<statement> body;
    };
    kind sort = kind::data;
    std::uint32_t line = 1;
    text data{};
    expression_ptr value{};             // print, loop: over what; assign
    std::vector<std::string> targets{}; // loop; assign: a name, or a namespace and its member
    expression_ptr condition{};         // loop: which elements; may be null
    std::vector<way> ways{};            // branch; loop: the body, and the body for nothing
};

struct tree {
    std::vector<statement> body;
    std::set<std::string> names; // of variables that it reads
    std::string texts;           // data and strings, apart by a zero
};

} // namespace ashlar::support::jinja
