// SPDX-License-Identifier: Apache-2.0
// What a request gives the model to read: a prompt in one of its four shapes, or a chat's messages.
#include "openai_fields.hpp"

namespace serve {

namespace {

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

} // namespace

std::vector<chat_message> message_list(const json& value, const api_limits& limits) {
    if (!value.is_array() || value.empty()) refuse("'messages' must be a list with at least one message", "messages");
    std::vector<chat_message> messages;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const json& each = value[i];
        const std::string where = "messages[" + std::to_string(i) + "]";
        if (!each.is_object()) refuse("'" + where + "' must be an object with 'role' and 'content'", where);
        chat_message message;
        for (const auto& [name, field] : each.items()) {
            if (name == "role") {
                if (!field.is_string()) refuse("'" + where + ".role' must be a string", where + ".role");
                message.role = field.get<std::string>();
                if (message.role == "developer") message.role = "system"; // OpenAI's newer name of the same thing
                if (message.role != "system" && message.role != "user" && message.role != "assistant")
                    refuse("'" + where + ".role' must be system, developer, user or assistant", where + ".role");
            } else if (name == "content") {
                if (field.is_string()) {
                    message.content = field.get<std::string>();
                } else if (field.is_array()) {
                    for (const json& part : field) {
                        if (!part.is_object() || !part.contains("type") || part["type"] != "text" ||
                            !part.contains("text") || !part["text"].is_string())
                            refuse("'" + where + ".content' may hold parts {\"type\":\"text\",\"text\":…} only",
                                   where + ".content");
                        message.content += part["text"].get<std::string>();
                    }
                } else {
                    refuse("'" + where + ".content' must be a string or a list of text parts", where + ".content");
                }
            } else if (name != "name" && name != "refusal" && name != "annotations" && !field.is_null()) {
                refuse("'" + where + "." + name.substr(0, 64) + "' is not supported by this server",
                       where + "." + name.substr(0, 64), 400, "unsupported_parameter");
            }
        }
        if (message.role.empty()) refuse("'" + where + ".role' is required", where + ".role");
        if (!each.contains("content")) refuse("'" + where + ".content' is required", where + ".content");
        bytes += message.content.size();
        messages.push_back(std::move(message));
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
