// SPDX-License-Identifier: Apache-2.0
// Grammars are made once for as many requests as send the same form.
#include <doctest/doctest.h>

#include <chrono>
#include <iterator>
#include <latch>
#include <string>
#include <thread>
#include <variant>

#include <answer_grammars.hpp>

using namespace serve;

namespace {

constexpr auto a_tool = R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":)"
                        R"({"a":{"type":"integer"}},"required":["a"]}}}])";

const answer_grammars::verdict& wait_for(const answer_grammars::asked& one) {
    for (int i = 0; i < 20'000 && !one.ready(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(one.ready());
    return *one.ready();
}

} // namespace

TEST_CASE("a grammar is made once, however many requests send it, at a time or later; a refusal too") {
    answer_grammars all([] {});
    const answer_form calls{.is = answer_form::kind::calls, .text = a_tool, .field = "tools"},
        wrong{.is = answer_form::kind::schema, .text = R"({"not":{}})", .field = "x"};
    for (int i = 0; i < 1000; ++i) {
        CHECK(std::get<std::string>(wait_for(all.ask(calls))).starts_with("root ::= text calls?"));
        CHECK(std::get<api_error>(wait_for(all.ask(wrong))).param == "x");
    }
    CHECK(all.made() == 2);
}

TEST_CASE("whatever changes the grammar is another form") {
    answer_grammars all([] {});
    using kind = answer_form::kind;
    const answer_form forms[] = {{.is = kind::calls, .text = a_tool, .field = "tools"},
                                 {.is = kind::calls, .text = a_tool, .field = "tools", .must_call = true},
                                 {.is = kind::calls, .text = a_tool, .field = "tools", .several = true},
                                 {.is = kind::calls, .text = a_tool, .field = "tools", .must_call = true, .only = "f"},
                                 {.is = kind::calls, .text = std::string(a_tool) + " ", .field = "tools"},
                                 {.is = kind::schema, .text = R"({"type":"null"})", .field = "a"},
                                 {.is = kind::grammar, .text = R"({"type":"null"})", .field = "b"}};
    for (const auto& each : forms) wait_for(all.ask(each));
    CHECK(all.made() == std::size(forms));
    CHECK(std::holds_alternative<api_error>(wait_for(all.ask(forms[6]))));
}

TEST_CASE("whoever waits is told when to look again") {
    std::latch told(1);
    answer_grammars all([&] { told.count_down(); });
    const auto asked = all.ask({.is = answer_form::kind::schema, .text = "true", .field = "x"});
    told.wait();
    CHECK(asked.ready());
}
