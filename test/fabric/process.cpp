// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/process.hpp>

#include <string_view>

#include <sys/wait.h>

#include <doctest/doctest.h>

using ashlar::fabric::process;

TEST_CASE("this process lives, another start time does not, a zombie does not") {
    const process me = process::self();
    CHECK(me.pid == getpid());
    CHECK(me.alive());
    CHECK(process::unpack(me.packed()) == me);
    CHECK(!process{me.pid, me.start + 1}.alive());
    CHECK(!process{}.alive());
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0); // dead, not yet reaped
    CHECK(process::read(child) == process{});
    waitpid(child, nullptr, 0);
    CHECK(process::read(child) == process{});
}

TEST_CASE("a name full of parentheses and spaces does not mislead") {
    constexpr std::string_view text = "42 (a) b) S 1 2 3) S 1 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 987654 11 12";
    CHECK(process::parse(text.data(), text.size(), 42) == process{42, 987654});
    constexpr std::string_view zombie = "42 (x) Z 1 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 987654 11 12";
    CHECK(process::parse(zombie.data(), zombie.size(), 42) == process{});
    CHECK(process::parse("42 (x", 5, 42) == process{});
    CHECK(process::parse("", 0, 42) == process{});
}
