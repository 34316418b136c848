// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/process.hpp>

#include <array>
#include <string>
#include <string_view>

#include <csignal>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <doctest/doctest.h>

using namespace ashlar;
using ashlar::fabric::process;

namespace {
constexpr error gone{errc::not_found, origin::fabric};

alignas(16) std::array<char, 65536> second_stack;
int second_thread(void*) {
    for (;;) syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
}
} // namespace

TEST_CASE("this process lives, another start time does not, a zombie does not") {
    const process me = process::self().value();
    CHECK(me.pid == getpid());
    CHECK(me.alive());
    CHECK(process::unpack(me.packed()) == me);
    CHECK(!process{me.pid, me.start + 1}.alive());
    CHECK(!process{}.alive());
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0); // dead, not yet reaped
    CHECK(process::read(child).error() == gone);
    waitpid(child, nullptr, 0);
    CHECK(process::read(child).error().code == errc::not_found);
}

TEST_CASE("nobody is dead because there is no descriptor left to look") {
    const process me = process::self().value();
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const bool alive = me.alive();
    const auto self = process::self();
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(alive);
    CHECK(self.error() == error{errc::io, origin::fabric, EMFILE});
}

TEST_CASE("a process whose first thread has ended lives as long as another one does") {
    const pid_t child = fork();
    if (child == 0) {
        clone(second_thread, second_stack.data() + second_stack.size(),
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, nullptr);
        syscall(SYS_exit, 0); // this thread only
    }
    const auto first = process::read(child);
    REQUIRE(first);
    const auto state = [&] {
        std::array<char, 512> text{};
        const std::string path = "/proc/" + std::to_string(child) + "/stat";
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const ssize_t n = read(fd, text.data(), text.size());
        close(fd);
        const std::string_view all(text.data(), n < 0 ? 0 : static_cast<std::size_t>(n));
        return std::string(all.substr(all.rfind(')') + 2, 1));
    };
    for (int tries = 0; tries < 2000 && state() != "Z"; ++tries) usleep(1000);
    CHECK(state() == "Z");
    CHECK(first->alive());
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(!first->alive());
}

TEST_CASE("a name full of parentheses and spaces does not mislead") {
    constexpr std::string_view text = "42 (a) b) S 1 2 3) S 1 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 987654 11 12";
    CHECK(process::parse(text.data(), text.size(), 42).value() == process{42, 987654});
    constexpr std::string_view zombie = "42 (x) Z 1 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 987654 11 12";
    CHECK(process::parse(zombie.data(), zombie.size(), 42).error() == gone);
    CHECK(process::parse("42 (x", 5, 42).error() == gone);
    CHECK(process::parse("", 0, 42).error() == gone);
}
