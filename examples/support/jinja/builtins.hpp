// SPDX-License-Identifier: Apache-2.0
// What templates can call: filters, tests, methods of texts and maps, functions. A name that is not here is refused
// when a template is read.
//
//     const jinja::builtin* trim = jinja::find_builtin(jinja::sort_of_builtin::filter, "trim");
#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <string_view>
#include <vector>

#include <support/jinja/operations.hpp>
#include <support/jinja/value.hpp>

namespace ashlar::support::jinja {

enum class sort_of_builtin : std::uint8_t { filter, test, method, function };

struct call_frame {
    std::span<const value> arguments; // the subject first, but for functions; undefined where left out
    std::span<const bool> present;    // of each argument
    budget& costs;
    std::time_t now;
};

struct builtin {
    sort_of_builtin sort;
    std::string_view name;
    std::vector<std::string_view> parameters; // without the subject
    std::size_t needed;                       // of them, at least
    value (*run)(const call_frame& frame);    // null: the evaluator does it (select and its kin, namespace)
};

const builtin* find_builtin(sort_of_builtin sort, std::string_view name); // null: there is none

} // namespace ashlar::support::jinja
