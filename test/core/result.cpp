// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/result.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace ashlar;

namespace {
result<int> parse_digit(char c) {
    if (c < '0' || c > '9') return {errc::invalid_argument, origin::core, c};
    return c - '0';
}

struct counted { // says how many of its kind live
    explicit counted(int* alive) : alive(alive) { ++*alive; }
    counted(const counted& other) : alive(other.alive) { ++*alive; }
    counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive; }
    int* alive;
};
} // namespace

TEST_CASE("a result holds a value or says why there is none") {
    const result<int> seven = parse_digit('7');
    REQUIRE(seven);
    CHECK(seven.value() == 7);
    CHECK(*seven == 7);
    CHECK(seven.value_or(0) == 7);

    const result<int> none = parse_digit('x');
    REQUIRE_FALSE(none);
    CHECK(none.error() == error{errc::invalid_argument, origin::core, 'x'});
    CHECK(none.value_or(-1) == -1);
}

TEST_CASE("a result of a trivial type is trivial, and small") {
    static_assert(std::is_trivially_copyable_v<result<int>>);
    static_assert(std::is_trivially_destructible_v<result<int>>);
    static_assert(sizeof(result<int>) <= 16);
    static_assert(!std::is_trivially_copyable_v<result<std::string>>);
    static_assert(std::is_move_constructible_v<result<std::unique_ptr<int>>>);
}

TEST_CASE("a result works at compile time") {
    static_assert([] {
        result<int> r = 3;
        r.value() += 4;
        return r.value() == 7;
    }());
    static_assert(result<int>(errc::again, origin::fabric).error().code == errc::again);
    static_assert(!result<void>(errc::closed, origin::app));
    static_assert(result<void>().has_value());
}

TEST_CASE("what is inside lives exactly as long as the result") {
    int alive = 0;
    {
        result<counted> a = counted(&alive);
        CHECK(alive == 1);
        result<counted> b = a;
        CHECK(alive == 2);
        result<counted> c = std::move(b);
        CHECK(alive == 3); // moved from is not destroyed
        a = result<counted>(errc::io, origin::app, 5);
        CHECK(alive == 2);
        CHECK(a.error().os_code == 5);
        a = c;
        CHECK(alive == 3);
        CHECK(a.has_value());
        result<counted>& self = a;
        a = std::move(self);
        CHECK(alive == 3);
        CHECK(a.value().alive == &alive);
    }
    CHECK(alive == 0);
}

TEST_CASE("a value that can only be moved is moved out") {
    result<std::unique_ptr<int>> made = std::make_unique<int>(7);
    std::unique_ptr<int> taken = std::move(made).value();
    CHECK(*taken == 7);
    CHECK(made.has_value()); // it holds an empty pointer now
    CHECK(*made == nullptr);
}

TEST_CASE("every error has words, and an unknown one is no crash") {
    for (int code = 0; code <= static_cast<int>(errc::io); ++code) {
        const auto words = to_string(static_cast<errc>(code));
        CHECK_FALSE(words.empty());
        CHECK(words != "unknown error");
    }
    CHECK(to_string(errc::io) == "input/output error");
    CHECK(to_string(errc::peer_down) == "peer is down");
    CHECK(to_string(static_cast<errc>(999)) == "unknown error");
    CHECK(to_string(origin::app) == "app");
    CHECK(to_string(static_cast<origin>(999)) == "unknown");
}

TEST_CASE("asking an error for its value is a bug, not a wrong answer") {
    struct broken_promise {};
    const assert_handler before = set_assert_handler([](const char*, const char*, int) { throw broken_promise{}; });
    const result<int> none = parse_digit('x');
    const result<int> some = parse_digit('1');
    CHECK_THROWS_AS((void)none.value(), broken_promise);
    CHECK_THROWS_AS((void)some.error(), broken_promise);
    CHECK_THROWS_AS(result<void>(errc::closed, origin::core).value(), broken_promise);
    set_assert_handler(before);
}
