// SPDX-License-Identifier: Apache-2.0
// Calls of tools: taken out of an answer however it is cut, held to their schemas, and told in words to models whose
// template has none.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/matcher.hpp>
#include <support/tool_grammar.hpp>
#include <support/tool_prompt.hpp>
#include <support/tool_stream.hpp>

using namespace ashlar;
using support::tool_stream;

namespace {

// The parts in a notation of their own, joined where they continue: text, [name:arguments].
std::string told(const std::vector<std::string>& pieces, bool* ends = nullptr) {
    tool_stream stream;
    std::string out;
    bool open = false;
    std::uint32_t calls = 0;
    const auto take = [&] {
        for (const auto& part : stream.take()) {
            if (part.what == tool_stream::part::kind::arguments) {
                CHECK(open);
                out += part.text;
                continue;
            }
            if (std::exchange(open, false)) out += ']';
            if (part.what == tool_stream::part::kind::text) {
                out += part.text;
                continue;
            }
            CHECK(part.index == calls++);
            out += '[' + part.text + ':';
            open = true;
        }
    };
    for (const auto& each : pieces) stream.push(each), take();
    stream.finish(), take();
    if (ends) *ends = stream.ends_with_a_call();
    return open ? out + ']' : out;
}

const std::string
    one = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"<tool_call>\", \"b\": [{}]}}\n</tool_call>",
    none = "<tool_call>\n{\"name\": \"g_2\", \"arguments\": {}}\n</tool_call>";
const std::string one_told = "[f:{\"a\": \"}\\\"<tool_call>\", \"b\": [{}]}]";

std::shared_ptr<const support::automaton> machine(std::vector<support::tool> tools, support::tool_choice how) {
    std::size_t which = 0;
    const auto text = support::tools_to_gbnf(tools, how, which);
    REQUIRE_MESSAGE(text, (text ? "" : text.fault().sentence));
    const auto read = support::parse_gbnf(*text);
    REQUIRE_MESSAGE(read, (read ? "" : read.fault().sentence + "\n" + *text));
    auto made = support::automaton::from(*read);
    REQUIRE_MESSAGE(made, (made ? "" : made.fault().sentence));
    return std::make_shared<const support::automaton>(std::move(made).value());
}
bool matches(const std::shared_ptr<const support::automaton>& grammar, std::string_view text) {
    support::matcher at(grammar);
    return at.accept(text) && at.complete();
}

const std::vector<support::tool> tools = {
    {"f", R"({"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"],)"
          R"("$defs":{"a":{"type":"string","format":"date","description":"{x} [y"}}})"},
    {"g_2", ""},
    {"h", R"({"type":"object","properties":{"n":{"enum":["\"x\"",1]},"deep":{"$ref":"#"}}})"}};

} // namespace

TEST_CASE("an answer is taken apart the same way however it is cut") {
    const struct {
        std::string text, expected;
        bool ends;
    } cases[] = {
        {"", "", false},
        {"Just text, 1 < 2 <tool_calls> <tool_call>", "Just text, 1 < 2 <tool_calls> <tool_call>", false},
        {one, one_told, true},
        {"Let me look.\n" + one, "Let me look.\n" + one_told, true},
        {one + "\n" + none + "\n", one_told + "[g_2:{}]", true},
        {none + " more", "[g_2:{}] more", false},
        {none + "\n<tool_call>", "[g_2:{}]\n<tool_call>", false},
        {"<<tool_call" + none, "<<tool_call[g_2:{}]", true},
        {one.substr(0, one.size() - 1), one_told + "}\n</tool_call", false}, // cut: the call is not whole
        {one.substr(0, 48), "[f:{\"a\": \"}\\]", false},
        {"<tool_call>{\"name\": \"f\"}", "<tool_call>{\"name\": \"f\"}", false},
        {"<tool_call>\n{\"name\": \"\", \"arguments\": {}}", "<tool_call>\n{\"name\": \"\", \"arguments\": {}}", false},
        {"<tool_call>\n{\"name\": \"f\", \"arguments\": []}", "<tool_call>\n{\"name\": \"f\", \"arguments\": []}",
         false},
        {"<tool_call>\n{\"name\": \"f\", \"arguments\": {}},", "[f:{}]},", false}};
    for (const auto& [text, expected, ends] : cases) {
        bool ended = !ends;
        const std::string whole = told({text}, &ended);
        CHECK(whole == expected);
        CHECK(ended == ends);
        for (std::size_t i = 0; i <= text.size(); ++i) {
            CHECK(told({text.substr(0, i), text.substr(i)}) == whole);
            for (std::size_t j = i; j <= text.size(); j += 3)
                if (told({text.substr(0, i), text.substr(i, j - i), text.substr(j)}) != whole) CHECK(i + j == 0);
        }
        std::vector<std::string> bytes;
        for (const char c : text) bytes.emplace_back(1, c);
        CHECK(told(bytes) == whole);
    }
}

TEST_CASE("calls follow their tools' schemas") {
    const auto must = machine(tools, {.must_call = true, .several = true});
    const std::string f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"2024-02-28\"}}\n</tool_call>";
    const std::string h =
        "<tool_call>\n{\"name\": \"h\", \"arguments\": {\"n\": \"\\\"x\\\"\", \"deep\": {\"deep\": {}}}}\n</tool_call>";
    for (const auto& text : {f, none, h, f + "\n" + h + "\n" + none}) CHECK_MESSAGE(matches(must, text), text);
    for (const std::string& text :
         std::vector<std::string>{"", "So: " + f, f + "\n", f + f, f + "\nDone.",
                                  "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
                                  "<tool_call>\n{\"name\": \"x\", \"arguments\": {}}\n</tool_call>",
                                  "<tool_call>\n{\"name\": \"g_2\", \"arguments\": {\"a\": 1}}\n</tool_call>"})
        CHECK_FALSE_MESSAGE(matches(must, text), text);
    CHECK_FALSE(matches(machine(tools, {.must_call = true, .several = false}), f + "\n" + h));

    const auto may = machine(tools, {.must_call = false, .several = true});
    for (const std::string& text :
         std::vector<std::string>{"", "<", std::string("a < b << <tool <tool_call"), "So:\n" + f,
                                  "<<tool_call" + f + "\n" + none, std::string("é\n</tool_call><tool_calls>")})
        CHECK_MESSAGE(matches(may, text), text);
    for (const std::string& text : std::vector<std::string>{"<tool_call>", "a<tool_call>b", f + " and"})
        CHECK_FALSE_MESSAGE(matches(may, text), text);
}

TEST_CASE("a schema that cannot be held is told by its tool's number") {
    std::size_t which = 0;
    const std::vector<support::tool> bad = {{"a", ""}, {"b", R"({"type":"object","not":{}})"}};
    const auto text = support::tools_to_gbnf(bad, {.must_call = true}, which);
    REQUIRE_FALSE(text);
    CHECK(which == 1);
    CHECK(text.fault().sentence.find("'not'") != std::string::npos);
}

TEST_CASE("tools are told in words, calls and results become turns") {
    const std::string list = R"([{"type":"function","function":{"name":"f","parameters":{}}}])";
    const std::vector<support::chat_turn> turns = {
        {"system", "Be brief."},
        {"user", "Go."},
        {"assistant", "Now.", {{"1", "f", R"({"a":[1]})"}, {"2", "g", "{}"}}},
        {"tool", "x", {}, "1"},
        {"tool", "y", {}, "2"},
        {"assistant", std::nullopt, {{"3", "f", "{}"}}},
        {"tool", "z", {}, "3"}};
    const auto plain = support::tools_in_words(turns, list);
    REQUIRE(plain);
    REQUIRE(plain->size() == 6);
    CHECK((*plain)[0].content->starts_with("Be brief.\n\n# Tools\n"));
    CHECK((*plain)[0].content->find(
              "\n<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}\n"
              "</tools>\n") != std::string::npos);
    CHECK((*plain)[1].content == "Go.");
    CHECK((*plain)[2].content == "Now.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1]}}\n</tool_call>\n"
                                 "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>");
    CHECK((*plain)[3].role == "user");
    CHECK((*plain)[3].content == "<tool_response>\nx\n</tool_response>\n<tool_response>\ny\n</tool_response>");
    CHECK((*plain)[4].content == "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
    CHECK(support::tools_in_words(turns, {})->front().content == "Be brief.");
    CHECK(support::tools_in_words({}, list)->front().role == "system");
    CHECK(support::tools_in_words(turns, "[").fault().what.code == errc::corrupt);
}
