// SPDX-License-Identifier: Apache-2.0
// The fields of requests that may call tools, and the shapes in which calls come back.
#include <doctest/doctest.h>

#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include <openai.hpp>

using namespace serve;
using nlohmann::json;

namespace {

const api_limits limits{.model = "m", .context = 128, .vocabulary = 1000};

std::variant<generation, api_error> parsed(const std::string& more, const std::string& messages = {}) {
    const std::string said = messages.empty() ? R"([{"role":"user","content":"hi"}])" : messages;
    return parse_generation("{\"messages\":" + said + (more.empty() ? "" : ",") + more + "}", limits, true);
}
generation accepted(const std::string& more, const std::string& messages = {}) {
    const auto out = parsed(more, messages);
    const auto* no = std::get_if<api_error>(&out);
    REQUIRE_MESSAGE(!no, (no ? no->message : ""));
    return std::get<generation>(out);
}
api_error refused(const std::string& more, const std::string& messages = {}) {
    const auto out = parsed(more, messages);
    INFO(more << messages);
    REQUIRE(std::holds_alternative<api_error>(out));
    return std::get<api_error>(out);
}
std::string grammar(const generation& of) { return std::get<std::string>(grammar_of(of.form)); }
std::string tool(const std::string& name, const std::string& parameters = {}) {
    return R"({"type":"function","function":{"name":")" + name + "\"" +
           (parameters.empty() ? "" : ",\"parameters\":" + parameters) + "}}";
}
const std::string two =
    "\"tools\":[" +
    tool("f", R"({"type":"object","properties":{"z":{"type":"integer"},"a":{}},"required":["z","a"]})") + "," +
    tool("g") + "]";

} // namespace

TEST_CASE("tools become what the model is told and a grammar, by what tool_choice says") {
    const auto may = accepted(two);
    const std::string may_say = grammar(may);
    CHECK(may.tools.starts_with("[{\"type\""));
    CHECK(may_say.starts_with("root ::= text calls?"));
    CHECK(may_say.find("\\\"z\\\"") < may_say.find("\\\"a\\\"")); // in the schema's order
    CHECK(grammar(accepted(two + R"(,"tool_choice":"auto")")) == may_say);
    CHECK(grammar(accepted(two + R"(,"tool_choice":null)")) == may_say);
    CHECK(grammar(accepted(two + R"(,"parallel_tool_calls":false)")) != may_say);
    const auto must = accepted(two + R"(,"tool_choice":"required")");
    CHECK(grammar(must).starts_with("root ::= calls\n"));
    const auto named = accepted(two + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})");
    CHECK(grammar(named).find("\"g\\\"") != std::string::npos);
    CHECK(grammar(named).find("\"f\\\"") == std::string::npos);
    CHECK(named.tools == must.tools);
    const auto none = accepted(two + R"(,"tool_choice":"none","response_format":{"type":"json_object"})");
    CHECK(none.tools.empty());
    CHECK(grammar(none).find("json-object") != std::string::npos);
    for (const char* nothing : {R"("tools":[])", R"("tools":null,"tool_choice":"none")", R"("tool_choice":"auto")"}) {
        CHECK(accepted(nothing).tools.empty());
        CHECK_FALSE(accepted(nothing).form.bound());
    }
    accepted(
        R"("tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{}}}])");
}

TEST_CASE("a tool or a choice that cannot be is refused by its field") {
    const struct {
        std::string more;
        const char* field;
    } cases[] = {{R"("tools":5)", "tools"},
                 {R"("t\u006fols":[)" + tool("f") + "]", "tools"},
                 {R"("tools":[5])", "tools[0].type"},
                 {R"("tools":[{"type":"web_search"}])", "tools[0].type"},
                 {R"("tools":[{"type":"function"}])", "tools[0].function"},
                 {R"("tools":[{"type":"function","function":{}}])", "tools[0].function.name"},
                 {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name"},
                 {R"("tools":[{"type":"function","function":{"name":")" + std::string(65, 'a') + "\"}}]",
                  "tools[0].function.name"},
                 {R"("tools":[{"type":"function","function":{"name":"f","strict":1}}])", "tools[0].function.strict"},
                 {R"("tools":[{"type":"function","function":{"name":"f","args":1}}])", "tools[0].function.args"},
                 {R"("tools":[{"type":"function","function":{"name":"f"},"x":1}])", "tools[0].x"},
                 {"\"tools\":[" + tool("f") + "," + tool("f") + "]", "tools[1].function.name"},
                 {"\"tools\":[" + tool("f", "[]") + "]", "tools[0].function.parameters"},
                 {"\"tools\":[" + tool("f", R"({"type":"string"})") + "]", "tools[0].function.parameters"},
                 {two + R"(,"tool_choice":"maybe")", "tool_choice"},
                 {two + R"(,"tool_choice":{"type":"allowed_tools"})", "tool_choice.type"},
                 {two + R"(,"tool_choice":{"type":"function"})", "tool_choice.function"},
                 {two + R"(,"tool_choice":{"type":"function","function":{"name":"x"}})", "tool_choice.function.name"},
                 {two + R"(,"tool_choice":{"type":"function","function":{"name":1}})", "tool_choice.function.name"},
                 {two + R"(,"tool_choice":{"type":"function","function":{"name":"g"},"x":1})", "tool_choice.x"},
                 {R"("tool_choice":"required")", "tool_choice"},
                 {two + R"(,"response_format":{"type":"json_object"})", "tools"},
                 {two + R"(,"grammar":"root ::= \"x\"")", "tools"},
                 {two + R"(,"ignore_eos":true)", "ignore_eos"},
                 {two + R"(,"parallel_tool_calls":5)", "parallel_tool_calls"},
                 {R"("functions":[{"name":"f"}])", "functions"},
                 {R"("function_call":"auto")", "function_call"}};
    for (const auto& [more, field] : cases) {
        const auto no = refused(more);
        CHECK(no.status == 400);
        CHECK(no.param == field);
    }
    const auto no = std::get<api_error>(
        grammar_of(accepted("\"tools\":[" + tool("f") + "," + tool("g", R"({"type":"object","not":{}})") + "]").form));
    CHECK(no.status == 400);
    CHECK(no.param == "tools[1].function.parameters");
    const std::string endless =
        R"({"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object",)"
        R"("properties":{"next":{"$ref":"#/$defs/n"}},"required":["next"]}},"required":["a"]})";
    const auto never =
        std::get<api_error>(grammar_of(accepted("\"tools\":[" + tool("f") + "," + tool("g", endless) + "]").form));
    CHECK(never.param == "tools[1].function.parameters");
    CHECK(never.message ==
          "'tools[1].function.parameters' cannot be followed: at '/properties/a': no text ever completes it");
    const auto large = std::get<api_error>(
        grammar_of(accepted("\"tools\":[" + tool("f") + "," +
                            tool("g", R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string",)"
                                      R"("pattern":"[ab]*a[ab]{30}"}},"required":["a"]})") +
                            R"(],"tool_choice":{"type":"function","function":{"name":"g"}})")
                       .form));
    CHECK(large.param == "tools[1].function.parameters");
    CHECK(large.message.find("at '/properties/a': it takes more than") != std::string::npos);
    std::string many = "\"tools\":[" + tool("t");
    for (int i = 0; i < 128; ++i) many += "," + tool("t" + std::to_string(i));
    CHECK(refused(many + "]").message.find("at most 128") != std::string::npos);
    CHECK(refused("\"tools\":[" + tool("f", R"({"type":"object","description":")" + std::string(300'000, 'a') + "\"}") +
                  "]")
              .param == "tools");
}

TEST_CASE("calls and results of earlier turns") {
    const std::string asked = R"([{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":)"
                              R"([{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]},)",
                      answered = asked + R"({"role":"tool","tool_call_id":"1","content":"x"}])";
    const auto g = accepted("", answered);
    CHECK_FALSE(g.messages[1].content);
    CHECK(g.messages[1].calls[0].arguments == "{\"a\": 1}");
    CHECK(g.messages[2].call_id == "1");
    const auto call = [](const std::string& function) {
        return R"([{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":)" + function + "}]}]";
    };
    CHECK(accepted("", call(R"({"name":"f","arguments":""})")).messages[0].calls[0].arguments == "{}");
    const struct {
        std::string messages;
        const char* field;
    } cases[] = {
        {asked + R"({"role":"tool","content":"x"}])", "messages[2].tool_call_id"},
        {asked + R"({"role":"tool","tool_call_id":"1"}])", "messages[2].content"},
        {R"([{"role":"user","content":"a","tool_call_id":"1"}])", "messages[0].tool_call_id"},
        {R"([{"role":"user","content":"a","tool_calls":[{"id":"1","function":{"name":"f","arguments":""}}]}])",
         "messages[0].tool_calls"},
        {R"([{"role":"assistant","content":null}])", "messages[0].content"},
        {R"([{"role":"assistant","tool_calls":[]}])", "messages[0].content"},
        {R"([{"role":"assistant","tool_calls":[5]}])", "messages[0].tool_calls[0]"},
        {R"([{"role":"assistant","tool_calls":[{"type":"function","function":{}}]}])", "messages[0].tool_calls[0].id"},
        {call(R"({"name":"f"})"), "messages[0].tool_calls[0].function.arguments"},
        {call(R"({"name":"f","arguments":{}})"), "messages[0].tool_calls[0].function.arguments"},
        {call(R"({"name":"f","arguments":"[]"})"), "messages[0].tool_calls[0].function.arguments"},
        {call(R"({"name":"f","arguments":"{"})"), "messages[0].tool_calls[0].function.arguments"},
        {call(R"({"name":"f","arguments":"{\"a\":1,\"a\":2}"})"), "messages[0].tool_calls[0].function.arguments"},
        {R"([{"role":"assistant","content":"a","function_call":{"name":"f"}}])", "messages[0].function_call"}};
    for (const auto& [messages, field] : cases) CHECK(refused("", messages).param == field);
    const auto tokenize = parse_tokenize("{\"messages\":" + answered + "," + two + "}", limits);
    REQUIRE(std::holds_alternative<tokenize_request>(tokenize));
    CHECK(std::get<tokenize_request>(tokenize).tools.starts_with("["));
}

TEST_CASE("calls have OpenAI's shape, whole and in a stream") {
    const answer_head head{"chatcmpl-1", 7, "m", true, false};
    const choice called{.index = 0,
                        .text = "",
                        .records = {},
                        .finish_reason = "tool_calls",
                        .calls = {{.index = 0, .id = "call_1", .name = "f", .arguments = "{\"a\": 1}"}}};
    const auto whole = json::parse(whole_answer(head, {called}, {}))["choices"][0];
    CHECK(whole["finish_reason"] == "tool_calls");
    CHECK(whole["message"]["content"].is_null());
    CHECK(whole["message"]["tool_calls"] ==
          json::parse(R"([{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}])"));
    const auto delta = [&](const choice& part, bool first) {
        return json::parse(chunk_event(head, part, first, {}).substr(6))["choices"][0]["delta"];
    };
    CHECK(delta({.index = 0, .calls = {{.index = 1, .id = "call_2", .name = "g", .arguments = ""}}}, true) ==
          json::parse(R"({"role":"assistant","tool_calls":[{"index":1,"id":"call_2","type":"function",)"
                      R"("function":{"name":"g","arguments":""}}]})"));
    CHECK(delta({.index = 0, .calls = {{.index = 1, .arguments = "{"}}}, false) ==
          json::parse(R"({"tool_calls":[{"index":1,"function":{"arguments":"{"}}]})"));
}
