// SPDX-License-Identifier: Apache-2.0
// Calls of tools as GBNF: what an answer may be when a model has these tools, in the format of tool_stream.hpp. The
// arguments of every call are valid under their tool's schema.
//
//     auto text = support::tools_to_gbnf({{"search", R"({"type":"object"})"}}, {.must_call = true});
#pragma once

#include <span>
#include <string>
#include <vector>

#include <support/outcome.hpp>

namespace ashlar::support {

struct tool {
    std::string name, parameters; // parameters: a JSON Schema of objects; empty: there are none
};

struct tool_choice {
    bool must_call = false; // else the answer is any text, behind which calls may come
    bool several = false;   // calls, apart by a line's end
};

// What schema_to_gbnf refuses, and `which`: the number of the tool at fault.
outcome<std::string> tools_to_gbnf(std::span<const tool> tools, tool_choice how, std::size_t& which);
// How the names of that tool's rules begin; what follows is the name that schema_to_gbnf gave.
std::string tool_rules_begin(std::size_t which);

} // namespace ashlar::support
