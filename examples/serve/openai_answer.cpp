// SPDX-License-Identifier: Apache-2.0
// The JSON that goes out: answers, chunks, errors and the small pages.
#include "openai.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <ashlar/core/version.hpp>

#include "text.hpp"

#define ASHLAR_TEXT_OF(x) #x
#define ASHLAR_TEXT(x) ASHLAR_TEXT_OF(x)

namespace serve {

const std::string_view version_text =
    ASHLAR_TEXT(ASHLAR_VERSION_MAJOR) "." ASHLAR_TEXT(ASHLAR_VERSION_MINOR) "." ASHLAR_TEXT(ASHLAR_VERSION_PATCH);

using out_json = nlohmann::ordered_json;

namespace {

std::string dump(const out_json& value) { return value.dump(-1, ' ', false, out_json::error_handler_t::replace); }

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

out_json scores_of(const prompt_scores& scores) { // vLLM's shape
    out_json positions = out_json::array();
    for (const auto& position : scores) {
        out_json tokens = nullptr;
        for (const auto& each : position)
            tokens.emplace(std::to_string(each.token), out_json{{"logprob", finite(each.logprob)},
                                                                {"rank", each.rank},
                                                                {"decoded_token", utf8_repaired(each.bytes)}});
        positions.push_back(std::move(tokens));
    }
    return positions;
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

out_json calls_of(const std::vector<call_part>& parts, bool in_stream) {
    out_json calls = out_json::array();
    for (const auto& each : parts) {
        out_json one = out_json::object(), function = out_json::object();
        if (in_stream) one["index"] = each.index;
        if (!each.id.empty()) { // its beginning
            one["id"] = each.id;
            one["type"] = "function";
            function["name"] = each.name;
        }
        function["arguments"] = each.arguments;
        one["function"] = std::move(function);
        calls.push_back(std::move(one));
    }
    return calls;
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
std::string whole_answer(const answer_head& head, const std::vector<choice>& choices, const usage& used,
                         const std::vector<prompt_scores>& scores) {
    out_json body = head_of(head, false);
    body["choices"] = out_json::array();
    for (const auto& each : choices) {
        out_json one = {{"index", each.index}};
        if (head.chat) {
            const bool nothing = each.text.empty() && !each.calls.empty();
            one["message"] = {{"role", "assistant"},
                              {"content", nothing ? out_json(nullptr) : out_json(each.text)},
                              {"refusal", nullptr}};
            if (!each.calls.empty()) one["message"]["tool_calls"] = calls_of(each.calls, false);
        } else {
            one["text"] = each.text;
        }
        one["logprobs"] = logprobs_of(head, each);
        one["finish_reason"] = reason_of(each);
        if (!scores.empty() && !head.chat)
            one["prompt_logprobs"] = scores_of(scores[each.index * scores.size() / choices.size()]);
        body["choices"].push_back(std::move(one));
    }
    body["usage"] = usage_of(used);
    if (!scores.empty() && head.chat) body["prompt_logprobs"] = scores_of(scores[0]);
    return dump(body);
}

std::string chunk_event(const answer_head& head, const choice& part, bool first, const chunk_usage& used) {
    out_json body = head_of(head, true);
    out_json one = {{"index", part.index}};
    if (head.chat) {
        out_json delta = out_json::object();
        if (first) delta["role"] = "assistant";
        if (!part.text.empty() || (first && part.calls.empty())) delta["content"] = part.text;
        if (!part.calls.empty()) delta["tool_calls"] = calls_of(part.calls, true);
        one["delta"] = std::move(delta);
    } else {
        one["text"] = part.text;
    }
    one["logprobs"] = part.records.empty() ? out_json(nullptr) : logprobs_of(head, part);
    one["finish_reason"] = reason_of(part);
    body["choices"] = out_json::array({std::move(one)});
    if (used.shown) body["usage"] = used.so_far ? usage_of(*used.so_far) : out_json(nullptr);
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
std::string tokenizer_body(const tokenizer_facts& facts) { // of vLLM's names those that lm-eval reads
    const auto known = [](const std::string& text) { return text.empty() ? out_json(nullptr) : out_json(text); };
    return dump({{"bos_token", known(facts.begin_of_text)},
                 {"eos_token", known(facts.end_of_text)},
                 {"pad_token", nullptr},
                 {"chat_template", known(facts.chat_template)}});
}
std::string version_body(std::string_view version) { return dump({{"version", std::string(version)}}); }

} // namespace serve
