// SPDX-License-Identifier: Apache-2.0
#include "api.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ashlar/core/random.hpp>

#include "link.hpp"
#include "text.hpp"

namespace serve {

namespace {

std::int64_t unix_seconds() { return static_cast<std::int64_t>(std::time(nullptr)); }

std::string random_id() {
    char text[33];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(random_word()),
                  static_cast<unsigned long long>(random_word()));
    return text;
}

bool same_secret(const std::string& a, const std::string& b) { // takes as long wherever they differ
    unsigned char differs = a.size() != b.size();
    for (std::size_t i = 0; i < b.size(); ++i) differs |= static_cast<unsigned char>((i < a.size() ? a[i] : 0) ^ b[i]);
    return differs == 0;
}

bool bears(const std::string& authorization, const std::string& key) { // the scheme's name has no case
    constexpr std::string_view scheme = "bearer ";
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    return authorization.size() >= scheme.size() &&
           std::equal(scheme.begin(), scheme.end(), authorization.begin(), same) &&
           same_secret(authorization.substr(scheme.size()), key);
}

http_headers with(http_headers headers, const char* name, std::string value) {
    headers.emplace_back(name, std::move(value));
    return headers;
}

wire::sampling sampling_of(const generation& ask, std::uint32_t prompt_tokens, std::uint32_t max_tokens,
                           std::uint32_t number, std::uint64_t seed, const std::vector<token_id>& ends) {
    const bool asked = number == 0; // the first choice scores the prompt for all
    const bool echoes = asked && ask.echo && ask.logprobs, scores = asked && ask.prompt_logprobs;
    wire::sampling how{.temperature = ask.temperature,
                       .top_p = ask.top_p,
                       .min_p = ask.min_p,
                       .top_k = ask.top_k,
                       .seed = number == 0 ? seed : ashlar::mix(seed, number),
                       .prompt_tokens = prompt_tokens,
                       .min_tokens = ask.min_tokens,
                       .max_tokens = max_tokens,
                       .repetition = ask.repetition_penalty,
                       .frequency = ask.frequency_penalty,
                       .presence = ask.presence_penalty,
                       .logprobs = ask.logprobs.has_value(),
                       .top_logprobs = ask.logprobs.value_or(0),
                       .prompt_logprobs = echoes || scores,
                       .prompt_top_logprobs = std::max(echoes ? *ask.logprobs : 0, scores ? *ask.prompt_logprobs : 0),
                       .stop_tokens = ask.stop_token_ids};
    for (const auto& [token, value] : ask.logit_bias) how.biases.push_back({token, value});
    if (ask.min_tokens > 0) { // as in vLLM: no end of text either, whether it would end the answer or not
        how.late_tokens = ask.stop_token_ids;
        how.late_tokens.insert(how.late_tokens.end(), ends.begin(), ends.end());
    }
    if (!ask.ignore_eos) how.stop_tokens.insert(how.stop_tokens.end(), ends.begin(), ends.end());
    return how;
}

} // namespace

api::api(std::string key, const vocabulary& words, const api_limits& limits, answers& to, surroundings about)
    : key_(std::move(key)), words_(words), limits_(limits), to_(to), about_(std::move(about)), started_(unix_seconds()),
      grammars_([this] { about_.post([this] { let_go(); }); }) {}

void api::serve(http_request request, std::shared_ptr<exchange> out) {
    static const std::map<std::string, std::string, std::less<>> methods = {
        {"/v1/completions", "POST"}, {"/v1/chat/completions", "POST"}, {"/tokenize", "POST"}, {"/detokenize", "POST"},
        {"/v1/models", "GET"},       {"/tokenizer_info", "GET"},       {"/health", "GET"},    {"/metrics", "GET"},
        {"/version", "GET"}};
    const std::string id = request.request_id.empty() ? random_id() : request.request_id;
    const http_headers headers{{"X-Request-Id", id}};
    const std::string& path = request.path;
    const bool one_model = path.rfind("/v1/models/", 0) == 0;
    const auto route = methods.find(path);
    if (route == methods.end() && !one_model)
        return to_.refuse(
            *out, {404, "there is no " + path.substr(0, 128) + " here", "", "invalid_request_error", "not_found"},
            headers);
    const std::string method = one_model ? "GET" : route->second;
    if (request.method != method && !(method == "GET" && request.method == "HEAD"))
        return to_.refuse(*out,
                          {405, path.substr(0, 128) + " is for " + method + " requests", "", "invalid_request_error",
                           "method_not_allowed"},
                          with(headers, "Allow", method == "GET" ? "GET, HEAD" : method));
    // Liveness probes and scrapers carry no key; what they see holds no request's content.
    if (path == "/health") return health(*out, headers);
    if (path == "/metrics")
        return out->reply(200, "text/plain; version=0.0.4; charset=utf-8", about_.measured(), headers);
    if (path == "/version") return out->reply(200, "application/json", version_body(version_text), headers);
    if (!key_.empty() && !bears(request.authorization, key_))
        return to_.refuse(*out,
                          {401, "give this server's API key as \"Authorization: Bearer KEY\"", "",
                           "authentication_error", "invalid_api_key"},
                          with(headers, "WWW-Authenticate", "Bearer"));
    if (path == "/v1/models") return out->reply(200, "application/json", models_body(limits_, started_), headers);
    if (one_model) return model(path.substr(11), *out, headers);
    if (path == "/tokenizer_info") return out->reply(200, "application/json", tokenizer_body(words_.about()), headers);
    if (path == "/tokenize") return tokenize(request.body, *out, headers);
    if (path == "/detokenize") return detokenize(request.body, *out, headers);
    generate(request.body, path == "/v1/chat/completions", std::move(out), headers, id);
}

void api::health(exchange& out, const http_headers& headers) {
    if (const char* why = about_.unhealthy())
        return out.reply(503, "application/json", error_body({503, why, "", "unavailable_error", "unavailable"}),
                         headers);
    out.reply(200, "application/json", "{\"status\":\"ok\"}", headers);
}

void api::model(const std::string& name, exchange& out, const http_headers& headers) {
    if (name == limits_.model) return out.reply(200, "application/json", model_body(limits_, started_), headers);
    to_.refuse(out, no_such_model(name, limits_), headers);
}

void api::tokenize(const std::string& body, exchange& out, const http_headers& headers) {
    const auto parsed = parse_tokenize(body, limits_);
    if (const auto* no = std::get_if<api_error>(&parsed)) return to_.refuse(out, *no, headers);
    const auto& want = std::get<tokenize_request>(parsed);
    std::vector<token_id> ids;
    if (want.is_chat) {
        auto chat = words_.encode_chat(want.messages, want.tools);
        if (const auto* no = std::get_if<api_error>(&chat)) return to_.refuse(out, *no, headers);
        ids = std::move(std::get<std::vector<token_id>>(chat));
    } else {
        ids = words_.encode(want.text, want.add_special_tokens);
    }
    std::vector<std::string> pieces;
    if (want.with_pieces) {
        for (const auto id : ids) pieces.push_back(words_.piece(id));
    }
    out.reply(200, "application/json", tokens_body(ids, want.with_pieces ? &pieces : nullptr, limits_.context),
              headers);
}

void api::detokenize(const std::string& body, exchange& out, const http_headers& headers) {
    const auto parsed = parse_detokenize(body, limits_);
    if (const auto* no = std::get_if<api_error>(&parsed)) return to_.refuse(out, *no, headers);
    std::string text;
    for (const auto id : std::get<std::vector<token_id>>(parsed)) text += words_.piece(id);
    out.reply(200, "application/json", text_body(utf8_repaired(text)), headers);
}

void api::generate(const std::string& body, bool chat, std::shared_ptr<exchange> out, const http_headers& headers,
                   const std::string& id) {
    auto parsed = parse_generation(body, limits_, chat);
    if (const auto* no = std::get_if<api_error>(&parsed)) return to_.refuse(*out, *no, headers);
    generation& want = std::get<generation>(parsed);

    std::vector<std::vector<token_id>> prompts;
    if (chat) {
        auto rendered = words_.encode_chat(want.messages, want.tools);
        if (const auto* no = std::get_if<api_error>(&rendered)) return to_.refuse(*out, *no, headers);
        prompts.push_back(std::move(std::get<std::vector<token_id>>(rendered)));
    }
    for (auto& each : want.prompts) {
        if (auto* text = std::get_if<std::string>(&each))
            prompts.push_back(words_.encode(*text, want.add_special_tokens));
        else
            prompts.push_back(std::move(std::get<std::vector<token_id>>(each)));
    }
    auto of = std::make_shared<job>();
    for (const auto& each : prompts) {
        if (const auto no = wrong_length(want, each.size(), limits_)) return to_.refuse(*out, *no, headers);
        of->used.prompt_tokens += each.size();
    }
    of->out = std::move(out);
    of->headers = headers;
    of->head = {(chat ? "chatcmpl-" : "cmpl-") + id, unix_seconds(), limits_.model, chat, want.logprobs.has_value()};
    of->want = std::move(want);

    const generation& ask = of->want;
    const std::uint64_t seed = ask.seed.value_or(random_word());
    std::vector<std::unique_ptr<sequence>> choices;
    for (const auto& each : prompts) {
        for (std::uint32_t c = 0; c < ask.n; ++c) {
            auto s = std::make_unique<sequence>();
            s->index = static_cast<std::uint32_t>(choices.size());
            s->tokens = each;
            s->prompt_tokens = static_cast<std::uint32_t>(each.size());
            s->max_tokens = ask.max_tokens.value_or(limits_.context - s->prompt_tokens);
            // Calls end within max_tokens, text is cut: an end of the text needs no room.
            const std::uint32_t room = s->max_tokens + (ask.tools.empty() ? 0 : 1);
            s->how = sampling_of(ask, s->prompt_tokens, room, c, seed, words_.end_tokens());
            s->text = text_stream(ask.stop, ask.include_stop);
            if (!ask.tools.empty()) s->calls.emplace();
            choices.push_back(std::move(s));
        }
    }
    if (!ask.form.bound()) return to_.begin(of, std::move(choices));
    hold({std::move(of), std::move(choices), {}});
}

void api::drain() {
    draining_ = true;
    for (auto& one : std::exchange(held_, {})) {
        one.of->out->on_gone = nullptr;
        to_.refuse(*one.of->out, words_for(ashlar::sched::reject_reason::draining), one.of->headers);
    }
}

void api::hold(held one) {
    if (draining_) return to_.refuse(*one.of->out, words_for(ashlar::sched::reject_reason::draining), one.of->headers);
    one.grammar = grammars_.ask(one.of->want.form);
    if (const auto* made = one.grammar.ready()) return begin(std::move(one), *made);
    if (!one.grammar)
        return to_.refuse(*one.of->out,
                          {429, "this server is busy with other requests' schemas and grammars; try again in a moment",
                           one.of->want.form.field, "rate_limit_error", "overloaded"},
                          with(one.of->headers, "Retry-After", "1"));
    one.of->out->on_gone = [this, of = one.of.get()] {
        held_.remove_if([&](const held& each) { return each.of.get() == of; });
    };
    held_.push_back(std::move(one));
}

void api::let_go() {
    for (auto it = held_.begin(); it != held_.end();) {
        if (!it->grammar.ready()) {
            ++it;
            continue;
        }
        std::list<held> ready;
        const auto next = std::next(it);
        ready.splice(ready.begin(), held_, it);
        it = next;
        held& one = ready.front();
        one.of->out->on_gone = nullptr;
        const auto grammar = one.grammar; // beyond `one`
        begin(std::move(one), *grammar.ready());
    }
}

void api::begin(held one, const answer_grammars::verdict& grammar) {
    if (const auto* no = std::get_if<api_error>(&grammar)) return to_.refuse(*one.of->out, *no, one.of->headers);
    for (auto& each : one.choices) each->how.grammar = std::get<std::string>(grammar);
    to_.begin(one.of, std::move(one.choices));
}

} // namespace serve
