// SPDX-License-Identifier: Apache-2.0
#include "openai.hpp"

#include <algorithm>
#include <utility>

#include "openai_fields.hpp"

namespace serve {

namespace {

generation generation_of(std::string_view body, const api_limits& limits, bool chat) {
    fields in(parse_object(body, limits));
    generation want;
    want.chat = chat;
    check_model(in, limits);
    take_prompt(in, limits, want);
    take_lengths(in, limits, want);
    take_sampling(in, limits, want);
    take_stops(in, limits, want);
    take_format(in, body, want);
    if (chat) take_tools(in, body, limits, want);

    want.stream = in.boolean("stream");
    if (const json* options = in.take("stream_options")) {
        if (!want.stream) refuse("'stream_options' may be given only when 'stream' is true", "stream_options");
        if (!options->is_object()) refuse("'stream_options' must be an object", "stream_options");
        fields inner(*options, "stream_options.");
        want.include_usage = inner.boolean("include_usage");
        want.continuous_usage = inner.boolean("continuous_usage_stats") && want.include_usage; // vLLM's
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
        if (want.max_tokens == 0u) {
            if (!want.echo) refuse("'max_tokens' may be 0 only with 'echo': true", "max_tokens");
            want.max_tokens = 1;
            want.score_only = true;
        }
    }
    if (const auto top = in.integer("prompt_logprobs", 0, limits.top_logprobs)) {
        if (want.stream) refuse("'prompt_logprobs' cannot be had when 'stream' is true", "prompt_logprobs");
        want.prompt_logprobs = static_cast<std::uint32_t>(*top);
    }

    const auto one = [](const json& x) { return x.is_number() && x.get<double>() == 1; };
    const auto empty = [](const json& x) { return (x.is_object() || x.is_array() || x.is_string()) && x.empty(); };
    const auto is_false = [](const json& x) { return x.is_boolean() && !x.get<bool>(); };
    const auto is_true = [](const json& x) { return x.is_boolean() && x.get<bool>(); };
    in.neutral("length_penalty", one);
    in.neutral("typical_p", one);
    in.neutral("use_beam_search", is_false);
    in.neutral("early_stopping", is_false);
    in.neutral("skip_special_tokens", is_true);
    in.neutral("spaces_between_special_tokens", is_true);
    in.unsupported("truncate_prompt_tokens");
    for (const char* name : {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
                             "logits_processors", "kv_transfer_params"})
        in.unsupported(name);
    if (chat) {
        in.neutral("add_special_tokens", is_false); // the template writes them
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
    } else {
        want.add_special_tokens = in.boolean("add_special_tokens", true);
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

} // namespace

std::variant<generation, api_error> parse_generation(std::string_view body, const api_limits& limits, bool chat) {
    return guarded<generation>([&] { return generation_of(body, limits, chat); });
}

std::variant<tokenize_request, api_error> parse_tokenize(std::string_view body, const api_limits& limits) {
    return guarded<tokenize_request>([&] {
        fields in(parse_object(body, limits));
        check_model(in, limits);
        tokenize_request want;
        const auto text = in.text("prompt");
        const auto content = in.text("content"); // llama.cpp's name
        if (const json* messages = in.take("messages")) {
            want.messages = message_list(*messages, limits);
            want.tools = tool_list(in, body, limits);
            want.is_chat = true;
        }
        if (int(text.has_value()) + int(content.has_value()) + int(want.is_chat) != 1)
            refuse("give exactly one of 'prompt', 'content' and 'messages'", "prompt");
        want.text = text ? *text : content.value_or("");
        check_text(want.text.size(), limits, text ? "prompt" : "content");
        want.with_pieces = in.boolean("return_token_strs");
        want.add_special_tokens = in.boolean("add_special_tokens", true);
        in.neutral("add_generation_prompt", [](const json& x) { return x == true; });
        in.nothing_else();
        return want;
    });
}

std::variant<std::vector<token_id>, api_error> parse_detokenize(std::string_view body, const api_limits& limits) {
    return guarded<std::vector<token_id>>([&] {
        fields in(parse_object(body, limits));
        check_model(in, limits);
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

} // namespace serve
