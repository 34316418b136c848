// SPDX-License-Identifier: Apache-2.0
// Schemas to grammars: what they let through, what they refuse, and random texts of them that must be JSON.
#include <doctest/doctest.h>

#include <initializer_list>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include <ashlar/core/random.hpp>
#include <support/grammar/automaton.hpp>
#include <support/grammar/gbnf.hpp>
#include <support/grammar/json_schema.hpp>
#include <support/grammar/matcher.hpp>
#include <support/grammar/number_range.hpp>
#include <support/grammar/pattern.hpp>

using namespace ashlar;

namespace {

std::shared_ptr<const support::automaton> machine(const std::string& text) {
    const auto read = support::parse_gbnf(text);
    REQUIRE_MESSAGE(read, (read ? "" : read.fault().sentence + "\n" + text));
    auto made = support::automaton::from(*read);
    REQUIRE_MESSAGE(made, (made ? "" : made.fault().sentence + "\n" + text));
    return std::make_shared<const support::automaton>(std::move(made).value());
}
std::shared_ptr<const support::automaton> schema(const std::string& text) {
    const auto gbnf = support::schema_to_gbnf(text);
    REQUIRE_MESSAGE(gbnf, (gbnf ? "" : gbnf.fault().sentence));
    return machine(*gbnf);
}
bool matches(const std::shared_ptr<const support::automaton>& grammar, std::string_view text) {
    support::matcher at(grammar);
    return at.accept(text) && at.complete();
}

using texts = std::initializer_list<const char*>;
void check(const std::string& text, texts good, texts bad) {
    const auto grammar = schema(text);
    for (const auto* each : good) CHECK_MESSAGE(matches(grammar, each), text << " should take " << each);
    for (const auto* each : bad) CHECK_FALSE_MESSAGE(matches(grammar, each), text << " should not take " << each);
}
void refused(const std::string& text, errc code, const std::string& part) {
    const auto gbnf = support::schema_to_gbnf(text);
    REQUIRE_FALSE_MESSAGE(gbnf, text);
    CHECK(gbnf.fault().what.code == code);
    CHECK_MESSAGE(gbnf.fault().sentence.find(part) != std::string::npos, gbnf.fault().sentence);
}

// A text of the grammar, by chance: the first byte that leads on from a random place of each way's edges.
std::string random_text(const std::shared_ptr<const support::automaton>& grammar, std::uint64_t seed,
                        std::size_t length) {
    support::matcher at(grammar);
    std::string out;
    for (std::uint64_t step = 0; !at.finished() && out.size() < 4 * length; ++step) {
        if (at.complete() && (out.size() >= length || mix(seed, 3 * step) % 4 == 0)) break;
        const auto& ways = at.at().open;
        const auto edges = grammar->edges(ways[mix(seed, 3 * step + 1) % ways.size()].state);
        std::size_t pick = mix(seed, 3 * step + 2) % edges.size();
        if (out.size() >= length) { // closing bytes first
            for (std::size_t i = 0; i < edges.size(); ++i)
                for (const char c : {'"', '}', ']'})
                    if (edges[i].low <= c && c <= edges[i].high) pick = i;
        }
        const auto byte =
            static_cast<char>(edges[pick].low + mix(seed, 9 * step) % (edges[pick].high - edges[pick].low + 1u));
        REQUIRE(at.accept(std::string(1, byte)));
        out += byte;
    }
    return at.complete() ? out : std::string();
}

} // namespace

TEST_CASE("types, lists of types and constants") {
    check(R"({"type":"integer"})", {"0", "-12", "1234567890123456"}, {"1.5", "01", "\"1\"", "", "1e3"});
    check(R"({"type":"number"})", {"0", "-1.25e+3", "3.14"}, {"1.", ".5", "true"});
    check(R"({"type":["null","boolean"]})", {"null", "true", "false"}, {"0", "\"null\""});
    check(R"({"type":"string","nullable":true})", {"\"x\"", "null"}, {"1"});
    check(R"({"enum":["red",2,null,{"a":[1]}]})", {"\"red\"", "2", "null", "{\"a\":[1]}"},
          {"\"blue\"", "{\"a\": [1]}"});
    check(R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"});
    check(R"({"const":"q\"\n\u00e9"})", {"\"q\\\"\\n\u00e9\""}, {"\"q\""});
    check("true", {"[1,{}]", "\"a\"", "null"}, {"nul"});
    check("{}", {"{\"a\": 1}"}, {"{a: 1}"});
}

TEST_CASE("objects: declared properties in their order, others only where the schema says so") {
    check(
        R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"c":{"const":1}},
              "required":["b"]})",
        {R"({"b":true})", R"({"a": 1, "b": true})", R"({"b":false,"c":1})",
         "{\n  \"a\": 1,\n  \"b\": true,\n  \"c\": 1\n}"},
        {"{}", R"({"a":1})", R"({"b":true,"a":1})", R"({"b":true,"d":1})", R"({"b":true,})", R"({"b":true,"b":true})"});
    check(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}})",
          {"{}", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})", "{ }"}, {R"({,"a":1})", R"({"c":1})"});
    check(R"({"properties":{"a":{"type":"integer"},"ab":{"type":"null"}},"additionalProperties":{"type":"string"}})",
          {"{}", R"({"a":1,"x":"y"})", R"({"b":"","aa":"q","abc":"z","":""})", R"({"ab":null,"é":"1"})"},
          {R"({"a":"text"})", R"({"x":1})", R"({"x":"y","a":"z"})", R"({"\u0061":"z"})", R"({"ab":"z"})"});
    check(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"});
    check(R"({"type":"object"})", {"{}", R"({"a":[{}]})"}, {"[]"});
    check(R"({"required":["x"]})", {R"({"x":[]})"}, {"{}", R"({"y":1})"});
    check(R"({"properties":{"a":false,"b":true}})", {"{}", R"({"b":1})"}, {R"({"a":1})"});
}

TEST_CASE("lists: items, prefixes and how many") {
    check(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})", {"[1]", "[1,2]", "[ 1, 2, 3]"},
          {"[]", "[1,2,3,4]", "[\"a\"]"});
    check(R"({"items":{"type":"integer"}})", {"[]", "[1,2,3,4,5]"}, {"[1,]"});
    check(R"({"prefixItems":[{"type":"integer"},{"type":"string"}]})", {"[]", "[1]", "[1,\"a\"]"},
          {"[\"a\"]", "[1,\"a\",2]"});
    check(R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"},"minItems":3})",
          {"[1,\"a\",null]", "[1,\"a\",null,null]"}, {"[1,\"a\"]", "[1,\"a\",1]"});
    check(R"({"prefixItems":[{"type":"integer"}],"items":false,"minItems":1})", {"[1]"}, {"[]", "[1,2]"});
    check(R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"});
    check(R"({"type":"array","minItems":2})", {"[1,{}]"}, {"[1]"});
}

TEST_CASE("strings: length in characters, patterns, formats") {
    check(R"({"type":"string","minLength":2,"maxLength":3})", {"\"ab\"", "\"\u4e2d\\n\\u00e9\""},
          {"\"a\"", "\"abcd\""});
    check(R"({"pattern":"^[a-z]+\\d{2}$"})", {"\"ab12\""}, {"\"ab1\"", "\"xab12y\"", "1"});
    check(R"({"pattern":"b"})", {"\"b\"", "\"abc\"", "\"\\nb\""}, {"\"ac\""});
    check(R"re({"pattern":"^(?:\\+1 )?\\(\\d{3}\\)[^a-f]\\w?$|^\"\\\\$"})re",
          {R"("+1 (123)x")", R"("(123)-_")", R"("\"\\")"}, {R"("(123)a")", R"("(123)xyz")"});
    check(R"({"pattern":"^.\\u0041[\\s\\x42]$"})", {"\"xA \"", "\"xAB\"", "\"xA\\n\""}, {"\"xAC\""});
    check(R"({"format":"date"})", {"\"2024-02-28\"", "\"1999-12-31\""},
          {"\"2024-02-30\"", "\"2024-13-01\"", "\"24-01-01\""});
    check(R"({"format":"date-time"})", {"\"2024-04-30T23:59:59Z\"", "\"2024-01-01T00:00:00.25+02:00\""},
          {"\"2024-04-31T00:00:00Z\""});
    check(R"({"format":"uuid"})", {"\"123e4567-e89b-12d3-a456-426614174000\""}, {"\"123e4567\""});
    check(R"({"format":"email"})", {"\"a.b@mail.example.org\""}, {"\"a@b\"", "\"@b.c\""});
    check(R"({"format":"uri"})", {"\"https://example.org/a/b~c?page-2\"", "\"http://a\""},
          {"\"ftp://a\"", "\"http://\""});
    check(R"({"format":"ipv4"})", {"\"255.0.10.1\""}, {"\"256.0.0.1\"", "\"1.2.3\""});
}

TEST_CASE("numbers between bounds") {
    check(R"({"type":"integer","minimum":-3,"maximum":120})", {"-3", "-1", "0", "9", "99", "120"},
          {"-4", "121", "-0", "007"});
    check(R"({"type":"integer","exclusiveMinimum":0})", {"1", "5000"}, {"0", "-1"});
    check(R"({"type":"integer","minimum":1.5,"exclusiveMaximum":4})", {"2", "3"}, {"1", "4"});
    check(R"({"type":"number","minimum":0.5,"maximum":1.25})", {"1", "0.50", "1.25", "0.99"},
          {"0.49", "1.26", "2", "0"});
    check(R"({"type":"number","exclusiveMaximum":-0.1,"minimum":-1})", {"-1", "-1.00", "-0.11"},
          {"-0.10", "0", "-1.01", "0.00"});
    check(R"({"minimum":0,"maximum":1})", {"0", "1", "0.25", "1.00"}, {"1.01", "-0.5", "\"a\""});
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const auto a = static_cast<std::int64_t>(mix(seed, 0) % 2400) - 1200,
                   b = a + static_cast<std::int64_t>(mix(seed, 1) % 900);
        const auto whole = machine("root ::= " + support::integers_to_gbnf(a, b));
        const auto cents = machine("root ::= " + support::fractions_to_gbnf(a, b, 2));
        for (std::int64_t n = -1300; n < 2200; n += 1 + static_cast<std::int64_t>(mix(seed, 7) % 3)) {
            const bool inside = n >= a && n <= b;
            CHECK(matches(whole, std::to_string(n)) == inside);
            std::string text = std::to_string(n < 0 ? -n : n);
            if (text.size() < 3) text.insert(0, 3 - text.size(), '0');
            text.insert(text.size() - 2, ".");
            CHECK(matches(cents, (n < 0 ? "-" : "") + text) == inside);
        }
    }
}

TEST_CASE("schemas put together: anyOf, allOf, oneOf, $ref") {
    check(R"({"anyOf":[{"type":"string"},{"type":"integer","minimum":5}]})", {"\"a\"", "7"}, {"3", "null"});
    check(R"({"type":"integer","anyOf":[{"minimum":50},{"maximum":5}]})", {"50", "5"}, {"20"});
    check(
        R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
              {"properties":{"b":{"const":1},"a":{"minimum":3}}}]})",
        {R"({"a":3})", R"({"a":4,"b":1})"}, {R"({"a":2})", R"({"b":1})"});
    check(R"({"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]})", {R"({"a":1})"},
          {R"({"b":1})"});
    check(
        R"({"type":"object","oneOf":[{"properties":{"kind":{"const":"x"},"v":{"type":"integer"}},
                       "required":["kind","v"]},
                       {"properties":{"kind":{"enum":["y","z"]}},"required":["kind"]}]})",
        {R"({"kind":"x","v":1})", R"({"kind":"z"})"}, {R"({"kind":"x"})"});
    check(R"({"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":10}]})", {"3", "10"}, {"5"});
    check(R"({"$ref":"#/$defs/n%6fde","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
              "next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/node"}]}},"required":["v","next"]}}})",
          {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
          {R"({"v":1})", R"({"v":1,"next":{}})"});
    check(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
    check(R"({"$ref":"#/$defs/a~1b","maximum":3,"$defs":{"a/b":{"type":"integer"}}})", {"3"}, {"4"});
    check(
        R"({"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/a"}}},
              "b":{"properties":{"x":{"$ref":"#/$defs/b"},"y":{"type":"null"}}}}})",
        {R"({"x":{"x":{"y":null}}})"}, {R"({"x":1})"}); // two recursions at once end
}

TEST_CASE("what cannot be held is refused by the name of its keyword and its place") {
    refused("[", errc::corrupt, "JSON");
    refused("3", errc::corrupt, "object, true or false");
    refused(R"({"type":"object","type":"array"})", errc::corrupt, "twice");
    refused(R"({"properties":{"a":{"not":{}}}})", errc::unsupported, "at '/properties/a': the keyword 'not'");
    for (const auto* keyword : {"patternProperties", "propertyNames", "if", "dependentRequired", "contains",
                                "minProperties", "unevaluatedProperties", "$dynamicRef", "contentEncoding", "x-mine"})
        refused(std::string("{\"") + keyword + "\":{}}", errc::unsupported, std::string("'") + keyword + "'");
    refused(R"({"uniqueItems":true})", errc::unsupported, "uniqueItems");
    refused(R"({"multipleOf":0.5})", errc::unsupported, "multipleOf");
    refused(R"({"format":"iri"})", errc::unsupported, "'iri'");
    refused(R"({"type":"text"})", errc::corrupt, "'type'");
    refused(R"({"minLength":-1})", errc::corrupt, "'minLength'");
    refused(R"({"exclusiveMinimum":true})", errc::corrupt, "'exclusiveMinimum'");
    refused(R"({"items":[{}]})", errc::unsupported, "prefixItems");
    refused(R"({"pattern":"(?=a)b"})", errc::unsupported, "look-around");
    refused(R"({"pattern":"(a)\\1"})", errc::unsupported, "\\1");
    refused(R"({"pattern":"a\\b"})", errc::unsupported, "\\b");
    refused(R"({"pattern":"(a"})", errc::corrupt, "')'");
    refused(R"({"pattern":"a","maxLength":3})", errc::unsupported, "one at a time");
    refused(R"({"$ref":"http://example.org/x"})", errc::unsupported, "$ref");
    refused(R"({"$ref":"#/$defs/none"})", errc::not_found, "leads nowhere");
    refused(R"({"$ref":"#"})", errc::unsupported, "itself");
    refused(R"({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}}})", errc::unsupported,
            "itself");
    refused(R"({"oneOf":[{"type":"integer"},{"minimum":2}]})", errc::unsupported, "'oneOf'");
    refused("false", errc::unsupported, "nothing satisfies");
    refused(R"({"type":"string","enum":[1]})", errc::unsupported, "nothing satisfies");
    refused(R"({"type":"integer","minimum":3,"maximum":2})", errc::unsupported, "nothing satisfies");
    refused(R"({"properties":{"a":false},"required":["a"]})", errc::unsupported, "nothing satisfies");
}

TEST_CASE("hostile schemas end in an error, soon") {
    std::string nested = "true";
    for (int i = 0; i < 200; ++i) nested = R"({"items":)" + nested + "}";
    refused(nested, errc::exhausted, "nests");
    std::string doubled = R"({"$ref":"#/$defs/a0","$defs":{)";
    for (int i = 0; i < 40; ++i) {
        const std::string next = R"({"$ref":"#/$defs/a)" + std::to_string(i + 1) + "\"}";
        doubled += "\"a" + std::to_string(i) + R"(":{"anyOf":[)" + next + "," + next + "]},";
    }
    refused(doubled + R"("a40":{"type":"null"}}})", errc::exhausted, "inside each other");
    std::string product = R"({"allOf":[)";
    for (int i = 0; i < 20; ++i)
        product += std::string(i ? "," : "") + R"({"anyOf":[{"minLength":1},{"maxLength":9}]})";
    refused(product + "]}", errc::exhausted, "alternatives");
    std::string values = "0";
    for (int i = 1; i < 5000; ++i) values += "," + std::to_string(i);
    refused("{\"enum\":[" + values + "]}", errc::exhausted, "'enum'");
    refused(R"({"maxLength":100000})", errc::unsupported, "65536");
    refused(std::string(70'000, ' '), errc::exhausted, "bytes");
    const auto long_string = support::schema_to_gbnf(R"({"type":"string","maxLength":60000})");
    REQUIRE(long_string);
    const auto made = support::automaton::from(*support::parse_gbnf(*long_string));
    REQUIRE_FALSE(made);
    CHECK(made.fault().what.code == errc::exhausted);
}

TEST_CASE("random texts of a grammar are JSON") {
    std::size_t whole = 0;
    for (const auto* text : {"{}",
                             R"({"type":"object","properties":{"a":{"type":"number"},"b":{"pattern":"^.[^a]\\W$"},
                    "c":{"format":"date-time"}},
                    "additionalProperties":{"type":["integer","null"]}})",
                             R"({"type":"array","items":{"anyOf":[{"$ref":"#"},{"minLength":3,"maxLength":5},
               {"minimum":-0.25,"maximum":70}]}})"}) {
        const auto grammar = schema(text);
        for (std::uint64_t seed = 0; seed < 200; ++seed) {
            const std::string made = random_text(grammar, seed, 60);
            if (made.empty()) continue;
            ++whole;
            CHECK_MESSAGE(nlohmann::json::accept(made), made);
        }
    }
    CHECK(whole > 200);
}
