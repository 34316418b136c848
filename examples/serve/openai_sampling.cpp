// SPDX-License-Identifier: Apache-2.0
// How an answer is drawn, how long it gets and what ends it.
#include "openai_fields.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace serve {

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();

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

constexpr std::size_t biases_max = 1024;

std::vector<std::pair<token_id, float>> bias_list(const json& value, const api_limits& limits) {
    const char* const name = "logit_bias";
    if (!value.is_object() || value.size() > biases_max)
        refuse("'logit_bias' must be an object of at most " + std::to_string(biases_max) + " biases by token id", name);
    std::vector<std::pair<token_id, float>> biases;
    for (const auto& [key, bias] : value.items()) {
        std::uint32_t token = 0;
        const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), token);
        if (fault != std::errc() || end != key.data() + key.size() || std::to_string(token) != key)
            refuse("'logit_bias' has the key '" + key.substr(0, 64) + "', which is no token id", name);
        if (token >= limits.vocabulary)
            refuse("'logit_bias' holds token id " + key + "; the vocabulary has " + std::to_string(limits.vocabulary) +
                       " tokens",
                   name);
        if (!bias.is_number() || !(std::fabs(bias.get<double>()) <= 100))
            refuse("'logit_bias' of token " + key + " must be a number between -100 and 100", name);
        biases.emplace_back(static_cast<token_id>(token), bias.get<float>());
    }
    std::sort(biases.begin(), biases.end());
    return biases;
}

} // namespace

void take_lengths(fields& in, const api_limits& limits, generation& want) {
    if (const auto x = in.integer("max_tokens", want.chat ? 1 : 0, most))
        want.max_tokens = static_cast<std::uint32_t>(*x);
    if (want.chat) {
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
}

void take_sampling(fields& in, const api_limits& limits, generation& want) {
    if (const auto x = in.number("temperature", 0, 2)) want.temperature = static_cast<float>(*x);
    if (const auto x = in.number("top_p", 0, 1)) want.top_p = static_cast<float>(*x);
    if (!(want.top_p > 0)) refuse("'top_p' must be above 0 and at most 1", "top_p");
    if (const auto x = in.number("min_p", 0, 1)) want.min_p = static_cast<float>(*x);
    if (const auto x = in.number("presence_penalty", -2, 2)) want.presence_penalty = static_cast<float>(*x);
    if (const auto x = in.number("frequency_penalty", -2, 2)) want.frequency_penalty = static_cast<float>(*x);
    if (const auto x = in.number("repetition_penalty", 0, std::numeric_limits<float>::max()))
        want.repetition_penalty = static_cast<float>(*x);
    if (!(want.repetition_penalty > 0)) refuse("'repetition_penalty' must be above 0", "repetition_penalty");
    if (const json* biases = in.take("logit_bias")) want.logit_bias = bias_list(*biases, limits);
    if (const auto x = in.integer("top_k", -1, most)) want.top_k = *x < 0 ? 0 : static_cast<std::uint32_t>(*x);
    if (const auto x =
            in.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))
        want.seed = static_cast<std::uint64_t>(*x);
}

void take_stops(fields& in, const api_limits& limits, generation& want) {
    if (const json* stop = in.take("stop")) want.stop = stop_list(*stop);
    if (const json* ids = in.take("stop_token_ids")) {
        if (!ids->is_array() || ids->size() > 16)
            refuse("'stop_token_ids' must be a list of at most 16 token ids", "stop_token_ids");
        want.stop_token_ids = token_list(*ids, limits, "stop_token_ids");
    }
    want.ignore_eos = in.boolean("ignore_eos");
    want.include_stop = in.boolean("include_stop_str_in_output");
}

} // namespace serve
