// SPDX-License-Identifier: Apache-2.0
// A conversation as a model is told it: who said what, which tools the model called and what they answered. JSON stays
// text, as it came.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ashlar::support {

struct tool_call {
    std::string id, name, arguments; // arguments: the JSON text of an object
};

struct chat_turn {
    std::string role;                   // system, user, assistant, tool
    std::optional<std::string> content; // none: an assistant that only calls tools
    std::vector<tool_call> calls{};     // of an assistant
    std::string call_id{};              // of a tool: the call that it answers
};

} // namespace ashlar::support
