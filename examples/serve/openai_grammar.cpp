// SPDX-License-Identifier: Apache-2.0
// The grammar of an answer's form: a schema or the schemas of tools as GBNF, compiled once, so that no engine is asked
// for what it would refuse.
#include "openai_fields.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include <support/grammar/json_schema.hpp>
#include <support/jinja/value.hpp>
#include <support/tool_grammar.hpp>

#include "compile_grammar.hpp"

namespace serve {

namespace sup = ashlar::support;

namespace {

[[noreturn]] void refuse_grammar(const sup::fault& why, const std::string& field) {
    refuse("'" + field + "' cannot be followed: " + why.sentence, field, 400, "unsupported_grammar");
}

// What the compiler says of a rule of a grammar that was written here, told of the schema instead: its sender knows no
// rules. Nothing when the rule is not of that schema.
std::optional<sup::fault> of_schema(const sup::fault& why, std::string_view schema, std::string_view prefix = {}) {
    const std::string before = "rule '" + std::string(prefix), after = "': "; // the sentence of support::automaton
    const auto end = why.sentence.find(after);
    if (!why.sentence.starts_with(before) || end == std::string::npos) return std::nullopt;
    const auto place = sup::place_of_rule(schema, std::string_view(why.sentence).substr(0, end).substr(before.size()));
    if (!place) return std::nullopt;
    return sup::fault{why.what, "at " + sup::in_quotes(*place) + ": " + why.sentence.substr(end + after.size())};
}

// The parameters keep their order: an answer's do.
std::vector<sup::tool> tools_of(const std::string& text) {
    const auto list = sup::jinja::value::from_json(text);
    if (!list) refuse("'tools' cannot be read: " + list.fault().sentence, "tools");
    std::vector<sup::tool> out;
    for (const auto& each : *list->as_list()) {
        const auto& function = *sup::jinja::find(*each.as_map(), "function")->as_map();
        sup::tool one{std::string(std::string_view(sup::jinja::find(function, "name")->as_text()->bytes)), {}};
        const auto* parameters = sup::jinja::find(function, "parameters");
        if (parameters && parameters->truth()) sup::jinja::append_json(one.parameters, *parameters, -1);
        out.push_back(std::move(one));
    }
    return out;
}

std::string grammar_of_calls(const answer_form& form) {
    std::vector<sup::tool> tools = tools_of(form.text);
    std::size_t first = 0; // of those that are left
    if (!form.only.empty()) {
        const auto it =
            std::find_if(tools.begin(), tools.end(), [&](const auto& each) { return each.name == form.only; });
        first = static_cast<std::size_t>(it - tools.begin());
        tools = {tools.at(first)};
    }
    const auto field = [&](std::size_t which) {
        return "tools[" + std::to_string(first + which) + "].function.parameters";
    };
    const sup::tool_choice how{.must_call = form.must_call, .several = form.several};
    std::size_t which = 0;
    const auto text = sup::tools_to_gbnf(tools, how, which);
    if (!text) refuse_grammar(text.fault(), field(which));
    const auto made = compile_grammar(*text);
    if (made) return *text;
    for (which = 0; which < tools.size(); ++which) {
        const std::string prefix = sup::tool_rules_begin(which);
        if (const auto why = of_schema(made.fault(), tools[which].parameters, prefix))
            refuse_grammar(*why, field(which));
    }
    refuse_grammar(made.fault(), "tools"); // all of them together
}

std::string made_of(const answer_form& form) {
    if (form.is == answer_form::kind::calls) return grammar_of_calls(form);
    const bool writes = form.is == answer_form::kind::schema;
    const auto text = writes ? sup::schema_to_gbnf(form.text) : sup::outcome<std::string>(form.text);
    if (!text) refuse_grammar(text.fault(), form.field);
    if (const auto made = compile_grammar(*text); !made) {
        const auto why = writes ? of_schema(made.fault(), form.text) : std::nullopt;
        refuse_grammar(why.value_or(made.fault()), form.field);
    }
    return *text;
}

} // namespace

std::string answer_form::spelled() const {
    return std::to_string(static_cast<int>(is)) + (must_call ? "!" : "") + (several ? "+" : "") + only + "\n" + text;
}

std::variant<std::string, api_error> grammar_of(const answer_form& form) {
    try {
        return made_of(form);
    } catch (const api_error& fault) {
        return fault;
    } catch (const json::exception& why) { // a shape that no check foresaw: still a typed answer
        api_error fault;
        fault.message = "'" + form.field + "' has an unexpected shape: " + std::string(why.what()).substr(0, 200);
        fault.param = form.field;
        return fault;
    } catch (const std::exception& why) { // nor this one; it stays this request's own
        api_error fault;
        fault.status = 500, fault.type = "server_error";
        fault.message = "'" + form.field + "' could not be prepared: " + std::string(why.what()).substr(0, 200);
        fault.param = form.field;
        return fault;
    }
}

} // namespace serve
