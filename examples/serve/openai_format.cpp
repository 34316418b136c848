// SPDX-License-Identifier: Apache-2.0
// What an answer has to look like: response_format and grammar, as one GBNF text that has been compiled once, so that
// no engine is asked for what it would refuse.
#include "openai_fields.hpp"

#include <optional>

#include <support/grammar/json_schema.hpp>

#include "constraint.hpp"

namespace serve {

namespace sup = ashlar::support;

namespace {

constexpr std::size_t grammar_bytes = 64 << 10;

[[noreturn]] void refuse_grammar(const sup::fault& why, const std::string& field) {
    refuse("'" + field + "' cannot be followed: " + why.sentence, field, 400, "unsupported_grammar");
}

std::string from_schema(std::string_view schema, const std::string& field) {
    const auto text = sup::schema_to_gbnf(schema);
    if (!text) refuse_grammar(text.fault(), field);
    return *text;
}

std::string from_format(const json& format, std::string_view text, std::string& field) {
    const std::string kind = format.is_object() && format.contains("type") && format["type"].is_string()
                                 ? format["type"].get<std::string>()
                                 : "";
    if (kind != "text" && kind != "json_object" && kind != "json_schema")
        refuse("'response_format.type' must be text, json_object or json_schema", "response_format.type");
    for (const auto& [name, value] : format.items()) {
        if (name != "type" && !(name == "json_schema" && kind == "json_schema"))
            refuse("'response_format." + name.substr(0, 64) + "' does not belong to type " + kind,
                   "response_format." + name.substr(0, 64));
    }
    if (kind == "text") return {};
    if (kind == "json_object") return "root ::= json-object\n" + std::string(sup::json_rules);
    if (!format.contains("json_schema") || !format["json_schema"].is_object())
        refuse("'response_format.json_schema' must be an object with a 'schema'", "response_format.json_schema");
    fields inner(format["json_schema"], "response_format.json_schema.");
    field = "response_format.json_schema.schema";
    (void)inner.text("name"), (void)inner.text("description"), (void)inner.boolean("strict");
    if (!inner.take("schema")) refuse("'" + field + "' is required", field);
    inner.nothing_else();
    return from_schema(member(member(text, "json_schema"), "schema"), field);
}

} // namespace

std::string_view member(std::string_view object, std::string_view name) {
    std::size_t at = object.find('{');
    if (at == std::string_view::npos) return {};
    int depth = 0;
    std::size_t begin = at + 1;
    std::string_view key;
    bool is_key = true;
    for (; at < object.size(); ++at) {
        const char c = object[at];
        if (c == '"') {
            const std::size_t from = at;
            for (++at; object[at] != '"'; ++at) at += object[at] == '\\';
            if (depth == 1 && is_key) key = object.substr(from + 1, at - from - 1);
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (c == ':' && depth == 1) {
            is_key = false, begin = at + 1;
        } else if (c == '}' || c == ']' || c == ',') {
            const bool over = (c == ',' && depth == 1) || (c != ',' && depth-- == 1);
            if (!over) continue;
            if (key == name) return object.substr(begin, at - begin);
            key = {}, is_key = true;
        }
    }
    return {};
}

void take_format(fields& in, std::string_view body, generation& want) {
    std::string field;
    if (const json* format = in.take("response_format")) {
        field = "response_format";
        want.grammar = from_format(*format, member(body, "response_format"), field);
    }
    if (const auto grammar = in.text("grammar")) {
        if (!want.grammar.empty()) refuse("give 'response_format' or 'grammar', not both", "grammar");
        if (grammar->empty()) refuse("'grammar' must not be empty", "grammar");
        if (grammar->size() > grammar_bytes)
            refuse("'grammar' may have at most " + std::to_string(grammar_bytes) + " bytes", "grammar");
        field = "grammar";
        want.grammar = *grammar;
    }
    if (want.grammar.empty()) return;
    if (want.ignore_eos)
        refuse("'ignore_eos' cannot be had with '" + field + "', which says where it ends", "ignore_eos");
    if (const auto made = compile_grammar(want.grammar); !made) refuse_grammar(made.fault(), field);
}

} // namespace serve
