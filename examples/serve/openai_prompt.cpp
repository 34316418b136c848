// SPDX-License-Identifier: Apache-2.0
// What a request gives the model to read: a prompt in one of its four shapes, or a chat's messages.
#include "openai_fields.hpp"

#include <support/json.hpp>

namespace serve {

namespace {

using ashlar::support::tool_call;

std::vector<prompt> prompt_list(const json& value, const api_limits& limits) {
    if (value.is_string()) return {value.get<std::string>()};
    if (!value.is_array())
        refuse("'prompt' must be a string, a list of strings, a list of token ids or a list of such lists", "prompt");
    if (value.empty()) refuse("'prompt' must not be empty", "prompt");
    if (value.front().is_number()) return {token_list(value, limits, "prompt")};
    if (value.size() > limits.prompts)
        refuse("'prompt' holds " + std::to_string(value.size()) + " prompts; at most " +
                   std::to_string(limits.prompts) + " at once",
               "prompt");
    std::vector<prompt> prompts;
    for (const json& each : value) {
        if (value.front().is_string() && each.is_string())
            prompts.emplace_back(each.get<std::string>());
        else if (value.front().is_array() && each.is_array())
            prompts.emplace_back(token_list(each, limits, "prompt"));
        else
            refuse("'prompt' must hold strings only or lists of token ids only", "prompt");
    }
    return prompts;
}

std::string content_of(const json& field, const std::string& where) {
    if (field.is_string()) return field.get<std::string>();
    if (!field.is_array()) refuse("'" + where + "' must be a string or a list of text parts", where);
    std::string text;
    for (const json& part : field) {
        if (!part.is_object() || !part.contains("type") || part["type"] != "text" || !part.contains("text") ||
            !part["text"].is_string())
            refuse("'" + where + "' may hold parts {\"type\":\"text\",\"text\":…} only", where);
        text += part["text"].get<std::string>();
    }
    return text;
}

std::string text_of(const json& object, const char* name, const std::string& where) {
    const auto it = object.find(name);
    if (it == object.end() || !it->is_string())
        refuse("'" + where + "." + name + "' must be a string", where + "." + name);
    return it->get<std::string>();
}

// What an assistant called in an earlier turn.
std::vector<tool_call> calls_of(const json& list, const std::string& where, const api_limits& limits) {
    if (!list.is_array() || list.size() > limits.calls)
        refuse("'" + where + "' must be a list of at most " + std::to_string(limits.calls) + " calls", where);
    std::vector<tool_call> calls;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string at = where + "[" + std::to_string(i) + "]", inner = at + ".function";
        const json& one = list[i];
        if (!one.is_object() || (one.contains("type") && one["type"] != "function") || !one.contains("function") ||
            !one["function"].is_object())
            refuse("'" + at + "' must be {\"id\":…,\"type\":\"function\",\"function\":{…}}", at);
        tool_call call{text_of(one, "id", at), text_of(one["function"], "name", inner),
                       text_of(one["function"], "arguments", inner)};
        if (call.arguments.empty()) call.arguments = "{}"; // as some clients write a call without any
        const ashlar::support::json_watch seen(call.arguments, limits.json_depth);
        if (!seen.valid() || call.arguments[call.arguments.find_first_not_of(" \n\r\t")] != '{')
            refuse("'" + inner + ".arguments' must be the JSON text of an object, at most " +
                       std::to_string(limits.json_depth) + " levels deep, with no name twice",
                   inner + ".arguments");
        calls.push_back(std::move(call));
    }
    return calls;
}

chat_message message_of(const json& each, const std::string& where, const api_limits& limits) {
    if (!each.is_object()) refuse("'" + where + "' must be an object with 'role' and 'content'", where);
    chat_message message;
    for (const auto& [name, field] : each.items()) {
        if (name == "role") {
            if (!field.is_string()) refuse("'" + where + ".role' must be a string", where + ".role");
            message.role = field.get<std::string>();
            if (message.role == "developer") message.role = "system"; // OpenAI's newer name of the same thing
            if (message.role != "system" && message.role != "user" && message.role != "assistant" &&
                message.role != "tool")
                refuse("'" + where + ".role' must be system, developer, user, assistant or tool", where + ".role");
        } else if (name == "content") {
            if (!field.is_null()) message.content = content_of(field, where + ".content");
        } else if (name == "tool_calls") {
            if (!field.is_null()) message.calls = calls_of(field, where + ".tool_calls", limits);
        } else if (name == "tool_call_id") {
            if (!field.is_null()) message.call_id = text_of(each, "tool_call_id", where);
        } else if (name != "name" && name != "refusal" && name != "annotations" && !field.is_null()) {
            refuse("'" + where + "." + name.substr(0, 64) + "' is not supported by this server",
                   where + "." + name.substr(0, 64), 400, "unsupported_parameter");
        }
    }
    if (message.role.empty()) refuse("'" + where + ".role' is required", where + ".role");
    if (!message.calls.empty() && message.role != "assistant")
        refuse("'" + where + ".tool_calls' belongs to an assistant's message", where + ".tool_calls");
    if ((message.role == "tool") == message.call_id.empty())
        refuse("'" + where + ".tool_call_id' belongs to a message of role tool, and must be there",
               where + ".tool_call_id");
    if (!message.content && message.calls.empty()) refuse("'" + where + ".content' is required", where + ".content");
    return message;
}

} // namespace

std::vector<chat_message> message_list(const json& value, const api_limits& limits) {
    if (!value.is_array() || value.empty()) refuse("'messages' must be a list with at least one message", "messages");
    std::vector<chat_message> messages;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        messages.push_back(message_of(value[i], "messages[" + std::to_string(i) + "]", limits));
        bytes += messages.back().content.value_or("").size();
        for (const auto& each : messages.back().calls) bytes += each.arguments.size();
    }
    check_text(bytes, limits, "messages");
    return messages;
}

void take_prompt(fields& in, const api_limits& limits, generation& want) {
    if (want.chat) {
        const json* messages = in.take("messages");
        if (!messages) refuse("'messages' is required", "messages");
        want.messages = message_list(*messages, limits);
    } else {
        const json* given = in.take("prompt");
        if (!given) refuse("'prompt' is required", "prompt");
        want.prompts = prompt_list(*given, limits);
        std::size_t bytes = 0;
        for (const auto& each : want.prompts) {
            if (const auto* text = std::get_if<std::string>(&each)) bytes += text->size();
        }
        check_text(bytes, limits, "prompt");
    }
}

} // namespace serve
