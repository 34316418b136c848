// SPDX-License-Identifier: Apache-2.0
// OpenAI's request and answer shapes as plain values: parsing with every refusal in words, and the JSON of answers,
// chunks and errors. No socket and no model here, so that a fuzzer and a unit test can call all of it.
//
//     auto parsed = parse_generation(body, limits, /*chat=*/true);
//     if (auto* no = std::get_if<api_error>(&parsed)) return reply(no->status, error_body(*no));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <ashlar/core/ids.hpp>
#include <support/conversation.hpp>

namespace serve {

using ashlar::token_id;

struct api_error {
    unsigned status = 400;
    std::string message;
    std::string param; // the field at fault; empty: null
    std::string type = "invalid_request_error";
    std::string code; // empty: null
};
std::string error_body(const api_error& fault);

struct api_limits {
    std::string model;         // the one model that is served
    std::uint32_t context = 0; // tokens, prompt and answer together
    std::uint32_t vocabulary = 0;
    std::uint32_t choices = 16;  // n × prompts of one request
    std::uint32_t prompts = 256; // of a batched completion request
    std::uint32_t top_logprobs = 20;
    std::uint32_t tools = 128;
    std::uint32_t calls = 128; // of one message
    std::uint32_t json_depth = 32;
    std::size_t text_bytes = 1 << 20;    // to be tokenized for one request: nobody else is served meanwhile
    std::uint32_t detokenized = 1 << 17; // token ids
};

using chat_message = ashlar::support::chat_turn;
using prompt = std::variant<std::string, std::vector<token_id>>;

// What an answer has to look like. What a model's tokens are held to is made of it by grammar_of, which takes long.
struct answer_form {
    enum class kind : std::uint8_t { any, grammar, schema, calls };
    kind is = kind::any;
    std::string text{};                      // GBNF, a JSON Schema, a list of tools
    std::string field{};                     // of the request, that says so
    bool must_call = false, several = false; // of calls
    std::string only{};                      // the one tool that is called; empty: whichever

    bool bound() const { return is != kind::any; }
    std::string spelled() const; // the same for what has the same grammar only
};

struct generation {
    bool chat = false;
    std::vector<prompt> prompts;             // completions
    std::vector<chat_message> messages;      // chat
    std::optional<std::uint32_t> max_tokens; // absent: what the context leaves (chat)
    std::uint32_t min_tokens = 0;
    std::uint32_t n = 1;
    float temperature = 1.0f;
    float top_p = 1.0f;
    float min_p = 0.0f;      // 0: all
    std::uint32_t top_k = 0; // 0: all
    float repetition_penalty = 1.0f;
    float frequency_penalty = 0.0f, presence_penalty = 0.0f;
    std::vector<std::pair<token_id, float>> logit_bias;
    std::optional<std::uint64_t> seed;
    std::optional<std::uint32_t> logprobs;        // how many alternatives beside the chosen token
    std::optional<std::uint32_t> prompt_logprobs; // the same, for the prompt's own tokens
    std::vector<std::string> stop;
    std::vector<token_id> stop_token_ids;
    answer_form form;
    std::string tools; // the JSON list that the model is told; empty: none
    bool echo = false;
    bool add_special_tokens = true; // in front of a prompt that is text
    bool score_only = false;        // max_tokens 0: one token is computed and not shown
    bool ignore_eos = false;
    bool include_stop = false;
    bool stream = false;
    bool include_usage = false;
    bool continuous_usage = false; // on every chunk
};

struct tokenize_request {
    std::string text;                   // of `prompt` or `content`
    std::vector<chat_message> messages; // when given instead
    std::string tools;                  // with them, as in a generation
    bool is_chat = false;
    bool with_pieces = false;
    bool add_special_tokens = true; // in front of `text`
};

std::variant<generation, api_error> parse_generation(std::string_view body, const api_limits& limits, bool chat);
std::variant<tokenize_request, api_error> parse_tokenize(std::string_view body, const api_limits& limits);
std::variant<std::vector<token_id>, api_error> parse_detokenize(std::string_view body, const api_limits& limits);

// GBNF that has been compiled once, within an engine's limits. Up to half a second; from any thread.
std::variant<std::string, api_error> grammar_of(const answer_form& form);

// What a model's context makes of a prompt of so many tokens, for this request; nothing when it fits.
std::optional<api_error> wrong_length(const generation& want, std::uint64_t prompt_tokens, const api_limits& limits);
api_error no_such_model(std::string_view name, const api_limits& limits);

// ---- answers

struct token_chance {
    std::string bytes; // of the token
    float logprob = 0;
};
struct token_record {
    token_chance chosen;
    std::vector<token_chance> top; // most likely first
    bool has_logprob = true;       // false for the first token of an echoed prompt
    std::uint32_t text_offset = 0; // in characters (code points) from the start of the choice's text
};
struct prompt_chance {
    token_id token = 0;
    std::string bytes;
    float logprob = 0;
    std::uint32_t rank = 0; // 1: the likeliest
};
// What the model thought of a prompt: for each position its own token, then the likeliest others. The first has none.
using prompt_scores = std::vector<std::vector<prompt_chance>>;
struct usage {
    std::uint64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
};
struct call_part { // of a tool's call: its beginning, with id and name, or more of its arguments
    std::uint32_t index = 0;
    std::string id, name, arguments;
};
struct choice {
    std::uint32_t index = 0;
    std::string text;
    std::vector<token_record> records; // empty unless log-probabilities were asked for
    std::string finish_reason;         // "stop", "length", "tool_calls"; empty: not finished (a chunk)
    std::vector<call_part> calls{};
};
inline bool says_anything(const choice& part) { // else no chunk is made of it, but for its role or its usage
    return !part.text.empty() || !part.records.empty() || !part.calls.empty() || !part.finish_reason.empty();
}
struct answer_head {
    std::string id;
    std::int64_t created = 0;
    std::string model;
    bool chat = false;
    bool logprobs = false;
};

// `scores`: of each prompt, each of as many choices as the others; empty unless they were asked for.
std::string whole_answer(const answer_head& head, const std::vector<choice>& choices, const usage& used,
                         const std::vector<prompt_scores>& scores = {});
// What a chunk says about usage when that was asked for: null, as OpenAI does, or what has been used so far.
struct chunk_usage {
    bool shown = false;
    std::optional<usage> so_far;
};
// One server-sent event, "data: …\n\n". `first` adds the role of a chat's first delta.
std::string chunk_event(const answer_head& head, const choice& part, bool first, const chunk_usage& used);
std::string usage_event(const answer_head& head, const usage& used);
std::string error_event(const api_error& fault);
inline constexpr std::string_view done_event = "data: [DONE]\n\n";

std::string models_body(const api_limits& limits, std::int64_t created);
std::string model_body(const api_limits& limits, std::int64_t created);
std::string tokens_body(const std::vector<token_id>& ids, const std::vector<std::string>* pieces,
                        std::uint32_t context);
std::string text_body(const std::string& text);
struct tokenizer_facts {                                   // what a client that tokenizes through /tokenize must know
    std::string begin_of_text, end_of_text, chat_template; // empty: null
};
std::string tokenizer_body(const tokenizer_facts& facts);
std::string version_body(std::string_view version);
extern const std::string_view version_text;

} // namespace serve
