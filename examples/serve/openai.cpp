// SPDX-License-Identifier: Apache-2.0
#include "openai.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include <ashlar/core/version.hpp>
#include <support/json.hpp>

#include "text.hpp"

#define ASHLAR_TEXT_OF(x) #x
#define ASHLAR_TEXT(x) ASHLAR_TEXT_OF(x)

namespace serve {

const std::string_view version_text =
    ASHLAR_TEXT(ASHLAR_VERSION_MAJOR) "." ASHLAR_TEXT(ASHLAR_VERSION_MINOR) "." ASHLAR_TEXT(ASHLAR_VERSION_PATCH);

using nlohmann::json;
using out_json = nlohmann::ordered_json;

namespace {

std::string dump(const out_json& value) { return value.dump(-1, ' ', false, out_json::error_handler_t::replace); }

[[noreturn]] void refuse(std::string message, std::string param = {}, unsigned status = 400, std::string code = {}) {
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

// The fields of one request. Each `take` marks its field as understood; what nobody took is refused by name.
class fields {
public:
    explicit fields(json object) : object_(std::move(object)) {}

    // Null when absent or JSON null.
    const json* take(const char* name) {
        const auto it = object_.find(name);
        if (it == object_.end()) return nullptr;
        taken_.push_back(name);
        return it->is_null() ? nullptr : &*it;
    }
    bool boolean(const char* name, bool otherwise = false) {
        const json* value = take(name);
        if (!value) return otherwise;
        if (!value->is_boolean()) refuse(std::string("'") + name + "' must be true or false", name);
        return value->get<bool>();
    }
    std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high) {
        const json* value = take(name);
        if (!value) return std::nullopt;
        const std::string range = std::to_string(low) + " to " + std::to_string(high);
        if (!value->is_number_integer()) refuse(std::string("'") + name + "' must be an integer, " + range, name);
        if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(high))
            refuse(std::string("'") + name + "' must be in the range " + range, name);
        const auto number = value->get<std::int64_t>();
        if (number < low || number > high) refuse(std::string("'") + name + "' must be in the range " + range, name);
        return number;
    }
    std::optional<double> number(const char* name, double low, double high) {
        const json* value = take(name);
        if (!value) return std::nullopt;
        if (!value->is_number()) refuse(std::string("'") + name + "' must be a number", name);
        const double x = value->get<double>();
        if (!(x >= low && x <= high))
            refuse(std::string("'") + name + "' must be between " + json(low).dump() + " and " + json(high).dump(),
                   name);
        return x;
    }
    std::optional<std::string> text(const char* name) {
        const json* value = take(name);
        if (!value) return std::nullopt;
        if (!value->is_string()) refuse(std::string("'") + name + "' must be a string", name);
        return value->get<std::string>();
    }
    // Does not change what is answered.
    void harmless(const char* name) { take(name); }
    // Would change what is answered; only its neutral value is accepted.
    template <class Neutral>
    void neutral(const char* name, Neutral is_neutral) {
        const json* value = take(name);
        if (value && !is_neutral(*value))
            refuse(std::string("'") + name + "' is not supported by this server; leave it out", name, 400,
                   "unsupported_parameter");
    }
    void unsupported(const char* name) {
        neutral(name, [](const json&) { return false; });
    }
    void nothing_else() const {
        for (const auto& [name, value] : object_.items()) {
            if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
                refuse("unknown field '" + name.substr(0, 64) +
                           "'; this server ignores nothing that could change an answer",
                       name.substr(0, 64), 400, "unknown_parameter");
        }
    }

private:
    json object_;
    std::vector<std::string> taken_;
};

void check_model(fields& in, const api_limits& limits, bool required) {
    const auto model = in.text("model");
    if (!model) {
        if (required) refuse("'model' is required; this server has '" + limits.model + "'", "model");
        return;
    }
    if (*model != limits.model) throw no_such_model(*model, limits);
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

std::vector<std::string> stop_list(const json& value) {
    std::vector<std::string> stops;
    if (value.is_string())
        stops.push_back(value.get<std::string>());
    else if (value.is_array() && value.size() <= 4) {
        for (const json& each : value) {
            if (!each.is_string()) refuse("'stop' must be a string or a list of at most 4 strings", "stop");
            stops.push_back(each.get<std::string>());
        }
    } else {
        refuse("'stop' must be a string or a list of at most 4 strings", "stop");
    }
    for (const auto& each : stops) {
        if (each.empty()) refuse("'stop' must not hold an empty string", "stop");
        if (each.size() > 1024) refuse("a 'stop' string may have at most 1024 bytes", "stop");
    }
    return stops;
}

generation generation_of(std::string_view body, const api_limits& limits, bool chat) {
    fields in(parse_object(body, limits));
    generation want;
    want.chat = chat;
    check_model(in, limits, false);

    if (chat) {
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

    const auto most = static_cast<std::int64_t>(std::numeric_limits<std::int32_t>::max());
    if (const auto x = in.integer("max_tokens", 1, most)) want.max_tokens = static_cast<std::uint32_t>(*x);
    if (chat) {
        if (const auto x = in.integer("max_completion_tokens", 1, most)) { // the newer name of the same thing
            if (want.max_tokens && *want.max_tokens != *x)
                refuse("'max_tokens' and 'max_completion_tokens' say different things", "max_completion_tokens");
            want.max_tokens = static_cast<std::uint32_t>(*x);
        }
    } else if (!want.max_tokens) {
        want.max_tokens = 16; // OpenAI's default for completions
    }
    if (const auto x = in.integer("min_tokens", 0, most)) want.min_tokens = static_cast<std::uint32_t>(*x);
    if (want.max_tokens && want.min_tokens > *want.max_tokens)
        refuse("'min_tokens' must not be above 'max_tokens'", "min_tokens");
    const auto prompts = static_cast<std::int64_t>(std::max<std::size_t>(1, want.prompts.size()));
    if (const auto x = in.integer("n", 1, limits.choices)) want.n = static_cast<std::uint32_t>(*x);
    if (want.n > 1 && prompts * want.n > limits.choices)
        refuse("'n' times the number of prompts must not be above " + std::to_string(limits.choices), "n");
    if (const auto x = in.integer("best_of", 1, limits.choices); x && *x != want.n)
        refuse("'best_of' is supported only when it equals 'n'", "best_of", 400, "unsupported_parameter");
    if (const auto x = in.number("temperature", 0, 2)) want.temperature = static_cast<float>(*x);
    if (const auto x = in.number("top_p", 0, 1)) want.top_p = static_cast<float>(*x);
    if (!(want.top_p > 0)) refuse("'top_p' must be above 0 and at most 1", "top_p");
    if (const auto x = in.integer("top_k", -1, most)) want.top_k = *x < 0 ? 0 : static_cast<std::uint32_t>(*x);
    if (const auto x =
            in.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))
        want.seed = static_cast<std::uint64_t>(*x);
    if (const json* stop = in.take("stop")) want.stop = stop_list(*stop);
    if (const json* ids = in.take("stop_token_ids")) {
        if (!ids->is_array() || ids->size() > 16)
            refuse("'stop_token_ids' must be a list of at most 16 token ids", "stop_token_ids");
        want.stop_token_ids = token_list(*ids, limits, "stop_token_ids");
    }
    want.ignore_eos = in.boolean("ignore_eos");
    want.include_stop = in.boolean("include_stop_str_in_output");

    want.stream = in.boolean("stream");
    if (const json* options = in.take("stream_options")) {
        if (!want.stream) refuse("'stream_options' may be given only when 'stream' is true", "stream_options");
        if (!options->is_object()) refuse("'stream_options' must be an object", "stream_options");
        fields inner(*options);
        want.include_usage = inner.boolean("include_usage");
        inner.harmless("include_obfuscation"); // padding against traffic analysis; nothing of the answer
        inner.nothing_else();
    }

    if (chat) {
        const bool asked = in.boolean("logprobs");
        const auto top = in.integer("top_logprobs", 0, limits.top_logprobs);
        if (top && !asked) refuse("'top_logprobs' needs 'logprobs': true", "top_logprobs");
        if (asked) want.logprobs = static_cast<std::uint32_t>(top.value_or(0));
    } else {
        if (const auto top = in.integer("logprobs", 0, limits.top_logprobs))
            want.logprobs = static_cast<std::uint32_t>(*top);
        want.echo = in.boolean("echo");
    }

    const auto zero = [](const json& x) { return x.is_number() && x.get<double>() == 0; };
    const auto one = [](const json& x) { return x.is_number() && x.get<double>() == 1; };
    const auto empty = [](const json& x) { return (x.is_object() || x.is_array() || x.is_string()) && x.empty(); };
    const auto is_false = [](const json& x) { return x.is_boolean() && !x.get<bool>(); };
    const auto is_true = [](const json& x) { return x.is_boolean() && x.get<bool>(); };
    in.neutral("presence_penalty", zero);
    in.neutral("frequency_penalty", zero);
    in.neutral("repetition_penalty", one);
    in.neutral("length_penalty", one);
    in.neutral("min_p", zero);
    in.neutral("typical_p", one);
    in.neutral("logit_bias", empty);
    in.neutral("use_beam_search", is_false);
    in.neutral("early_stopping", is_false);
    in.neutral("skip_special_tokens", is_true);
    in.neutral("spaces_between_special_tokens", is_true);
    in.neutral(
        "add_special_tokens",
        chat ? +[](const json& x) { return x == false; } : +[](const json& x) { return x.is_boolean(); });
    in.unsupported("prompt_logprobs");
    in.unsupported("truncate_prompt_tokens");
    in.neutral("response_format", [](const json& x) {
        return x.is_object() && x.size() == 1 && x.contains("type") && x["type"] == "text";
    });
    for (const char* name : {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
                             "grammar", "logits_processors", "kv_transfer_params"})
        in.unsupported(name);
    if (chat) {
        in.neutral("tools", empty);
        in.neutral("tool_choice", [](const json& x) { return x == "none"; });
        in.neutral("functions", empty);
        in.neutral("function_call", [](const json& x) { return x == "none"; });
        in.neutral("modalities", [](const json& x) { return x == json::array({"text"}); });
        in.neutral("add_generation_prompt", is_true);
        in.neutral("continue_final_message", is_false);
        in.neutral("documents", empty);
        in.neutral("chat_template_kwargs", empty);
        for (const char* name : {"audio", "prediction", "reasoning_effort", "verbosity", "web_search_options",
                                 "chat_template", "moderation", "echo", "prompt", "best_of"})
            in.unsupported(name);
        in.harmless("parallel_tool_calls");
    } else {
        in.neutral("suffix", empty);
        for (const char* name : {"messages", "tools", "top_logprobs", "max_completion_tokens", "prompt_embeds"})
            in.unsupported(name);
    }
    for (const char* name : {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
                             "prompt_cache_retention", "cache_salt", "priority", "request_id"})
        in.harmless(name);
    in.nothing_else();
    return want;
}

template <class T, class Parse>
std::variant<T, api_error> guarded(Parse parse) {
    try {
        return parse();
    } catch (const api_error& fault) {
        return fault;
    } catch (const json::exception& why) { // a shape that no check above foresaw: still a typed answer
        return api_error{400,
                         std::string("the request has an unexpected shape: ") + std::string(why.what()).substr(0, 200),
                         {},
                         "invalid_request_error",
                         {}};
    }
}

std::string shown(const std::string& bytes) {
    if (utf8_prefix(bytes) == bytes.size()) return bytes;
    std::string text = "bytes:"; // as OpenAI writes a token that is no text by itself
    const char* hex = "0123456789abcdef";
    for (unsigned char c : bytes) text += std::string("\\x") + hex[c >> 4] + hex[c & 15];
    return text;
}
double finite(float logprob) { return std::isfinite(logprob) ? std::max(logprob, -9999.0f) : -9999.0; }

out_json chance(const token_chance& of) {
    out_json bytes = out_json::array();
    for (unsigned char c : of.bytes) bytes.push_back(static_cast<unsigned>(c));
    return {{"token", shown(of.bytes)}, {"logprob", finite(of.logprob)}, {"bytes", std::move(bytes)}};
}

out_json logprobs_of(const answer_head& head, const choice& of) {
    if (!head.logprobs) return nullptr;
    if (head.chat) {
        out_json content = out_json::array();
        for (const auto& record : of.records) {
            out_json one = chance(record.chosen);
            one["top_logprobs"] = out_json::array();
            for (const auto& each : record.top) one["top_logprobs"].push_back(chance(each));
            content.push_back(std::move(one));
        }
        return {{"content", std::move(content)}, {"refusal", nullptr}};
    }
    out_json tokens = out_json::array(), chances = out_json::array(), tops = out_json::array(),
             offsets = out_json::array();
    for (const auto& record : of.records) {
        tokens.push_back(shown(record.chosen.bytes));
        offsets.push_back(record.text_offset);
        if (!record.has_logprob) {
            chances.push_back(nullptr);
            tops.push_back(nullptr);
            continue;
        }
        chances.push_back(finite(record.chosen.logprob));
        out_json top = out_json::object();
        for (const auto& each : record.top) top.emplace(shown(each.bytes), finite(each.logprob));
        top.emplace(shown(record.chosen.bytes), finite(record.chosen.logprob)); // the chosen token is always among them
        tops.push_back(std::move(top));
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(chances)},
            {"top_logprobs", std::move(tops)},
            {"text_offset", std::move(offsets)}};
}

out_json usage_of(const usage& used) {
    return {{"prompt_tokens", used.prompt_tokens},
            {"completion_tokens", used.completion_tokens},
            {"total_tokens", used.prompt_tokens + used.completion_tokens},
            {"prompt_tokens_details", {{"cached_tokens", used.cached_tokens}}}};
}

out_json head_of(const answer_head& head, bool chunk) {
    const char* object = head.chat ? (chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion";
    return {{"id", head.id}, {"object", object}, {"created", head.created}, {"model", head.model}};
}

out_json reason_of(const choice& of) {
    return of.finish_reason.empty() ? out_json(nullptr) : out_json(of.finish_reason);
}

out_json error_object(const api_error& fault) {
    return {{"error",
             {{"message", fault.message},
              {"type", fault.type},
              {"param", fault.param.empty() ? out_json(nullptr) : out_json(fault.param)},
              {"code", fault.code.empty() ? out_json(nullptr) : out_json(fault.code)}}}};
}

std::string event(const out_json& value) { return "data: " + dump(value) + "\n\n"; }

} // namespace

std::string error_body(const api_error& fault) { return dump(error_object(fault)); }
std::string error_event(const api_error& fault) { return event(error_object(fault)); }

std::variant<generation, api_error> parse_generation(std::string_view body, const api_limits& limits, bool chat) {
    return guarded<generation>([&] { return generation_of(body, limits, chat); });
}

std::variant<tokenize_request, api_error> parse_tokenize(std::string_view body, const api_limits& limits) {
    return guarded<tokenize_request>([&] {
        fields in(parse_object(body, limits));
        check_model(in, limits, false);
        tokenize_request want;
        const auto text = in.text("prompt");
        const auto content = in.text("content"); // llama.cpp's name
        if (const json* messages = in.take("messages")) {
            want.messages = message_list(*messages, limits);
            want.is_chat = true;
        }
        if (int(text.has_value()) + int(content.has_value()) + int(want.is_chat) != 1)
            refuse("give exactly one of 'prompt', 'content' and 'messages'", "prompt");
        want.text = text ? *text : content.value_or("");
        check_text(want.text.size(), limits, text ? "prompt" : "content");
        want.with_pieces = in.boolean("return_token_strs");
        in.harmless("add_special_tokens"); // nothing is added around a prompt
        in.neutral("add_generation_prompt", [](const json& x) { return x == true; });
        in.nothing_else();
        return want;
    });
}

std::variant<std::vector<token_id>, api_error> parse_detokenize(std::string_view body, const api_limits& limits) {
    return guarded<std::vector<token_id>>([&] {
        fields in(parse_object(body, limits));
        check_model(in, limits, false);
        const json* tokens = in.take("tokens");
        if (!tokens || !tokens->is_array()) refuse("'tokens' must be a list of token ids", "tokens");
        if (tokens->size() > limits.detokenized)
            refuse("'tokens' may hold at most " + std::to_string(limits.detokenized) + " token ids", "tokens");
        auto ids = token_list(*tokens, limits, "tokens");
        in.nothing_else();
        return ids;
    });
}

std::optional<api_error> wrong_length(const generation& want, std::uint64_t prompt_tokens, const api_limits& limits) {
    const std::string field = want.chat ? "messages" : "prompt";
    if (prompt_tokens == 0) return api_error{400, "the prompt has no tokens", field, "invalid_request_error", ""};
    const std::uint64_t least = want.max_tokens.value_or(1), need = prompt_tokens + least;
    if (need <= limits.context) return std::nullopt;
    return api_error{400,
                     "this model's context is " + std::to_string(limits.context) +
                         " tokens here, but the request needs " + std::to_string(need) + ": " +
                         std::to_string(prompt_tokens) + " in the " + field + " and at least " + std::to_string(least) +
                         " for the answer; shorten the prompt, lower max_tokens or start the server with a larger "
                         "--context",
                     field, "invalid_request_error", "context_length_exceeded"};
}

api_error no_such_model(std::string_view name, const api_limits& limits) {
    return {404,
            "the model '" + std::string(name.substr(0, 128)) + "' does not exist here; this server has '" +
                limits.model + "'",
            "model", "invalid_request_error", "model_not_found"};
}

std::string whole_answer(const answer_head& head, const std::vector<choice>& choices, const usage& used) {
    out_json body = head_of(head, false);
    body["choices"] = out_json::array();
    for (const auto& each : choices) {
        out_json one = {{"index", each.index}};
        if (head.chat)
            one["message"] = {{"role", "assistant"}, {"content", each.text}, {"refusal", nullptr}};
        else
            one["text"] = each.text;
        one["logprobs"] = logprobs_of(head, each);
        one["finish_reason"] = reason_of(each);
        body["choices"].push_back(std::move(one));
    }
    body["usage"] = usage_of(used);
    return dump(body);
}

std::string chunk_event(const answer_head& head, const choice& part, bool first, bool null_usage) {
    out_json body = head_of(head, true);
    out_json one = {{"index", part.index}};
    if (head.chat) {
        out_json delta = out_json::object();
        if (first) delta["role"] = "assistant";
        if (first || !part.text.empty()) delta["content"] = part.text;
        one["delta"] = std::move(delta);
    } else {
        one["text"] = part.text;
    }
    one["logprobs"] = part.records.empty() ? out_json(nullptr) : logprobs_of(head, part);
    one["finish_reason"] = reason_of(part);
    body["choices"] = out_json::array({std::move(one)});
    if (null_usage) body["usage"] = nullptr;
    return event(body);
}

std::string usage_event(const answer_head& head, const usage& used) {
    out_json body = head_of(head, true);
    body["choices"] = out_json::array();
    body["usage"] = usage_of(used);
    return event(body);
}

static out_json model_object(const api_limits& limits, std::int64_t created) {
    return {{"id", limits.model},
            {"object", "model"},
            {"created", created},
            {"owned_by", "ashlar"},
            {"max_model_len", limits.context}};
}
std::string model_body(const api_limits& limits, std::int64_t created) { return dump(model_object(limits, created)); }
std::string models_body(const api_limits& limits, std::int64_t created) {
    return dump({{"object", "list"}, {"data", out_json::array({model_object(limits, created)})}});
}

std::string tokens_body(const std::vector<token_id>& ids, const std::vector<std::string>* pieces,
                        std::uint32_t context) {
    out_json body = {{"count", ids.size()}, {"max_model_len", context}, {"tokens", ids}};
    if (pieces) {
        body["token_strs"] = out_json::array();
        for (const auto& each : *pieces) body["token_strs"].push_back(shown(each));
    }
    return dump(body);
}
std::string text_body(const std::string& text) { return dump({{"prompt", text}, {"content", text}}); }
std::string version_body(std::string_view version) { return dump({{"version", std::string(version)}}); }

} // namespace serve
