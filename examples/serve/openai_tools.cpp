// SPDX-License-Identifier: Apache-2.0
// Tools that a model may call: what it is told of them, and which calls its answer may have.
#include "openai_fields.hpp"

#include <algorithm>
#include <set>

#include <support/tool_stream.hpp>

namespace serve {

namespace sup = ashlar::support;

namespace {

constexpr std::size_t tools_bytes = 256 << 10;

const json* optional_member(const json& object, const char* name) {
    const auto it = object.find(name);
    return it == object.end() || it->is_null() ? nullptr : &*it;
}

void check_parameters(const json& function, const std::string& where) {
    const json* parameters = optional_member(function, "parameters");
    if (!parameters) return;
    const std::string field = where + ".parameters";
    if (!parameters->is_object()) refuse("'" + field + "' must be a JSON Schema", field);
    if (!parameters->empty() && (!parameters->contains("type") || (*parameters)["type"] != "object"))
        refuse("'" + field + "' must be a JSON Schema of \"type\":\"object\"", field);
}

void check_tool(const json& tool, const std::string& where, std::set<std::string>& names) {
    if (!tool.is_object() || !tool.contains("type") || tool["type"] != "function")
        refuse("'" + where + ".type' must be \"function\"", where + ".type");
    const json* function = optional_member(tool, "function");
    const std::string inner = where + ".function";
    if (!function || !function->is_object()) refuse("'" + inner + "' must be an object with a 'name'", inner);
    for (const auto& [name, value] : tool.items()) {
        if (name != "type" && name != "function")
            refuse("'" + where + "." + name.substr(0, 64) + "' is not known", where + "." + name.substr(0, 64));
    }
    for (const auto& [name, value] : function->items()) {
        const std::string field = inner + "." + name.substr(0, 64);
        if (name == "description" && !value.is_string() && !value.is_null())
            refuse("'" + field + "' must be a string", field);
        if (name == "strict" && !value.is_boolean() && !value.is_null())
            refuse("'" + field + "' must be true or false", field);
        if (name != "name" && name != "description" && name != "parameters" && name != "strict")
            refuse("'" + field + "' is not known", field);
    }
    const json* name = optional_member(*function, "name");
    if (!name || !name->is_string() || !sup::is_tool_name(name->get<std::string>()))
        refuse("'" + inner + ".name' must have 1 to 64 letters, digits, '_' or '-'", inner + ".name");
    if (!names.insert(name->get<std::string>()).second)
        refuse("the name of '" + inner + "' is another tool's too", inner + ".name");
    check_parameters(*function, inner);
}

enum class calls { none, allowed, required };

calls choice_of(const json* choice, bool has_tools, std::string& only) {
    if (!choice) return has_tools ? calls::allowed : calls::none;
    if (choice->is_object()) {
        fields in(*choice, "tool_choice.");
        if (in.text("type").value_or("") != "function")
            refuse("'tool_choice.type' must be \"function\"", "tool_choice.type");
        const json* function = in.take("function");
        if (!function || !function->is_object())
            refuse("'tool_choice.function' must be an object with a 'name'", "tool_choice.function");
        in.nothing_else();
        fields inner(*function, "tool_choice.function.");
        only = inner.text("name").value_or("");
        if (only.empty()) refuse("'tool_choice.function.name' is required", "tool_choice.function.name");
        inner.nothing_else();
    } else if (*choice == "none") {
        return calls::none;
    } else if (*choice == "auto") {
        return has_tools ? calls::allowed : calls::none;
    } else if (*choice != "required") {
        refuse("'tool_choice' must be none, auto, required or {\"type\":\"function\",\"function\":{\"name\":…}}",
               "tool_choice");
    }
    if (!has_tools) refuse("'tool_choice' asks for a call, but there are no 'tools'", "tool_choice");
    return calls::required;
}

} // namespace

std::string tool_list(fields& in, std::string_view body, const api_limits& limits) {
    const json* tools = in.take("tools");
    if (!tools) return {};
    if (!tools->is_array() || tools->size() > limits.tools)
        refuse("'tools' must be a list of at most " + std::to_string(limits.tools) + " tools", "tools");
    std::set<std::string> names;
    for (std::size_t i = 0; i < tools->size(); ++i) check_tool((*tools)[i], "tools[" + std::to_string(i) + "]", names);
    if (tools->empty()) return {};
    const std::string text(member(body, "tools")); // nothing when the name is written with escapes
    if (text.empty()) refuse("'tools' must be written as it is, without escapes", "tools");
    if (text.size() > tools_bytes)
        refuse("'tools' may have at most " + std::to_string(tools_bytes) + " bytes", "tools");
    return text;
}

void take_tools(fields& in, std::string_view body, const api_limits& limits, generation& want) {
    const std::string text = tool_list(in, body, limits);
    std::string only;
    const calls wanted = choice_of(in.take("tool_choice"), !text.empty(), only);
    const bool several = in.boolean("parallel_tool_calls", true);
    if (wanted == calls::none) return; // the model is not told of them
    if (want.form.bound())
        refuse("an answer that may call 'tools' cannot have a 'response_format' or 'grammar'; with 'tool_choice': "
               "\"none\" it can",
               "tools");
    if (want.ignore_eos)
        refuse("'ignore_eos' cannot be had with 'tools', whose calls say where they end", "ignore_eos");
    if (!only.empty()) {
        const json& tools = *in.take("tools");
        if (std::none_of(tools.begin(), tools.end(),
                         [&](const json& each) { return each["function"]["name"] == only; }))
            refuse("'tool_choice' names '" + only.substr(0, 64) + "', which is none of the 'tools'",
                   "tool_choice.function.name");
    }
    want.tools = text;
    want.form = {.is = answer_form::kind::calls,
                 .text = text,
                 .field = "tools",
                 .must_call = wanted == calls::required,
                 .several = several && only.empty(),
                 .only = only};
}

} // namespace serve
