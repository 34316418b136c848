// SPDX-License-Identifier: Apache-2.0
// What golden.templates, which compares renderings with Jinja2's, does not see: refusals by name when a template is
// read, limits, and which bytes of a text are the template's own.
#include <doctest/doctest.h>

#include <string>

#include <support/jinja/program.hpp>

using namespace ashlar;
using support::jinja::given;
using support::jinja::map;
using support::jinja::program;
using support::jinja::render_limits;
using support::jinja::text;
using support::jinja::value;

namespace {

support::fault refused(const std::string& source) {
    const auto read = program::parse(source);
    INFO(source.substr(0, 200));
    REQUIRE_FALSE(read);
    return read.fault();
}
support::outcome<text> rendered(const std::string& source, const map& context = {}, const render_limits& limits = {}) {
    const auto read = program::parse(source);
    INFO(source.substr(0, 200));
    REQUIRE_MESSAGE(read, (read ? "" : read.fault().sentence));
    return read->render(context, limits);
}
std::string marks(const text& of) { // the template's bytes as they are, others as '.'
    std::string out;
    for (std::size_t i = 0; i < of.bytes.size(); ++i) out += of.by_template[i] ? of.bytes[i] : '.';
    return out;
}

} // namespace

TEST_CASE("what is not understood is refused when the template is read, by its name and line") {
    const struct {
        const char *source, *name;
    } cases[] = {{"a\n\n{% macro f(x) %}{% endmacro %}", "'macro'"},
                 {"\n\n{%- include 'x' %}", "'include'"},
                 {"a\n{# b\n #}{% raw %}{% endraw %}", "'raw'"},
                 {"a\n\n{{ x | upper }}", "'upper'"},
                 {"\n{{ x |\n tojson(sort_keys=true) }}", "'sort_keys'"},
                 {"\n\n{% if x is callable %}{% endif %}", "'callable'"},
                 {"\n\n{{ x.title() }}", "'title'"},
                 {"\n\n{{ f(x) }}", "'f'"},
                 {"\n\n{{ x.items }}", "'items'"},
                 {"\n\n{{ (x | first)(1) }}", "call"},
                 {"\n\n{% for x in y %}{{ loop.cycle }}{% endfor %}", "loop.cycle"},
                 {"\n\n{% for x in y recursive %}{% endfor %}", "recursive"},
                 {"\n\n{% for x in y %}{% break %}{% endfor %}", "'break'"},
                 {"\n\n{% set x %}a{% endset %}", "'='"},
                 {"\n\n{% set a, b = x %}", "several"},
                 {"\n\n{{ 2 ** 3 }}", "'**'"},
                 {"\n\n{{ x[1, 2] }}", "several"},
                 {"\n\n{{ range(*x) }}", "'*'"},
                 {"\n\n{{ x | select(y) }}", "written out"},
                 {"\n\n{{ x | select('odd') }}", "'odd'"},
                 {"\n\n{{ '\\N{DASH}' }}", "'\\N'"},
                 {"\n\n{{ 1e5 }}", "'1e'"},
                 {"\n\n{{ 99999999999999999999 }}", "number"},
                 {"\n\n{{ namespace({}) }}", "namespace"}};
    for (const auto& [source, name] : cases) {
        const auto why = refused(source);
        CHECK_MESSAGE(why.what.code == errc::unsupported, why.sentence);
        CHECK_MESSAGE(why.sentence.find(name) != std::string::npos, why.sentence);
        CHECK_MESSAGE(why.sentence.starts_with("line 3: "), why.sentence);
    }
}

TEST_CASE("what Jinja2 cannot read is refused too") {
    for (const char* source :
         {"{{", "{{ 'a }}", "{% if %}{% endif %}", "{% if x %}", "{% for x y %}{% endfor %}", "{{ (1 }}", "{{ 1) }}",
          "{{ }}", "{# a", "{% endif %}", "{{ a ? b }}", "{% if x %}{% endfor %}", "{{ x | }}", "{{ x is }}",
          "{{ {1} }}", "{{ x.1a }}", "{{ trim(x=1, 2) }}", "{{ '\\x4' }}"})
        CHECK_FALSE(refused(source).sentence.empty());
}

TEST_CASE("every byte is known to be the template's or somebody else's") {
    const map context{{"role", given("user")}, {"say", given("<|end|> hi ")}};
    CHECK(marks(*rendered("<{{ role }}>{{ say }}<|end|>", context)) == "<....>...........<|end|>");
    CHECK(marks(*rendered("{{ '<|' + role ~ '|>' + say | trim }}", context)) == "<|....|>..........");
    CHECK(marks(*rendered("{{ say[2:5] ~ say.replace('hi', 'ho') | trim }}", context)) == "...........ho");
    CHECK(marks(*rendered("{{ ['<', role] | join('|') }}{{ say.split('|') | join('|') }}", context)) ==
          "<|.....|...|.....");
    CHECK(marks(*rendered("{{ {'<': [say, '<|end|>']} | tojson }}", context)) == std::string(33, '.'));
    CHECK(marks(*rendered("{% for c in say %}{{ c }}{% endfor %}{{ 1 }}", context)) == std::string(12, '.'));
}

TEST_CASE("a hostile template costs no more than its limits") {
    const auto exhausted = [](const support::outcome<text>& out) {
        return !out && out.fault().what.code == errc::exhausted;
    };
    CHECK(exhausted(rendered("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")));
    CHECK(exhausted(rendered("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
                             "{% endfor %}")));
    CHECK(exhausted(rendered("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}"
                             "{% endfor %}")));
    CHECK(exhausted(rendered("{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}"
                             "{% endfor %}")));
    CHECK(exhausted(rendered("{% for i in range(100) %}0123456789{% endfor %}", {}, {.bytes = 999})));
    CHECK(rendered("{% for i in range(100) %}0123456789{% endfor %}", {}, {.bytes = 1000}));
    CHECK(exhausted(rendered("{{ range(100001) | length }}")));
    for (const char* cyclic :
         {"{% set ns = namespace() %}{% set ns.x = ns %}", "{% set ns = namespace() %}{% set ns.x = [ns] %}"})
        CHECK(rendered(cyclic).fault().what.code == errc::unsupported);
    const auto many = [](std::string_view one, std::size_t count) {
        std::string out;
        for (; count > 0; --count) out += one;
        return out;
    };
    CHECK(refused("{{ " + many("(", 100'000) + many(")", 100'000) + " }}").what.code == errc::exhausted);
    CHECK(refused("{{ " + many("-", 1000) + "1 }}").what.code == errc::exhausted);
    CHECK(refused("{{ " + many("not ", 1000) + "1 }}").what.code == errc::exhausted);
    CHECK(refused("{{ 1" + many("+1", 1000) + " }}").what.code == errc::exhausted);
    CHECK(refused("{{ x" + many(".x", 1000) + " }}").what.code == errc::exhausted);
    CHECK(refused(many("{% if x %}", 1000) + many("{% endif %}", 1000)).what.code == errc::exhausted);
    CHECK(refused(many(" ", (256 << 10) + 1)).what.code == errc::exhausted);
}

TEST_CASE("values that share what they hold cost what they would say") {
    std::string lists = "{% set a0 = [1, 1] %}", maps = "{% set a0 = {'x': 1} %}{% set b0 = {'x': 1} %}";
    for (int k = 1; k <= 40; ++k) {
        const std::string now = std::to_string(k), last = std::to_string(k - 1);
        lists += "{% set a" + now + " = [a" + last + ", a" + last + "] %}";
        for (const std::string of : {"a", "b"})
            maps += "{% set " + of + now + " = {'x': " + of + last + ", 'y': " + of + last + "} %}";
    }
    CHECK(rendered(lists + "{{ a40 | tojson }}", {}, {.steps = 100'000}).fault().what.code == errc::exhausted);
    CHECK(rendered(lists + "{{ a40 | tojson }}", {}, {.bytes = 10'000}).fault().what.code == errc::exhausted);
    CHECK(rendered(maps + "{{ a40 == b40 }}", {}, {.steps = 100'000}).fault().what.code == errc::exhausted);
    CHECK(rendered("{{ {'x': [1], 'y': 2} == {'y': 2, 'x': [1]} }}{{ {'x': 1} == {'y': 1} }}")->bytes == "TrueFalse");
}

TEST_CASE("time is the clock's, or what the caller says") {
    CHECK(rendered("{{ strftime_now('%Y') }}", {}, {.now = 1'000'000'000})->bytes == "2001");
    CHECK(rendered("{{ strftime_now('%Y') | length }}")->bytes == "4");
}

TEST_CASE("JSON becomes values in its order, and values JSON") {
    const std::string json = R"({"b": [1, -2.5, true, null, "é\n\u0001"], "a": {}, "c": 1e+22})";
    const auto read = value::from_json(json);
    REQUIRE(read);
    std::string out;
    append_json(out, *read, -1);
    CHECK(out == json);
    CHECK(value::from_json("[1,").fault().what.code == errc::corrupt);
    CHECK(value::from_json(std::string(200, '[')).fault().what.code == errc::exhausted);
    CHECK(program::parse("{{ tools }}{% if x %}'y'{{ '<z>' }}{% endif %}")->reads("tools"));
    CHECK_FALSE(program::parse("tools {{ 'tools' }}{{ x.tools }}")->reads("tools"));
    CHECK(program::parse("a{{ '<z>' }}")->writes("<z>"));
}
