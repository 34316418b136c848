// SPDX-License-Identifier: Apache-2.0
#include "openai_fields.hpp"

#include <algorithm>

#include <support/json.hpp>

namespace serve {

void refuse(std::string message, std::string param, unsigned status, std::string code) {
    throw api_error{status, std::move(message), std::move(param), "invalid_request_error", std::move(code)};
}

json parse_object(std::string_view body, const api_limits& limits) {
    const ashlar::support::json_watch seen(body, limits.json_depth);
    if (seen.deep()) refuse("the JSON nests deeper than " + std::to_string(limits.json_depth) + " levels");
    if (seen.twice()) {
        const std::string name = seen.twice()->substr(0, 64);
        refuse("the field '" + name + "' stands there twice", name);
    }
    if (!seen.valid()) {
        std::string text = seen.complaint(); // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
        if (const auto cut = text.find("] "); cut != std::string::npos) text = text.substr(cut + 2);
        refuse("the request body is not valid JSON: " + text.substr(0, 300));
    }
    json object = json::parse(body);
    if (!object.is_object()) refuse("the request body must be a JSON object");
    return object;
}

const json* fields::take(const char* name) {
    const auto it = object_.find(name);
    if (it == object_.end()) return nullptr;
    taken_.push_back(name);
    return it->is_null() ? nullptr : &*it;
}

bool fields::boolean(const char* name, bool otherwise) {
    const json* value = take(name);
    if (!value) return otherwise;
    if (!value->is_boolean()) refuse("'" + full(name) + "' must be true or false", full(name));
    return value->get<bool>();
}

std::optional<std::int64_t> fields::integer(const char* name, std::int64_t low, std::int64_t high) {
    const json* value = take(name);
    if (!value) return std::nullopt;
    const std::string range = std::to_string(low) + " to " + std::to_string(high);
    if (!value->is_number_integer()) refuse("'" + full(name) + "' must be an integer, " + range, full(name));
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(high))
        refuse("'" + full(name) + "' must be in the range " + range, full(name));
    const auto number = value->get<std::int64_t>();
    if (number < low || number > high) refuse("'" + full(name) + "' must be in the range " + range, full(name));
    return number;
}

std::optional<double> fields::number(const char* name, double low, double high) {
    const json* value = take(name);
    if (!value) return std::nullopt;
    if (!value->is_number()) refuse("'" + full(name) + "' must be a number", full(name));
    const double x = value->get<double>();
    if (!(x >= low && x <= high))
        refuse("'" + full(name) + "' must be between " + json(low).dump() + " and " + json(high).dump(), full(name));
    return x;
}

std::optional<std::string> fields::text(const char* name) {
    const json* value = take(name);
    if (!value) return std::nullopt;
    if (!value->is_string()) refuse("'" + full(name) + "' must be a string", full(name));
    return value->get<std::string>();
}

void fields::nothing_else() const {
    for (const auto& [name, value] : object_.items()) {
        if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
            refuse("unknown field '" + full(name) + "'; this server ignores nothing that could change an answer",
                   full(name), 400, "unknown_parameter");
    }
}

void check_model(fields& in, const api_limits& limits) {
    const auto model = in.text("model");
    if (model && *model != limits.model) throw no_such_model(*model, limits);
}

std::vector<token_id> token_list(const json& list, const api_limits& limits, const char* name) {
    std::vector<token_id> ids;
    ids.reserve(list.size());
    for (const json& each : list) {
        if (!each.is_number_integer())
            refuse(std::string("'") + name + "' must be a list of token ids (integers)", name);
        if ((each.is_number_unsigned() && each.get<std::uint64_t>() >= limits.vocabulary) ||
            each.get<std::int64_t>() < 0)
            refuse(std::string("'") + name + "' holds token id " + each.dump() + "; the vocabulary has " +
                       std::to_string(limits.vocabulary) + " tokens",
                   name);
        ids.push_back(static_cast<token_id>(each.get<std::int64_t>()));
    }
    return ids;
}

void check_text(std::size_t bytes, const api_limits& limits, const char* name) {
    if (bytes > limits.text_bytes)
        refuse(std::string("the text of '") + name + "' has " + std::to_string(bytes) + " bytes; at most " +
                   std::to_string(limits.text_bytes) + " are tokenized for one request",
               name, 400, "context_length_exceeded");
}

} // namespace serve
