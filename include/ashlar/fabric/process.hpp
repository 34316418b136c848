// SPDX-License-Identifier: Apache-2.0
// A process that can be asked whether it still lives: its number alone may be reused, number and start time are not.
// A zombie counts as dead: it will write nothing more. Who cannot be looked up (no descriptor is left) counts as alive:
// what a dead peer was lent is lent to others, so that a death has to be certain.
//
//     auto me = process::self();   if (!peer.alive()) ...
#pragma once

#include <cstddef>
#include <cstdint>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::fabric {

struct process {
    std::int32_t pid = 0;
    std::uint32_t start = 0; // clock ticks after boot, low 32 bits (proc(5), /proc/pid/stat field 22)

    friend constexpr bool operator==(process, process) = default;

    static result<process> self() { return read(static_cast<std::int32_t>(::getpid())); }
    // Whether this very process, not a later one of the same number, still runs.
    bool alive() const {
        if (pid <= 0) return false;
        const auto now = read(pid);
        return now ? *now == *this : now.error().code != errc::not_found;
    }

    std::uint64_t packed() const { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(pid)) << 32 | start; }
    static process unpack(std::uint64_t p) {
        return {static_cast<std::int32_t>(p >> 32), static_cast<std::uint32_t>(p)};
    }

    // not_found: there is no such process, or only its zombie. Else the system's own number: nobody could look.
    static result<process> read(std::int32_t pid) {
        char path[32] = "/proc/";
        char digits[12];
        int n = 0, at = 6;
        for (std::int32_t rest = pid; rest > 0; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
        while (n) path[at++] = digits[--n];
        for (const char* c = "/stat"; *c; ++c) path[at++] = *c;
        const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return unread();
        char text[1024];
        const ssize_t size = ::read(fd, text, sizeof text);
        const result<process> found =
            size < 0 ? result<process>(unread()) : parse(text, static_cast<std::size_t>(size), pid);
        ::close(fd);
        return found;
    }

    // "pid (name) state ppid …": the name may hold anything, so fields are counted after the last parenthesis. Of a
    // process whose first thread has ended, that one is the zombie; the others (field 20 counts them all) go on.
    static result<process> parse(const char* text, std::size_t size, std::int32_t pid) {
        constexpr error gone{errc::not_found, origin::fabric};
        std::size_t at = size;
        while (at > 0 && text[at - 1] != ')') --at;
        if (at == 0) return gone;
        int field = 2;
        char state = 0;
        std::uint64_t threads = 0, start = 0;
        for (; at < size && field <= 22; ++at) {
            const char c = text[at];
            const auto digit = [&](std::uint64_t& of) { of = of * 10 + static_cast<std::uint64_t>(c - '0'); };
            if (c == ' ')
                ++field;
            else if (field == 3)
                state = c;
            else if (field == 20 && c >= '0' && c <= '9')
                digit(threads);
            else if (field == 22 && c >= '0' && c <= '9')
                digit(start);
        }
        const bool dead = state == 'X' || state == 'x' || (state == 'Z' && threads < 2);
        return field < 22 || dead ? result<process>(gone) : process{pid, static_cast<std::uint32_t>(start)};
    }

private:
    static error unread() {
        const int number = errno;
        const bool gone = number == ENOENT || number == ESRCH;
        return {gone ? errc::not_found : errc::io, origin::fabric, number};
    }
};

} // namespace ashlar::inline v0::fabric
