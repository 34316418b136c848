// SPDX-License-Identifier: Apache-2.0
// What Python's operators do with the values of a template, within a budget. What they refuse is thrown as a fault.
//
//     jinja::budget costs(4 << 20, 4'000'000);
//     jinja::value both = jinja::arithmetic('+', a, b, costs);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <support/jinja/value.hpp>

namespace ashlar::support::jinja {

// What is left to spend; throws a fault of errc::exhausted.
class budget {
public:
    budget(std::size_t bytes, std::uint64_t steps) : bytes_(bytes), steps_(steps) {}
    void spend(std::uint64_t steps);
    void fits(std::size_t bytes) const; // a text of so many
    void check(std::size_t bytes);      // the same, and spends for making it

private:
    std::size_t bytes_;
    std::uint64_t steps_;
};

[[noreturn]] void unsupported(std::string why);

list elements(const value& of, budget& costs); // characters, elements, keys
bool contains(const value& in, const value& what, budget& costs);
bool equal(const value& a, const value& b, budget& costs);
const value* attribute(const value& of, std::string_view name); // null: undefined
value item(const value& of, const value& at, budget& costs);
value slice(const value& from, std::span<const value> bounds, budget& costs);     // start, stop, step; none: left out
value arithmetic(char sign, const value& a, const value& b, budget& costs);       // + - * / % ~, and f for //
bool holds(const value& a, std::string_view sign, const value& b, budget& costs); // == != < <= > >= in, not in

} // namespace ashlar::support::jinja
