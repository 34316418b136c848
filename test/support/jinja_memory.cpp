// SPDX-License-Identifier: Apache-2.0
// What a template and a conversation can make the renderer hold, measured at the heap of this program: within the limit
// whatever is tried, and far below it for what templates really do.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include <malloc.h>

#include <support/chat_template.hpp>
#include <support/jinja/program.hpp>

namespace {

std::atomic<std::size_t> live = 0, most = 0;

} // namespace

#if defined(__has_feature) // clang's ThreadSanitizer has these itself: there nothing is measured
#define ASHLAR_TEST_HAS_FEATURE(x) __has_feature(x)
#else
#define ASHLAR_TEST_HAS_FEATURE(x) 0
#endif
#if !ASHLAR_TEST_HAS_FEATURE(thread_sanitizer)
namespace {

void* taken(std::size_t size) noexcept {
    void* at = std::malloc(size ? size : 1);
    if (!at) return nullptr;
    const std::size_t now = live.fetch_add(::malloc_usable_size(at)) + ::malloc_usable_size(at);
    for (std::size_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    return at;
}
void* taken_or_thrown(std::size_t size) {
    void* at = taken(size);
    if (!at) throw std::bad_alloc();
    return at;
}
void given_back(void* at) noexcept {
    if (at) live -= ::malloc_usable_size(at);
    std::free(at);
}

} // namespace

void* operator new(std::size_t size) { return taken_or_thrown(size); }
void* operator new[](std::size_t size) { return taken_or_thrown(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return taken(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return taken(size); }
void operator delete(void* at) noexcept { given_back(at); }
void operator delete[](void* at) noexcept { given_back(at); }
void operator delete(void* at, std::size_t) noexcept { given_back(at); }
void operator delete[](void* at, std::size_t) noexcept { given_back(at); }
void operator delete(void* at, const std::nothrow_t&) noexcept { given_back(at); }
void operator delete[](void* at, const std::nothrow_t&) noexcept { given_back(at); }
#endif

using namespace ashlar;
using support::jinja::given;
using support::jinja::map;
using support::jinja::memory_scope;
using support::jinja::program;
using support::jinja::render_limits;
using support::jinja::value;

namespace {

constexpr std::size_t mib = 1 << 20;

template <class Work>
std::size_t held_by(Work&& work) { // at most, beyond what was held before
    const std::size_t before = live;
    most = before;
    work();
    return most - before;
}

// Doubles `x` until something ends it.
std::string grown(const std::string& begin, const std::string& step) {
    return "{% set ns = namespace(x=" + begin + ", all=[]) %}{% for i in range(20000) %}" + step + "{% endfor %}";
}

} // namespace

TEST_CASE("whatever a template does, its values hold no more than the limit") {
    const std::string wide = "{% set ns.x = ns.x ~ ns.x %}";
    const std::string cases[] = {
        grown("'ab'", wide),                                                                           // one text
        grown("'ab'", "{% if i < 20 %}" + wide + "{% endif %}{% set ns.all = ns.all + [ns.x ~ i] %}"), // many long ones
        grown("'ab'", "{% set ns.all = ns.all + [i ~ 'a text that is allocated'] %}"), // many short ones
        grown("[1]", "{% set ns.x = ns.x + ns.x %}"),                                  // one list
        grown("[1]", "{% if i < 15 %}{% set ns.x = ns.x + ns.x %}{% endif %}{% set ns.all = [ns.all, ns.x[1:]] %}"),
        grown("[1]", "{% if i < 15 %}{% set ns.x = ns.x + ns.x %}{% endif %}{% set ns.all = ns.all + [ns.x[::-1]] %}"),
        grown("'ab'", "{% if i < 15 %}" + wide + "{% endif %}{% set ns.all = ns.all + [ns.x | list] %}"),
        grown("'a '", "{% if i < 15 %}" + wide + "{% endif %}{% set ns.all = ns.all + [ns.x.split()] %}"),
        grown("[1]", "{% set ns.all = ns.all + [range(1000) | list] %}"),
        grown("[1]", "{% set ns.all = ns.all + [{'a': i, 'b': [i], 'c': {}, 'd': {'a long name of a member': []}}] %}"),
        grown("[1]", "{% set ns.all = ns.all + [{('a long name of a member' ~ i): i}.items() | list] %}"),
        grown("[1]", "{% set ns.all = ns.all + [namespace] %}{% set a = namespace(x=ns.all, y=range(1000) | list) %}"),
        grown("['ab']", "{% set ns.x = [ns.x | tojson] %}{% set ns.all = ns.all + [ns.x] %}"),
        grown("['ab']", "{% set ns.x = ns.x + [ns.x | join(ns.x | tojson)] %}"),
        grown("'ab'", "{% if i < 12 %}" + wide + "{% endif %}{% set ns.x = ns.x.replace('a', 'aaab') %}"),
        grown("'ab'",
              "{% if i < 19 %}" + wide +
                  "{% endif %}{% for a in [ns.x] %}{% for b in [a ~ 1] %}{% for c in "
                  "[b ~ 2] %}{% set ns.all = [a ~ 3, b ~ 4, c ~ 5, ns.all] %}{% endfor %}{% endfor %}{% endfor %}"),
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% for d in "
        "range(100000) %}{% for e in range(100000) %}{% for f in range(100000) %}{{ [range(100000), range(100000), "
        "range(100000), range(100000)] | length }}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}"
        "{% endfor %}",
    };
    for (const std::string& source : cases) {
        INFO(source);
        const auto read = program::parse(source);
        REQUIRE_MESSAGE(read, (read ? "" : read.fault().sentence));
        for (const std::size_t limit : {4 * mib, 64 * mib}) {
            const std::size_t held = held_by([&] {
                const auto text = read->render({}, {.memory = limit}); // or it has taken too many steps
                REQUIRE_FALSE(text);
                CHECK(text.fault().what.code == errc::exhausted);
            });
            CHECK(held < limit + 64 * 1024); // what is no value: the sentence, a number's digits
        }
    }
}

TEST_CASE("the limit is told by its number, and what a scope holds counts in the one around it") {
    const auto read = program::parse(grown("[1]", "{% set ns.x = ns.x + ns.x %}"));
    REQUIRE(read);
    CHECK(read->render({}, {.memory = 3'000'000}).fault().sentence.find("more than 3000000 bytes of memory") !=
          std::string::npos);
    const memory_scope scope(2'000'000);
    CHECK(read->render({}).fault().sentence.find("more than 2000000 bytes of memory") != std::string::npos);
    const value kept(given(std::string(400'000, 'x'))); // 800,000 bytes with its marks
    const auto text = program::parse("{{ x ~ x }}")->render({{"x", kept}});
    REQUIRE_FALSE(text);
    CHECK(text.fault().what.code == errc::exhausted);
    CHECK(program::parse("{{ x | length }}")->render({{"x", kept}})->bytes == "400000");
}

TEST_CASE("reading a template takes a bounded amount of memory, whatever is in it") {
    const std::size_t size = program::bytes_max;
    const auto filled = [&](const std::string& begin, const std::string& each, const std::string& end) {
        std::string out = begin;
        while (out.size() + each.size() + end.size() <= size) out += each;
        return out + end;
    };
    for (const auto& source : {filled("{{[", "1,", "]}}"), filled("", "{{1}}", ""), filled("", "{#", ""),
                               filled("{{[", "[],", "]}}"), filled("{{", "x ", "}}"), filled("{{", "'' ", "}}"),
                               filled("{{a", "|d", "}}"), filled("", "{%if a%}{%endif%}", ""), filled("", "a{#b#}", ""),
                               filled("{{", "a.b ", ""), filled("{{{", "'':1,", "}}}"), filled("{{", ", , ", "")}) {
        INFO(source.substr(0, 40));
        const std::size_t held = held_by([&] { (void)program::parse(source); });
        CHECK(held < 64 * mib);
    }
}

TEST_CASE("a conversation as large as can be written out takes a fraction of the limit") {
    const auto chat = support::chat_template::of(
        "{%- for message in messages %}{%- set content = message.content %}{%- if '</think>' in content %}"
        "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
        "{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}");
    REQUIRE(chat);
    for (const std::size_t turns : {1, 100, 10'000}) {
        const std::vector<support::chat_turn> said(
            turns, {"user", std::string((support::chat_template::bytes_max - 100) / turns - 40, 'x')});
        const std::size_t held = held_by([&] { CHECK(chat->render(said)); });
        CHECK(held < support::chat_template::memory_max / 2);
    }
    const std::vector<support::chat_turn> crowd(200'000, {"user", "x"});
    const auto far = chat->render(crowd);
    REQUIRE_FALSE(far);
    CHECK(far.fault().what.code == errc::exhausted);
}
