// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <openai.hpp>

using namespace serve;
using nlohmann::json;

namespace {

const api_limits limits{.model = "m", .context = 128, .vocabulary = 1000};

std::string with(const std::string& more, bool chat) {
    return std::string(chat ? R"({"messages":[{"role":"user","content":"hi"}])" : R"({"prompt":"hi")") +
           (more.empty() ? "" : ",") + more + "}";
}
generation accepted(const std::string& more, bool chat = false) {
    const auto parsed = parse_generation(with(more, chat), limits, chat);
    INFO(more);
    if (const auto* no = std::get_if<api_error>(&parsed)) INFO(no->message);
    REQUIRE(std::holds_alternative<generation>(parsed));
    return std::get<generation>(parsed);
}
api_error refused_body(const std::string& body, bool chat = false) {
    const auto parsed = parse_generation(body, limits, chat);
    INFO(body.substr(0, 200));
    REQUIRE(std::holds_alternative<api_error>(parsed));
    return std::get<api_error>(parsed);
}
api_error refused(const std::string& more, bool chat = false) { return refused_body(with(more, chat), chat); }

json data_of(const std::string& event) {
    REQUIRE(event.substr(0, 6) == "data: ");
    REQUIRE(event.substr(event.size() - 2) == "\n\n");
    CHECK(event.find('\n') == event.size() - 2); // one line
    return json::parse(event.substr(6));
}

} // namespace

TEST_CASE("a field that would change the answer and is not supported is refused by its name") {
    for (const char* each : {R"("use_beam_search":true)", R"("skip_special_tokens":false)", R"("length_penalty":1.1)",
                             R"("typical_p":0.5)", R"("guided_json":{})", R"("kv_transfer_params":{"x":1})",
                             R"("truncate_prompt_tokens":5)"}) {
        for (const bool chat : {false, true}) {
            const auto no = refused(each, chat);
            const std::string name = std::string(each).substr(1, std::string(each).find('"', 1) - 1);
            CHECK(no.status == 400);
            CHECK(no.param == name);
            CHECK(no.message.find("'" + name + "'") != std::string::npos);
        }
    }
    for (const char* each : {"functions", "function_call", "audio", "modalities", "prediction", "reasoning_effort",
                             "web_search_options", "echo"}) {
        CHECK(refused('"' + std::string(each) + R"(":["a",{"b":1}])", true).param == each);
    }
    for (const char* each : {"suffix", "tools", "max_completion_tokens", "top_logprobs"})
        CHECK(refused('"' + std::string(each) + R"(":"a")").param == each);
    CHECK(refused(R"("best_of":3)").param == "best_of");
}

TEST_CASE("their neutral values, null and fields that change nothing are accepted") {
    accepted(R"("presence_penalty":0,"frequency_penalty":0.0,"repetition_penalty":1.0,"logit_bias":{})"
             R"(,"suffix":null,"best_of":1,"min_p":0)");
    accepted(R"("tools":[],"tool_choice":"none","response_format":{"type":"text"})"
             R"(,"parallel_tool_calls":true,"logit_bias":null)",
             true);
    accepted(R"("user":"u","metadata":{"a":"b"},"store":false,"service_tier":"auto","priority":3)", true);
    accepted(R"("temperature":null,"max_tokens":null,"stop":null,"seed":null,"stream":null,"logprobs":null)");
}

TEST_CASE("a format becomes a grammar that keeps the order of its schema; what cannot be held is refused by name") {
    const auto written = [](const std::string& more) {
        return std::get<std::string>(grammar_of(accepted(more, true).form));
    };
    const auto refusal = [](const std::string& more) {
        return std::get<api_error>(grammar_of(accepted(more, true).form));
    };
    CHECK_FALSE(accepted(R"("response_format":{"type":"text"})", true).form.bound());
    CHECK(written(R"("grammar":"root ::= \"a\"")") == "root ::= \"a\"");
    CHECK(written(R"("response_format":{"type":"json_object"})").find("root ::= json-object") == 0);
    const std::string schema =
        R"({"type":"object","properties":{"z, }":{"const":"\"}"},"a":{"type":"null"}},"required":["z, }","a"]})";
    const auto text = written(R"("response_format": {"json_schema":{"name":"n","schema" : )" + schema +
                              R"(,"strict":true},"type":"json_schema"})");
    CHECK(text.find("z, }") < text.find("\"\\\"a\\\":\""));
    CHECK(refusal(R"("grammar":"root ::= x")").param == "grammar");
    CHECK(refused(R"("grammar":"root ::= \"x\"","ignore_eos":true)").param == "ignore_eos");
    CHECK(refused(R"("grammar":"root ::= \"x\"","response_format":{"type":"json_object"})").param == "grammar");
    CHECK(refused(R"("response_format":{"type":"xml"})").param == "response_format.type");
    CHECK(refused(R"("response_format":{"type":"json_schema"})").param == "response_format.json_schema");
    CHECK(refused(R"("response_format":{"type":"json_schema","json_schema":{}})").param ==
          "response_format.json_schema.schema");
    const auto no = refusal(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"not":{}}}})");
    CHECK(no.param == "response_format.json_schema.schema");
    CHECK(no.code == "unsupported_grammar");
    CHECK(no.message.find("'not'") != std::string::npos);
    const auto large = refusal(R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"array",)"
                               R"("items":{"type":"string","pattern":"[ab]*a[ab]{30}"}}}})");
    CHECK(large.param == "response_format.json_schema.schema");
    CHECK(large.message.find("at '/items': it takes more than") != std::string::npos);
}

TEST_CASE("an unknown field is refused, never ignored") { CHECK(refused(R"("temprature":0)").param == "temprature"); }

TEST_CASE("a wrong type or range names its field") {
    for (const auto& [name, values] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"max_tokens", {"0", "-1", "1.5", "\"5\"", "[]", "1e3", "99999999999999999999"}},
             {"temperature", {"-0.1", "2.1", "\"hot\"", "true"}},
             {"top_p", {"0", "1.01", "-1", "{}"}},
             {"top_k", {"-2", "0.5", "\"a\""}},
             {"n", {"0", "17", "1000000000", "18446744073709551615", "\"2\""}},
             {"stream", {"1", "\"true\""}},
             {"stop", {"5", "[1]", "[\"a\",\"b\",\"c\",\"d\",\"e\"]", "\"\"", "{}"}},
             {"seed", {"1.5", "\"7\"", "18446744073709551615"}},
             {"stop_token_ids", {"[1000]", "[-1]", "5"}},
             {"ignore_eos", {"1"}},
             {"min_tokens", {"-1", "1000"}},
             {"min_p", {"-0.1", "1.1", "\"a\"", "[]"}},
             {"presence_penalty", {"-2.1", "2.1", "\"a\"", "true"}},
             {"frequency_penalty", {"-2.1", "2.1", "{}"}},
             {"repetition_penalty", {"0", "-1", "1e-300", "1e300", "\"1\""}},
             {"logit_bias",
              {"5", "[]", "{\"5\":101}", "{\"5\":-101}", "{\"5\":\"1\"}", "{\"5\":null}", "{\"a\":1}", "{\"\":1}",
               "{\"-1\":1}", "{\"05\":1}", "{\"5 \":1}", "{\"1000\":1}", "{\"99999999999\":1}"}},
             {"prompt_logprobs", {"-1", "21", "true", "\"1\""}}}) {
        for (const auto& value : values) CHECK(refused('"' + name + "\":" + value).param == name);
    }
    for (const char* value : {"true", "21", "-1"})
        CHECK(refused(std::string("\"logprobs\":") + value).param == "logprobs");
    json many = json::object();
    for (int i = 0; i < 1025; ++i) many[std::to_string(i)] = 1;
    CHECK(refused("\"logit_bias\":" + many.dump()).message.find("at most 1024") != std::string::npos);
    CHECK(refused(R"("stream":true,"prompt_logprobs":1)").param == "prompt_logprobs");
    CHECK(refused(R"("max_tokens":0,"echo":false)").param == "max_tokens");
    CHECK(refused(R"("max_tokens":0)", true).param == "max_tokens");
    CHECK(refused(R"("logprobs":5)", true).param == "logprobs");
    CHECK(refused(R"("top_logprobs":5)", true).param == "top_logprobs");
    CHECK(refused(R"("logprobs":true,"top_logprobs":21)", true).param == "top_logprobs");
    CHECK(refused(R"("stream_options":{"include_usage":true})").param == "stream_options");
    CHECK(refused(R"("stream":true,"stream_options":{"include_usage":1})").param == "stream_options.include_usage");
}

TEST_CASE("every field arrives where it belongs") {
    const auto g = accepted(R"("max_tokens":7,"temperature":0.5,"top_p":0.25,"top_k":3,)"
                            R"("n":2,"seed":-1,"stop":["a","b"],"logprobs":4,"echo":true,)"
                            R"("stream":true,"stream_options":{"include_usage":true},"ignore_eos":true,)"
                            R"("min_tokens":2,"stop_token_ids":[5],"include_stop_str_in_output":true,)"
                            R"("min_p":0.125,"presence_penalty":-2,"frequency_penalty":2,"repetition_penalty":1.25,)"
                            R"("logit_bias":{"10":-100,"9":0.5})");
    CHECK(g.max_tokens == 7u);
    CHECK(g.temperature == 0.5f);
    CHECK(g.top_p == 0.25f);
    CHECK(g.top_k == 3);
    CHECK(g.n == 2);
    CHECK(g.seed == ~0ull);
    CHECK(g.stop == std::vector<std::string>{"a", "b"});
    CHECK(g.logprobs == 4u);
    CHECK((g.echo && g.stream && g.include_usage && g.ignore_eos && g.include_stop));
    CHECK(g.min_tokens == 2);
    CHECK(g.stop_token_ids == std::vector<token_id>{5});
    CHECK(g.min_p == 0.125f);
    CHECK(g.presence_penalty == -2);
    CHECK(g.frequency_penalty == 2);
    CHECK(g.repetition_penalty == 1.25f);
    CHECK(g.logit_bias == std::vector<std::pair<token_id, float>>{{9, 0.5f}, {10, -100}}); // by token, not by text
    CHECK_FALSE(g.continuous_usage);
    CHECK(accepted(R"("stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true})")
              .continuous_usage);
    for (const bool chat : {false, true}) CHECK(accepted(R"("prompt_logprobs":3)", chat).prompt_logprobs == 3u);
    const auto scored = accepted(R"("max_tokens":0,"echo":true,"logprobs":1)");
    CHECK(scored.score_only);
    CHECK(scored.max_tokens == 1u); // the scheduler's least
    const auto defaults = accepted("");
    CHECK(defaults.repetition_penalty == 1);
    CHECK(defaults.logit_bias.empty());
    CHECK(defaults.max_tokens == 16u);
    CHECK(defaults.temperature == 1.0f);
    CHECK_FALSE(defaults.seed);
    CHECK_FALSE(accepted("", true).max_tokens);
    CHECK(accepted(R"("max_completion_tokens":9)", true).max_tokens == 9u);
    CHECK(accepted(R"("logprobs":true)", true).logprobs == 0u);
}

TEST_CASE("a prompt is a string, strings, ids or lists of ids") {
    const auto prompts = [](const std::string& p) { return parse_generation("{\"prompt\":" + p + "}", limits, false); };
    CHECK(std::get<generation>(prompts(R"(["a","b"])")).prompts.size() == 2);
    CHECK(std::get<generation>(prompts("[1,2,3]")).prompts == std::vector<prompt>{std::vector<token_id>{1, 2, 3}});
    CHECK(std::get<generation>(prompts("[[1],[2,3]]")).prompts.size() == 2);
    for (const char* bad : {"5", "[]", "[1,\"a\"]", "[\"a\",[1]]", "[[1],5]", "[1000]", "[-1]", "[1.5]", "{}", "null"})
        CHECK(refused_body("{\"prompt\":" + std::string(bad) + "}").param == "prompt");
    CHECK(std::get<api_error>(prompts(json(std::vector<std::string>(257, "a")).dump())).param == "prompt");
    CHECK(refused_body(R"({"prompt":["a","b","c","d","e","f","g","h","i"],"n":2})").param == "n");
}

TEST_CASE("messages have roles and text, as a string or in parts") {
    const auto messages = [](const std::string& m) {
        return parse_generation("{\"messages\":" + m + "}", limits, true);
    };
    const auto g = std::get<generation>(
        messages(R"([{"role":"developer","content":"be kind"},)"
                 R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])"));
    CHECK(g.messages[0].role == "system");
    CHECK(g.messages[1].content == "ab");
    for (const char* bad : {"[]", "{}", "\"hi\"", "[5]", R"([{"role":"user"}])", R"([{"content":"a"}])",
                            R"([{"role":"wizard","content":"a"}])", R"([{"role":"user","content":5}])",
                            R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])",
                            R"([{"role":"assistant","content":"a","tool_calls":[{}]}])"}) {
        const auto no = messages(bad);
        REQUIRE(std::holds_alternative<api_error>(no));
        CHECK(std::get<api_error>(no).param.rfind("messages", 0) == 0);
    }
}

TEST_CASE("a body that is no JSON object, or nests too deep, is refused in words") {
    for (const char* bad : {"", "{", "[]", "5", "{\"prompt\":\"a\"}x", "{\"prompt\":\"\\ud800\"}",
                            "{\"prompt\":\"\xff\"}", "{\"prompt\":\"a\",\"temperature\":1e999}"})
        CHECK(refused_body(bad).status == 400);
    CHECK(refused_body(std::string(100'000, '[')).message.find("deeper than 32") != std::string::npos);
    CHECK(refused_body(R"({"prompt":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[[","n":"x"})").param ==
          "n"); // brackets in a string do not nest
}

TEST_CASE("a field that stands there twice is refused: one of the two would be ignored") {
    CHECK(refused(R"("n":1,"n":2)").param == "n");
    CHECK(refused_body(R"({"messages":[{"role":"user","content":"a","content":"b"}]})", true).param == "content");
    accepted(R"("stop":["n","n"],"metadata":{"n":{"n":1}})"); // the same name in other places is no repetition
}

TEST_CASE("a long body costs time by its length, whatever it is made of") {
    std::string objects =
        R"({"prompt":[{})"; // 200,000 objects in one list; looking through all of it at each: a minute
    for (int i = 0; i < 200'000; ++i) objects += ",{}";
    const auto began = std::chrono::steady_clock::now();
    CHECK(refused_body(objects + "]}").param == "prompt");
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
}

TEST_CASE("two names of one thing must agree") {
    CHECK(accepted(R"("max_tokens":5,"max_completion_tokens":5)", true).max_tokens == 5);
    CHECK(refused(R"("max_tokens":5,"max_completion_tokens":6)", true).param == "max_completion_tokens");
}

TEST_CASE("what the context cannot hold is refused, with the numbers") {
    CHECK_FALSE(wrong_length(accepted(R"("max_tokens":28)"), 100, limits));
    const auto no = wrong_length(accepted(R"("max_tokens":29)"), 100, limits);
    REQUIRE(no);
    CHECK(no->code == "context_length_exceeded");
    CHECK(no->param == "prompt");
    CHECK(no->message.find("129") != std::string::npos);
    CHECK_FALSE(wrong_length(accepted("", true), 127, limits)); // a chat takes what is left: a token at least
    CHECK(wrong_length(accepted("", true), 128, limits)->param == "messages");
    CHECK(wrong_length(accepted(""), 0, limits)->status == 400);
    CHECK(wrong_length(accepted(R"("max_tokens":2147483647)"), UINT64_MAX >> 1, limits));
}

TEST_CASE("one request cannot keep everybody waiting: text to tokenize and ids to spell are bounded") {
    api_limits small = limits;
    small.text_bytes = 10, small.detokenized = 3;
    const auto param = [](const auto& parsed) {
        const auto* no = std::get_if<api_error>(&parsed);
        return no ? no->param : "none";
    };
    CHECK(param(parse_generation(R"({"prompt":["aaaaa","bbbbb"]})", small, false)) == "none");
    CHECK(param(parse_generation(R"({"prompt":["aaaaa","bbbbbb"]})", small, false)) == "prompt");
    CHECK(
        param(parse_generation(R"({"messages":[{"role":"user","content":"aaaaaa"},{"role":"user","content":"bbbbb"}]})",
                               small, true)) == "messages");
    CHECK(param(parse_tokenize(R"({"content":"aaaaabbbbbb"})", small)) == "content");
    CHECK(param(parse_detokenize(R"({"tokens":[1,2,3]})", small)) == "none");
    CHECK(param(parse_detokenize(R"({"tokens":[1,2,3,4]})", small)) == "tokens");
}

TEST_CASE("another model is 404") {
    const auto no = refused(R"("model":"gpt-9")");
    CHECK(no.status == 404);
    CHECK(no.code == "model_not_found");
    accepted(R"("model":"m")");
}

TEST_CASE("an error has OpenAI's shape") {
    const auto e = json::parse(error_body({.status = 429,
                                           .message = "busy \"now\"",
                                           .param = "",
                                           .type = "rate_limit_error",
                                           .code = "overloaded"}))["error"];
    CHECK(e["message"] == "busy \"now\"");
    CHECK(e["type"] == "rate_limit_error");
    CHECK(e["param"].is_null());
    CHECK(e["code"] == "overloaded");
    CHECK(data_of(error_event({.status = 500, .message = "x"}))["error"]["message"] == "x");
}

TEST_CASE("a stream is one event a token, the role first, usage last with empty choices") {
    const answer_head head{"chatcmpl-1", 7, "m", true, false};
    const auto first =
        data_of(chunk_event(head, {.index = 1, .text = "He", .records = {}, .finish_reason = {}}, true, {true, {}}));
    CHECK(first["object"] == "chat.completion.chunk");
    CHECK(first["choices"][0]["delta"] == json{{"role", "assistant"}, {"content", "He"}});
    CHECK(first["choices"][0]["index"] == 1);
    CHECK(first["choices"][0]["finish_reason"].is_null());
    CHECK(first["usage"].is_null());
    const auto last =
        data_of(chunk_event(head, {.index = 1, .text = "", .records = {}, .finish_reason = "stop"}, false, {}));
    CHECK(last["choices"][0]["delta"] == json::object());
    CHECK(last["choices"][0]["finish_reason"] == "stop");
    CHECK_FALSE(last.contains("usage"));
    const auto so_far = data_of(chunk_event(head, {.index = 1, .text = "x", .records = {}, .finish_reason = {}}, false,
                                            {true, usage{.prompt_tokens = 5, .completion_tokens = 2}}));
    CHECK(so_far["usage"]["completion_tokens"] == 2);
    const auto used = data_of(usage_event(head, {.prompt_tokens = 5, .completion_tokens = 3, .cached_tokens = 2}));
    CHECK(used["choices"].empty());
    CHECK(used["usage"]["total_tokens"] == 8);
    CHECK(used["usage"]["prompt_tokens_details"]["cached_tokens"] == 2);
    CHECK(data_of(chunk_event({"cmpl-1", 7, "m", false, false},
                              {.index = 0, .text = "a\nb", .records = {}, .finish_reason = {}}, true,
                              {}))["choices"][0]["text"] == "a\nb");
}

TEST_CASE("log-probabilities have the shape of their endpoint") {
    std::vector<token_record> records(3);
    const auto set = [&](std::size_t i, const char* bytes, float logprob, bool has, std::uint32_t offset) {
        records[i].chosen.bytes = bytes, records[i].chosen.logprob = logprob;
        records[i].has_logprob = has, records[i].text_offset = offset;
    };
    set(0, " a", -0.5f, false, 0);
    set(1, "\xe2\x82", -1.0f, true, 2);
    set(2, "c", -INFINITY, true, 3);
    records[1].top = {{" b", -0.25f}, {"\xe2\x82", -1.0f}};
    records[2].top = {{" b", -0.25f}};
    const auto completion =
        json::parse(whole_answer({"cmpl-1", 7, "m", false, true}, {{0, "text", records, "length"}}, {}))["choices"][0];
    CHECK(completion["text"] == "text");
    const auto& l = completion["logprobs"];
    CHECK(l["tokens"] == json{" a", "bytes:\\xe2\\x82", "c"});
    CHECK(l["token_logprobs"] == json{nullptr, -1.0, -9999.0});
    CHECK(l["top_logprobs"][0].is_null());
    CHECK(l["top_logprobs"][1] == json{{" b", -0.25}, {"bytes:\\xe2\\x82", -1.0}});
    CHECK(l["top_logprobs"][2] == json{{" b", -0.25}, {"c", -9999.0}}); // the chosen one is always there
    CHECK(l["text_offset"] == json{0, 2, 3});
    const auto chat = json::parse(
        whole_answer({"chatcmpl-1", 7, "m", true, true}, {{0, "text", {records[1]}, "stop"}}, {}))["choices"][0];
    CHECK(chat["message"] == json{{"role", "assistant"}, {"content", "text"}, {"refusal", nullptr}});
    CHECK(chat["logprobs"]["content"][0]["bytes"] == json{0xe2, 0x82});
    CHECK(chat["logprobs"]["content"][0]["top_logprobs"][0] ==
          json{{"token", " b"}, {"logprob", -0.25}, {"bytes", {0x20, 0x62}}});
    CHECK(json::parse(
              whole_answer({"cmpl-1", 7, "m", false, false}, {{0, "t", {}, "stop"}}, {}))["choices"][0]["logprobs"]
              .is_null());
}

TEST_CASE("a prompt's log-probabilities stand where vLLM puts them") {
    const std::vector<prompt_scores> scores = {{{}, {{7, "a\xff", -2.5f, 3}, {9, "b", -0.5f, 1}}},
                                               {{}, {{5, "c", -INFINITY, 49152}}}};
    const std::vector<choice> choices = {
        {0, "w", {}, "stop"}, {1, "x", {}, "stop"}, {2, "y", {}, "stop"}, {3, "z", {}, "stop"}};
    const auto completion = json::parse(whole_answer({"cmpl-1", 7, "m", false, false}, choices, {}, scores));
    const json first = {nullptr,
                        {{"7", {{"logprob", -2.5}, {"rank", 3}, {"decoded_token", "a\xef\xbf\xbd"}}},
                         {"9", {{"logprob", -0.5}, {"rank", 1}, {"decoded_token", "b"}}}}};
    CHECK(completion["choices"][0]["prompt_logprobs"] == first);
    CHECK(completion["choices"][1]["prompt_logprobs"] == first);
    CHECK(completion["choices"][2]["prompt_logprobs"][1]["5"]["logprob"] == -9999.0);
    CHECK(completion["choices"][3]["prompt_logprobs"][1]["5"]["rank"] == 49152);
    const auto chat = json::parse(whole_answer({"chatcmpl-1", 7, "m", true, false}, {choices[0]}, {}, {scores[0]}));
    CHECK(chat["prompt_logprobs"] == first);
    CHECK_FALSE(chat["choices"][0].contains("prompt_logprobs"));
    CHECK_FALSE(json::parse(whole_answer({"cmpl-1", 7, "m", false, false}, choices, {}))["choices"][0].contains(
        "prompt_logprobs"));
}

TEST_CASE("text that is not UTF-8 still gives valid JSON") {
    CHECK(json::accept(whole_answer({"cmpl-1", 7, "m", false, false}, {{0, "a\xff", {}, "stop"}}, {})));
    CHECK(json::accept(error_body({.status = 400, .message = "\xc3"})));
}

TEST_CASE("tokenize takes one of prompt, content and messages; detokenize takes ids") {
    CHECK(std::get<tokenize_request>(parse_tokenize(R"({"prompt":"a"})", limits)).text == "a");
    CHECK(
        std::get<tokenize_request>(parse_tokenize(R"({"messages":[{"role":"user","content":"a"}]})", limits)).is_chat);
    for (const char* bad : {"{}", R"({"prompt":"a","content":"b"})", R"({"prompt":5})", R"({"prompt":"a","x":1})"})
        CHECK(std::holds_alternative<api_error>(parse_tokenize(bad, limits)));
    CHECK(std::get<std::vector<token_id>>(parse_detokenize(R"({"tokens":[1,999]})", limits)) ==
          std::vector<token_id>{1, 999});
    for (const char* bad : {"{}", R"({"tokens":5})", R"({"tokens":[1000]})", R"({"tokens":["a"]})"})
        CHECK(std::holds_alternative<api_error>(parse_detokenize(bad, limits)));
}
