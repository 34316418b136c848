// SPDX-License-Identifier: Apache-2.0
// One JSON object of a request, read field by field: each `take` marks its field as understood, and what nobody took is
// refused by its name. A refusal is a thrown api_error; the parse_ functions of openai.hpp make it a value.
//
//     fields in(parse_object(body, limits));   take_prompt(in, limits, want);   in.nothing_else();
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "openai.hpp"

namespace serve {

using nlohmann::json;

[[noreturn]] void refuse(std::string message, std::string param = {}, unsigned status = 400, std::string code = {});
json parse_object(std::string_view body, const api_limits& limits);

class fields {
public:
    // `within`: of an object inside of the request, what refusals put before its fields' names: "stream_options."
    explicit fields(json object, std::string within = {}) : object_(std::move(object)), within_(std::move(within)) {}

    const json* take(const char* name); // null when absent or JSON null
    bool boolean(const char* name, bool otherwise = false);
    std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high);
    std::optional<double> number(const char* name, double low, double high);
    std::optional<std::string> text(const char* name);
    // Does not change what is answered.
    void harmless(const char* name) { take(name); }
    // Would change what is answered; only its neutral value is accepted.
    template <class Neutral>
    void neutral(const char* name, Neutral is_neutral) {
        const json* value = take(name);
        if (value && !is_neutral(*value))
            refuse("'" + full(name) + "' is not supported by this server; leave it out", full(name), 400,
                   "unsupported_parameter");
    }
    void unsupported(const char* name) {
        neutral(name, [](const json&) { return false; });
    }
    void nothing_else() const;

private:
    std::string full(std::string_view name) const { return within_ + std::string(name.substr(0, 64)); }

    json object_;
    std::string within_;
    std::vector<std::string> taken_;
};

void check_model(fields& in, const api_limits& limits);
void check_text(std::size_t bytes, const api_limits& limits, const char* name);
std::vector<token_id> token_list(const json& list, const api_limits& limits, const char* name);
std::vector<chat_message> message_list(const json& value, const api_limits& limits);

// Groups of a generation's fields.
void take_prompt(fields& in, const api_limits& limits, generation& want); // a chat's messages too
void take_lengths(fields& in, const api_limits& limits, generation& want);
void take_sampling(fields& in, const api_limits& limits, generation& want);
void take_format(fields& in, std::string_view body, generation& want);                          // after take_stops
void take_tools(fields& in, std::string_view body, const api_limits& limits, generation& want); // after take_format
std::string tool_list(fields& in, std::string_view body, const api_limits& limits);             // as they were sent

// The text of a member of an object, in text that is known to be JSON: order matters in a schema, and an object that
// was read has lost it.
std::string_view member(std::string_view object, std::string_view name);
void take_stops(fields& in, const api_limits& limits, generation& want);

} // namespace serve
