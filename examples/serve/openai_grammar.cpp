// SPDX-License-Identifier: Apache-2.0
// The grammar of an answer's form: a schema or the schemas of tools as GBNF, compiled once, so that no engine is asked
// for what it would refuse.
#include "openai_fields.hpp"

#include <algorithm>
#include <cstddef>
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

// The parameters keep their order: an answer's do.
std::vector<sup::tool> tools_of(const std::string& text) {
    const auto list = sup::jinja::value::from_json(text);
    if (!list) refuse("'tools' cannot be read: " + list.fault().sentence, "tools");
    std::vector<sup::tool> out;
    for (const auto& each : *list->as_list()) {
        const auto& function = *sup::jinja::find(*each.as_map(), "function")->as_map();
        sup::tool one{sup::jinja::find(function, "name")->as_text()->bytes, {}};
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
    if (const auto made = compile_grammar(*text); !made) refuse_grammar(made.fault(), "tools");
    return *text;
}

std::string made_of(const answer_form& form) {
    if (form.is == answer_form::kind::calls) return grammar_of_calls(form);
    std::string text = form.text;
    if (form.is == answer_form::kind::schema) {
        auto written = sup::schema_to_gbnf(form.text);
        if (!written) refuse_grammar(written.fault(), form.field);
        text = std::move(written).value();
    }
    if (const auto made = compile_grammar(text); !made) refuse_grammar(made.fault(), form.field);
    return text;
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
        return api_error{400, "'" + form.field + "' has an unexpected shape: " + std::string(why.what()).substr(0, 200),
                         form.field};
    }
}

} // namespace serve
