// SPDX-License-Identifier: Apache-2.0
// Whatever an adversary draws from the masks, a text whose grammar can be brought to an end within its budget is.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ashlar/core/random.hpp>
#include <ashlar/kernel/mask.hpp>
#include <support/grammar/automaton.hpp>
#include <support/grammar/endings.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/json_schema.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/token_masks.hpp>

#include "machine.hpp"

using namespace ashlar;
using support::automaton;
using support::endings;
using support::matcher;

namespace {

std::vector<std::string> single_bytes() {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    return tokens;
}

std::vector<std::string> vocabulary() {
    auto tokens = single_bytes();
    for (const char* each :
         {"",   "\":", "\",\"",  "{\"", "\"}", "}]",   "]}", "[[", "[{\"", ", ",       ": ",       "true", "null",
          "ab", "abc", "abcabc", "12",  "\\u", "\"\"", "[]", "xx", "xxxx", "\xc3\xa9", "\xf0\x9f", "1.",   "0e"})
        tokens.emplace_back(each);
    return tokens;
}

// A rule's body of at most so many parts; every alternative but the first may recurse, behind a byte.
std::string body(std::uint64_t& seed, int depth) {
    const auto dice = [&](std::uint64_t sides) { return mix(++seed, 77) % sides; };
    static const char* const leaves[] = {"\"a\"",  "[a-c]",  "\"abc\"",   "[^\"\\\\]",
                                         "\"xx\"", "[0-9]+", "\"{\\\"\"", "\"\""};
    std::string out;
    const auto parts = 1 + dice(3);
    for (std::uint64_t i = 0; i < parts; ++i) {
        std::string one = leaves[dice(8)];
        if (depth > 0 && dice(3) == 0) one = "(" + body(seed, depth - 1) + " | " + body(seed, depth - 1) + ")";
        if (dice(4) == 0) one = "\"[\" r" + std::to_string(dice(3)) + " \"]\"";
        static const char* const times[] = {"", "", "*", "?", "+", "{2,5}"};
        const std::string many = times[dice(6)];
        out += many.empty() ? one + " " : "(" + one + ")" + many + " ";
    }
    return out;
}

std::string random_grammar(std::uint64_t seed) {
    seed *= 1000;
    std::string text = "root ::= r0 \"!\"\n";
    for (int r = 0; r < 3; ++r)
        text += "r" + std::to_string(r) + " ::= \"" + std::string(1 + mix(seed, 5) % 9, static_cast<char>('p' + r)) +
                "\" | \"(\" " + body(seed, 2) + "\")\"\n";
    return text;
}

enum class who { longest_ending, longest_token, random };

struct play {
    std::string text;
    bool ended = false, ambiguous = false;
};

// Draws until an end is drawn or the budget is spent; checks on the way that no mask is empty.
play draw(const std::shared_ptr<const automaton>& grammar, support::token_masks& masks,
          const support::token_tree& words, std::uint32_t budget, who adversary, std::uint64_t seed) {
    play out;
    matcher at(grammar);
    std::vector<std::uint64_t> bits(kernel::mask_words(words.vocabulary()));
    for (std::uint32_t left = budget; left > 0; --left) {
        masks.allowed(at, bits, left);
        std::vector<token_id> can;
        for (std::uint32_t t = 0; t < words.vocabulary(); ++t) {
            if (kernel::is_allowed(bits, static_cast<token_id>(t))) can.push_back(static_cast<token_id>(t));
        }
        if (can.empty() || (at.complete() && adversary == who::random && mix(seed, left) % 8 == 0)) {
            REQUIRE_MESSAGE(at.complete(), out.text);
            out.ended = true;
            return out;
        }
        token_id chosen = can[mix(seed, left + 1000) % can.size()];
        std::uint64_t worst = 0;
        for (std::size_t i = 0; i < can.size() && adversary != who::random; ++i) {
            const token_id each = can[(i + mix(seed, left)) % can.size()];
            matcher copy = at;
            std::uint64_t score = words.bytes(each).size();
            if (adversary == who::longest_ending) {
                if (!copy.accept(words.bytes(each))) continue;
                score = masks.ending(copy) + 1;
            }
            if (score > worst) worst = score, chosen = each;
        }
        const auto moved = at.accept(words.bytes(chosen));
        out.ambiguous = !moved && moved.error().code == errc::exhausted;
        if (out.ambiguous) return out;
        REQUIRE(moved);
        out.text += words.bytes(chosen);
    }
    return out;
}

void play_all(const std::string& text, const support::token_tree& words, std::uint64_t seeds, std::uint32_t more_max) {
    const auto grammar = machine(text);
    support::token_masks masks(grammar, words);
    const auto least = masks.ending(matcher(grammar));
    REQUIRE(least != endings::never);
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        for (const auto adversary : {who::longest_ending, who::longest_token, who::random}) {
            const auto budget = least + 1 + static_cast<std::uint32_t>(seed ? mix(seed, 9) % more_max : 0);
            const auto one = draw(grammar, masks, words, budget, adversary, seed);
            if (one.ambiguous) continue;
            matcher whole(grammar);
            REQUIRE_MESSAGE(one.ended, text << one.text);
            REQUIRE(whole.accept(one.text));
            REQUIRE(whole.complete());
        }
    }
}

std::uint32_t needed(std::string_view grammar, const std::vector<std::string>& tokens) {
    const support::token_tree words(tokens);
    const auto made = machine(grammar);
    return support::token_masks(made, words).ending(matcher(made));
}

} // namespace

TEST_CASE("an ending is as long as its tokens say") {
    CHECK(needed("root ::= \"\" | \"ab\"", single_bytes()) == 0);
    CHECK(needed("root ::= \"abcabcab\" | \"123456789\"", single_bytes()) == 8);
    CHECK(needed("root ::= \"abcabcab\" | \"123456789\"", vocabulary()) == 2); // abcabc ab
    CHECK(needed("root ::= [a-z]{400} \".\"", single_bytes()) == 401);
    CHECK(needed("root ::= \"[\" (root | \"0\") \"]\"", single_bytes()) == 3);
    CHECK(needed("root ::= \"[\" list \"]\"\nlist ::= root root | \"000\" | \"1\" pair\npair ::= \"2\" root?",
                 single_bytes()) == 4);
}

TEST_CASE("a byte that is no token is spelt by a longer one, or the ending goes elsewhere") {
    CHECK(needed("root ::= \"abc\"", {"a", "bc"}) == 2);
    CHECK(needed("root ::= \"abc\" | \"xxxxxxxxx\"", {"a", "c", "x"}) == 9);
    CHECK(needed("root ::= \"abc\"", {"a", "c"}) == endings::never);
    CHECK(needed("root ::= [a-z]", {"y"}) == 1);
    // Nobody is led to where the vocabulary has no way out, however much is left.
    const support::token_tree words({"a", "b", "x", "ax", "ab"});
    const auto grammar = machine("root ::= [ab]* (\"x\" \"y\")?");
    support::token_masks masks(grammar, words);
    std::vector<std::uint64_t> bits(1);
    for (const auto budget : {support::token_masks::without_end, 100u}) {
        masks.allowed(matcher(grammar), bits, budget);
        CHECK(bits[0] == 0b10011);
    }
}

TEST_CASE("a budget that nothing fits in binds nothing, until something does") {
    const support::token_tree words(vocabulary());
    const auto grammar = machine("root ::= [a-z]{50} \".\"");
    support::token_masks masks(grammar, words);
    std::vector<std::uint64_t> bits(kernel::mask_words(words.vocabulary())), free(bits.size());
    masks.allowed(matcher(grammar), free);
    masks.allowed(matcher(grammar), bits, 3);
    CHECK(bits == free);
    matcher at(grammar);
    REQUIRE(at.accept(std::string(50, 'q')));
    masks.allowed(at, bits, 2);
    CHECK(kernel::is_allowed(bits, '.'));
    REQUIRE(at.accept("."));
    masks.allowed(at, bits, 1);
    CHECK(std::all_of(bits.begin(), bits.end(), [](std::uint64_t word) { return word == 0; }));
}

TEST_CASE("random grammars end within any budget that their shortest ending fits in") {
    const support::token_tree words(vocabulary());
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const auto text = random_grammar(seed);
        INFO(text);
        play_all(text, words, 4, 30);
    }
}

TEST_CASE("schemas end within any budget that their shortest ending fits in") {
    const support::token_tree words(vocabulary());
    for (const char* schema :
         {R"({"type":"object"})", R"({"type":"array","items":{"type":"string"},"minItems":2})",
          R"({"type":"object","properties":{"name":{"type":"string","minLength":3},"tags":{"type":"array","items":
             {"type":"object","properties":{"a_long_name":{"type":"number"}},"required":["a_long_name"]}}},
             "required":["name","tags"]})",
          R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"v":{"enum":["one","two"]},
             "next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/t"}]}},"required":["v","next"]}}})"}) {
        const auto text = support::schema_to_gbnf(schema);
        REQUIRE(text);
        play_all(*text, words, 5, 80);
    }
}

TEST_CASE("rules that nest to the depth limit can still be closed") {
    const support::token_tree words({"[", "]", "(", ")", "{", "}", "<", ">", "x"});
    const auto grammar =
        machine("root ::= \"x\" | \"[\" a \"]\"\na ::= \"(\" b \")\"\nb ::= \"{\" a \"}\" | \"<\" root \">\"");
    support::token_masks masks(grammar, words);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const auto one = draw(grammar, masks, words, 3000, who::longest_ending, seed);
        CHECK(one.ended);
        CHECK(one.text.size() > 400);
    }
}

TEST_CASE("finding the endings takes time in proportion to the machine") {
    const support::token_tree words(vocabulary());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> took; // size, steps
    for (const int rules : {100, 400}) {
        std::string wide = "root ::= a0\n"; // every state many ways, every rule many callers
        for (int i = 0; i < rules; ++i) {
            wide += "a" + std::to_string(i) + " ::= \"end\"";
            for (int j = 1; j <= 8; ++j)
                wide += " | \"" + std::string(1, static_cast<char>('A' + j)) + "\" a" +
                        std::to_string((i * 7 + j * 13) % rules) + " \"z\"";
            wide += "\n";
        }
        const auto grammar = machine(wide);
        took.emplace_back(grammar->bytes(), endings(*grammar, words).steps());
    }
    CHECK(took[1].first > 3 * took[0].first);
    CHECK(took[1].second * took[0].first <= 2 * took[0].second * took[1].first);
    std::string doubled = "root ::= a0\n"; // 2^60 bytes are more than any budget
    for (int i = 0; i < 60; ++i)
        doubled += "a" + std::to_string(i) + " ::= a" + std::to_string(i + 1) + " a" + std::to_string(i + 1) + "\n";
    CHECK(needed(doubled + "a60 ::= \"x\"", single_bytes()) == endings::never);
}
