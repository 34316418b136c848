// SPDX-License-Identifier: Apache-2.0
// What an answer has to look like: response_format and grammar.
#include "openai_fields.hpp"

#include <string>

#include <support/grammar/json_schema.hpp>

namespace serve {

namespace {

constexpr std::size_t grammar_bytes = 64 << 10;

answer_form from_format(const json& format, std::string_view text) {
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
    if (kind == "json_object")
        return {.is = answer_form::kind::grammar,
                .text = "root ::= json-object\n" + std::string(ashlar::support::json_rules),
                .field = "response_format"};
    if (!format.contains("json_schema") || !format["json_schema"].is_object())
        refuse("'response_format.json_schema' must be an object with a 'schema'", "response_format.json_schema");
    fields inner(format["json_schema"], "response_format.json_schema.");
    const std::string field = "response_format.json_schema.schema";
    (void)inner.text("name"), (void)inner.text("description"), (void)inner.boolean("strict");
    if (!inner.take("schema")) refuse("'" + field + "' is required", field);
    inner.nothing_else();
    return {.is = answer_form::kind::schema,
            .text = std::string(member(member(text, "json_schema"), "schema")),
            .field = field};
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
    if (const json* format = in.take("response_format"))
        want.form = from_format(*format, member(body, "response_format"));
    if (const auto grammar = in.text("grammar")) {
        if (want.form.bound()) refuse("give 'response_format' or 'grammar', not both", "grammar");
        if (grammar->empty()) refuse("'grammar' must not be empty", "grammar");
        if (grammar->size() > grammar_bytes)
            refuse("'grammar' may have at most " + std::to_string(grammar_bytes) + " bytes", "grammar");
        want.form = {.is = answer_form::kind::grammar, .text = *grammar, .field = "grammar"};
    }
    if (want.form.bound() && want.ignore_eos)
        refuse("'ignore_eos' cannot be had with '" + want.form.field + "', which says where it ends", "ignore_eos");
}

} // namespace serve
