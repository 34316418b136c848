// SPDX-License-Identifier: Apache-2.0
// GBNF to automata to masks. The oracle of a mask is the matcher, token by token.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/kernel/mask.hpp>
#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/token_masks.hpp>

#include "machine.hpp"

using namespace ashlar;
using support::automaton;
using support::matcher;

namespace {

bool matches(const std::shared_ptr<const automaton>& grammar, std::string_view text) {
    matcher at(grammar);
    return at.accept(text) && at.complete();
}

support::fault refused(std::string_view text) {
    const auto read = support::parse_gbnf(text);
    if (!read) return read.fault();
    const auto made = automaton::from(*read);
    REQUIRE_FALSE(made);
    return made.fault();
}

const std::string json = R"(
root   ::= value
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws   # no more digits than that
ws     ::= | " " | "\n" [ \t]{0,8}
)";

} // namespace

TEST_CASE("literals, sets, repetitions and rules mean what GBNF says") {
    const auto yes = machine("root ::= \"yes\" | \"no\" [!.]{1,3}\n");
    CHECK(matches(yes, "yes"));
    CHECK(matches(yes, "no!.!"));
    CHECK_FALSE(matches(yes, "no"));
    CHECK_FALSE(matches(yes, "no!!!!"));
    CHECK_FALSE(matches(yes, "yesno!"));
    const auto counted =
        machine("root ::= ([a-c]{2} \"-\"?){2,} tail? # all of it\ntail ::=\n  \"x\"{0,2}\n | \"y\"+ \".\"");
    CHECK(matches(counted, "abca"));
    CHECK(matches(counted, "ab-ca-bbxx"));
    CHECK(matches(counted, "ab-cayyy."));
    CHECK_FALSE(matches(counted, "ab"));
    CHECK_FALSE(matches(counted, "ab-cayyy"));
    CHECK_FALSE(matches(counted, "ab-caxxx"));
    const auto unicode = machine("root ::= [à-ÿ\\u4e00-\\U00010400]+ [^a-z] .");
    CHECK(matches(unicode, "é中𐐀\xc3\xa0!\xf4\x8f\xbf\xbf"));
    CHECK_FALSE(matches(unicode, "é中𐐀ax"));
    CHECK_FALSE(matches(unicode, "é\xed\xa0\x80!x")); // a surrogate is no character
    CHECK_FALSE(matches(unicode, "\xc3"));
    const auto raw = machine("root ::= \"\\xff\\x00\" \"\\\\ \\\"\\n\"");
    CHECK(matches(raw, std::string_view("\xff\0\\ \"\n", 6)));
}

TEST_CASE("JSON recurses, up to a depth; what is complete says so") {
    const auto grammar = machine(json);
    for (const auto* text : {"{}", "[1, -2.5e+10,{\"a\": [true, null]}]", "\"\\u00e9\\n\"", "0", "[\n  [[[]]]]"})
        CHECK_MESSAGE(matches(grammar, text), text);
    for (const auto* text : {"{", "[1,]", "01", "\"\\x\"", "{\"a\":}", "[]]", "{a: 1}", "-"})
        CHECK_FALSE_MESSAGE(matches(grammar, text), text);
    matcher at(grammar);
    CHECK(at.accept("[{"));
    CHECK_FALSE(at.complete());
    CHECK(at.accept("}]"));
    CHECK(at.complete());
    CHECK_FALSE(at.finished()); // white space may follow
    CHECK(at.accept(" "));
    CHECK(at.finished());
    CHECK(at.accept("x").error().code == errc::invalid_argument);
    const std::string deep(support::ways::depth_max, '[');
    matcher below(grammar);
    CHECK(below.accept(deep.substr(1)));
    CHECK(below.stacks().size() < 1000);
    CHECK(matches(grammar, std::string(200, '[') + std::string(200, ']')));
    CHECK_FALSE(matches(grammar, std::string(300, '[') + std::string(300, ']')));
}

TEST_CASE("a list that recurses on its right takes no stack") {
    const auto grammar = machine("root ::= item \";\" root | \"end\"\nitem ::= [a-z]+");
    matcher at(grammar);
    for (int i = 0; i < 5000; ++i) REQUIRE(at.accept("abc;"));
    CHECK(at.stacks().size() == 1);
    CHECK(at.accept("end"));
    CHECK(at.complete());
}

TEST_CASE("long texts of nested rules keep the stacks small") {
    const auto grammar = machine(json);
    matcher at(grammar);
    REQUIRE(at.accept("[1"));
    for (int i = 0; i < 3000; ++i) REQUIRE(at.accept(",[[{\"a\":[]}]]"));
    CHECK(at.stacks().size() < 300);
}

TEST_CASE("what is wrong is named, with its line and rule") {
    const auto says = [](std::string_view text, errc code, std::string_view part) {
        const auto fault = refused(text);
        CHECK(fault.what.code == code);
        CHECK_MESSAGE(fault.sentence.find(part) != std::string::npos, fault.sentence);
    };
    says("", errc::not_found, "root");
    says("a ::= \"x\"", errc::not_found, "root");
    says("root ::= a\n", errc::not_found, "'a'");
    says("root ::= \"a\nb\"", errc::corrupt, "line 1, rule 'root'");
    says("root ::= \"a\"\nroot ::= \"b\"", errc::corrupt, "twice");
    says("root ::= [z-a]", errc::corrupt, "range");
    says("root ::= []", errc::corrupt, "no character");
    says("root ::= (\"a\"", errc::corrupt, "')'");
    says("root ::= \"a\" )", errc::corrupt, "')'");
    says("root ::= \"a\"{3,2}", errc::corrupt, "least");
    says("root ::= \"a\"{3", errc::corrupt, "'}'");
    says("root ::= \"\\q\"", errc::corrupt, "escape");
    says("root ::= \"\\uD800\"", errc::corrupt, "character");
    says("root ::= \"\xff\"", errc::corrupt, "UTF-8");
    says("root ::= <[3]>", errc::unsupported, "token");
    says("root = \"a\"", errc::corrupt, "'::='");
    says("root ::= root \"a\" | \"b\"", errc::unsupported, "rule 'root': it recurses on its left");
    says("root ::= \"x\" a\na ::= b? c\nb ::= \"y\"\nc ::= (\"z\" | a) \"w\"", errc::unsupported, "left");
    says("root ::= \"x\" root", errc::unsupported, "completes");
    says("root ::= \"a\"{70000}", errc::exhausted, "repetition");
    says("root ::= \"a\"{0,1000}{0,1000}", errc::exhausted, "rule 'root'");
    says("root ::= [ab]* \"a\" [ab]{40}", errc::exhausted, "rule 'root'");
    says("root ::= " + std::string(100, '(') + "\"a\"" + std::string(100, ')'), errc::exhausted, "nests");
    says("root ::= \"a\"******", errc::exhausted, "repetitions");
}

TEST_CASE("rules that double each other are called, not written out") {
    std::string text = "root ::= a0\n";
    for (int i = 0; i < 40; ++i)
        text += "a" + std::to_string(i) + " ::= a" + std::to_string(i + 1) + " a" + std::to_string(i + 1) + "\n";
    text += "a40 ::= \"x\"\n";
    const auto grammar = machine(text);
    matcher at(grammar);
    CHECK(at.accept(std::string(100'000, 'x')));
    CHECK_FALSE(at.complete());
    std::string chain = "root ::= a0\n"; // and a long chain of rules needs no deep recursion
    for (int i = 0; i < 5000; ++i) chain += "a" + std::to_string(i) + " ::= a" + std::to_string(i + 1) + "\n";
    CHECK(matches(machine(chain + "a5000 ::= \"x\""), "x"));
    const auto nested = machine("root ::= b{300}\nb ::= c{1000}\nc ::= [a-z]");
    matcher into(nested);
    CHECK(into.accept(std::string(299'999, 'b')));
    CHECK_FALSE(into.complete());
    CHECK(into.accept("b"));
    CHECK(into.finished());
}

TEST_CASE("what is too ambiguous to follow ends in an error, not in memory") {
    const auto grammar = machine(
        "root ::= a | b\na ::= \"x\" a \"y\" | \"x\" b \"z\" | \"x\"\nb ::= \"x\" a \"z\" | \"x\" b \"y\" | \"x\"");
    matcher at(grammar);
    const auto done = at.accept(std::string(64, 'x'));
    REQUIRE_FALSE(done);
    CHECK(done.error().code == errc::exhausted);
}

TEST_CASE("a mask allows exactly the tokens that the matcher accepts, along random texts") {
    std::vector<std::string> tokens = {
        "",   "{",   "}",    "[",   "]",    "\"", ":",    ",",    " ",     "\n",       "\\",
        "u",  "a",   "ab",   "abc", "0",    "1",  "12",   "-",    ".",     "e",        "true",
        "tr", "ue",  "null", "nul", "fal",  "se", "\"}",  "\"},", "\",\"", "]}",       "}}",
        "]]", "[[[", "{\"",  "\":", ": [",  "},", "\n  ", "\xc3", "\xa9",  "\xc3\xa9", "1,",
        "2]", "\"]", "\"]}", "a\"", "\"\"", "[]", "{}",   "{}]",  "E+",    "ab\":{\"", "12"};
    for (int i = 0; i < 80; ++i) tokens.push_back(std::string(1, static_cast<char>(33 + i)));
    const support::token_tree words(tokens);
    const std::vector<std::string> grammars = {
        json, "root ::= item \";\" root | \"12\"\nitem ::= [a-z]+ (\"[\" root \"]\")?", "root ::= [^\\n]*",
        "root ::= \"{\" p? q? \"}\"\np ::= \"a\" q\nq ::= \"b\" | \"[\" root \"]\""};
    std::size_t open = 0;
    for (const auto& text : grammars) {
        const auto grammar = machine(text);
        support::token_masks masks(grammar, words), small(grammar, words, 1), ahead(grammar, words);
        CHECK(ahead.prepare(1'000'000) > 0);
        std::vector<std::uint64_t> bits(kernel::mask_words(tokens.size())), again(bits.size());
        for (std::uint64_t seed = 0; seed < 15; ++seed) {
            matcher at(grammar);
            for (std::uint64_t step = 0; step < 60 && !at.finished(); ++step) {
                REQUIRE(masks.allowed(at, bits));
                REQUIRE(small.allowed(at, again));
                REQUIRE(bits == again);
                REQUIRE(ahead.allowed(at, again));
                REQUIRE(bits == again);
                std::vector<token_id> can;
                for (std::size_t t = 0; t < tokens.size(); ++t) {
                    matcher copy = at;
                    const bool accepted = !tokens[t].empty() && copy.accept(tokens[t]);
                    const auto id = static_cast<token_id>(t);
                    REQUIRE_MESSAGE(kernel::is_allowed(bits, id) == accepted, tokens[t]);
                    if (accepted) can.push_back(id);
                }
                if (can.empty()) break;
                open += can.size();
                const token_id chosen = can[mix(seed, step) % can.size()];
                REQUIRE(at.accept(words.bytes(chosen)));
            }
        }
    }
    CHECK(open > 1000);
}

TEST_CASE("where ways multiply there is no mask, whatever was found before, and the search lets others work") {
    std::vector<std::string> tokens = {"x", "z", " "};
    for (std::size_t i = 0; tokens[i].size() < 8; ++i)
        for (const char* each : {"x", "z", " "}) tokens.push_back(tokens[i] + each);
    const support::token_tree words(tokens);
    std::vector<std::uint64_t> bits(kernel::mask_words(tokens.size())), again(bits.size());
    const auto grammar = machine("root ::= a{1,40}\na ::= \"x\" a | \"x\" b | [a-z ]{1,8}\n"
                                 "b ::= \"x\" b | a \"z\" | [a-z ]{1,6}");
    support::token_masks masks(grammar, words), ahead(grammar, words);
    ahead.prepare(1'000'000);
    matcher at(grammar);
    int calls = 0, refused = 0;
    for (int step = 0; step < 7; ++step) {
        const bool found = masks.allowed(at, bits, support::token_masks::without_end, [&] { ++calls; });
        CHECK(ahead.allowed(at, again) == found);
        if (found) CHECK(bits == again);
        refused += !found;
        REQUIRE(at.accept("x"));
    }
    CHECK(refused > 0);
    CHECK(calls > 0);
}

TEST_CASE("near the deepest nesting a mask allows what can still be closed") {
    const support::token_tree words({"[", "]", "[[", "]]", "1", ",", "[]"});
    const auto grammar = machine(json);
    support::token_masks masks(grammar, words);
    std::vector<std::uint64_t> bits(1);
    matcher at(grammar);
    std::uint32_t steps = 0;
    for (; steps < 1000; ++steps) {
        masks.allowed(at, bits);
        if (!kernel::is_allowed(bits, 0)) break;
        REQUIRE(at.accept("["));
    }
    CHECK(steps < 400);
    CHECK_FALSE(kernel::is_allowed(bits, 2));
    CHECK(kernel::is_allowed(bits, 1));
    for (; steps > 0; --steps) REQUIRE(at.accept("]"));
    CHECK(at.complete());
}
