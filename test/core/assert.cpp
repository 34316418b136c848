// SPDX-License-Identifier: Apache-2.0
#include <ashlar/core/assert.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

namespace {
struct broken {
    std::string expression, file;
    int line;
};
[[noreturn]] void record(const char* expression, const char* file, int line) { throw broken{expression, file, line}; }
} // namespace

TEST_CASE("a kept promise costs nothing and changes nothing") {
    int asked = 0;
    ASHLAR_ASSERT(++asked == 1);
    CHECK(asked == 1);
}

TEST_CASE("a broken promise names the expression and the place") {
    const ashlar::assert_handler before = ashlar::set_assert_handler(record);
    const int line = __LINE__ + 2;
    try {
        ASHLAR_ASSERT(1 + 1 == 3);
        FAIL("the handler was not called");
    } catch (const broken& b) {
        CHECK(b.expression == "1 + 1 == 3");
        CHECK(b.file.ends_with("assert.cpp"));
        CHECK(b.line == line);
    }
    const bool was_ours = ashlar::set_assert_handler(before) == record;
    CHECK(was_ours);
}

TEST_CASE("the words arrive also where they are not read on a terminal") {
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDOUT_FILENO), dup2(pipes[1], STDERR_FILENO);
        ashlar::detail::print_and_abort("a == b", "here.cpp", 7);
    }
    close(pipes[1]);
    std::array<char, 4096> text{};
    std::size_t size = 0;
    for (ssize_t n; size < text.size() && (n = read(pipes[0], text.data() + size, text.size() - size)) > 0;)
        size += static_cast<std::size_t>(n);
    close(pipes[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(std::string(text.data(), size).find("here.cpp:7: assertion failed: a == b") != std::string::npos);
}

TEST_CASE("an assertion is an expression and works at compile time") {
    constexpr auto half = [](int x) { return ASHLAR_ASSERT(x % 2 == 0), x / 2; };
    static_assert(half(8) == 4);
    CHECK(half(6) == 3);
}
