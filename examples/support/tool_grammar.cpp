// SPDX-License-Identifier: Apache-2.0
#include <support/tool_grammar.hpp>

#include <set>
#include <string_view>

#include <support/grammar/json_schema.hpp>
#include <support/grammar/json_characters.hpp>
#include <support/tool_stream.hpp>

namespace ashlar::support {

namespace {

bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A line of GBNF with another beginning of its rules' names; the rules of JSON itself are everybody's.
std::string renamed(std::string_view line, const std::string& prefix) {
    std::string out;
    for (std::size_t at = 0; at < line.size();) {
        const char c = line[at];
        std::size_t end = at + 1;
        if (c == '"' || c == '[' || c == '{') { // a literal, a set, a number of repetitions
            const char close = c == '[' ? ']' : c == '{' ? '}' : '"';
            for (; end < line.size() && line[end] != close; ++end) end += line[end] == '\\';
            ++end;
        } else if (is_name(c)) {
            while (end < line.size() && is_name(line[end])) ++end;
            const std::string_view name = line.substr(at, end - at);
            if (!name.starts_with("json-") && !name.starts_with("format-")) out += prefix;
        }
        out += line.substr(at, end - at);
        at = end;
    }
    return out;
}

// Text in which no call begins: behind each '<' only so much of the sign as leaves it unfinished.
std::string text_without_calls() {
    std::string out = "text ::= [^<]* (\"<\" text1)*\n";
    for (std::size_t i = 1; i < tool_call_begins.size(); ++i) {
        const std::string next(1, tool_call_begins[i]), rule = "text" + std::to_string(i);
        out += rule + " ::= \"\" | [^<" + next + "] [^<]*";
        if (i + 1 < tool_call_begins.size()) out += " | \"" + next + "\" text" + std::to_string(i + 1);
        out += "\n";
    }
    return out;
}

} // namespace

std::string tool_rules_begin(std::size_t which) { return "tool" + std::to_string(which) + "-"; }

outcome<std::string> tools_to_gbnf(std::span<const tool> tools, tool_choice how, std::size_t& which) {
    std::string rules, choices;
    std::set<std::string, std::less<>> seen; // the rules of JSON, once
    for (which = 0; which < tools.size(); ++which) {
        const auto& each = tools[which];
        const std::string prefix = tool_rules_begin(which);
        choices += (which > 0 ? " | " : "") + gbnf_literal(each.name + std::string(tool_call_before_arguments)) + " ";
        if (each.parameters.empty()) {
            choices += "\"{}\"";
            continue;
        }
        const auto text = schema_to_gbnf(each.parameters);
        if (!text) return text.fault();
        for (std::string_view rest = *text; !rest.empty();) {
            const std::size_t end = rest.find('\n');
            const std::string line = renamed(rest.substr(0, end), prefix);
            if (line.starts_with(prefix) || seen.insert(line).second) rules += line + "\n";
            rest.remove_prefix(end + 1);
        }
        choices += prefix + "root";
    }
    return std::string(how.must_call ? "root ::= calls\n" : "root ::= text calls?\n" + text_without_calls()) +
           "calls ::= " + gbnf_literal(tool_call_before_name) + " (" + choices + ") " +
           gbnf_literal(tool_call_after_arguments) + (how.several ? " (\"\\n\" calls)?" : "") + "\n" + rules;
}

} // namespace ashlar::support
