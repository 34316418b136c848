// SPDX-License-Identifier: Apache-2.0
#include <support/tool_prompt.hpp>

#include <string>
#include <utility>

#include <support/jinja/value.hpp>
#include <support/tool_stream.hpp>

namespace ashlar::support {

namespace {

std::string told(const jinja::list& tools) {
    std::string out = "# Tools\n\nYou can call these functions. Each line between the tags describes one, its "
                      "parameters as a JSON schema.\n<tools>";
    for (const auto& each : tools) {
        out += '\n';
        jinja::append_json(out, each, -1);
    }
    return out += "\n</tools>\n\nTo call a function, answer with its name and arguments as JSON between these tags, "
                  "one pair of tags for each call:\n" +
                  std::string(tool_call_begins) + "\n{\"name\": <name>, \"arguments\": <arguments>}\n" +
                  std::string(tool_call_ends);
}

std::string called(const chat_turn& turn) {
    std::string out = turn.content.value_or("");
    for (const auto& each : turn.calls) {
        const auto arguments = jinja::value::from_json(each.arguments);
        if (!arguments) throw arguments.fault();
        if (!out.empty()) out += '\n';
        out += std::string(tool_call_begins) + "\n{\"name\": ";
        jinja::append_json(out, jinja::given(each.name), -1);
        out += ", \"arguments\": ";
        jinja::append_json(out, *arguments, -1);
        out += "}\n" + std::string(tool_call_ends);
    }
    return out;
}

} // namespace

outcome<std::vector<chat_turn>> tools_in_words(std::span<const chat_turn> turns, std::string_view tools) {
    try {
        std::vector<chat_turn> out;
        if (!tools.empty()) {
            const auto list = jinja::value::from_json(tools);
            if (!list) return list.fault();
            if (list->as_list() && !list->as_list()->empty()) {
                out.push_back({"system", told(*list->as_list())});
                if (!turns.empty() && turns[0].role == "system") {
                    out[0].content = turns[0].content.value_or("") + "\n\n" + *out[0].content;
                    turns = turns.subspan(1);
                }
            }
        }
        bool answering = false;
        for (const auto& each : turns) {
            if (each.role != "tool") {
                out.push_back({each.role, called(each)});
            } else {
                if (!answering) out.push_back({"user", ""});
                std::string& content = *out.back().content;
                if (answering) content += '\n';
                content += "<tool_response>\n" + each.content.value_or("") + "\n</tool_response>";
            }
            answering = each.role == "tool";
        }
        return out;
    } catch (const fault& why) {
        return why;
    }
}

} // namespace ashlar::support
