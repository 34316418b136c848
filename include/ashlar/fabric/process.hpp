// SPDX-License-Identifier: Apache-2.0
// A process that can be asked whether it still lives: its number alone may be reused, number and start time are not.
// A zombie counts as dead: it will write nothing more.
//
//     process me = process::self();   if (!peer.alive()) ...
#pragma once

#include <cstddef>
#include <cstdint>

#include <fcntl.h>
#include <unistd.h>

namespace ashlar::inline v0::fabric {

struct process {
    std::int32_t pid = 0;
    std::uint32_t start = 0; // clock ticks after boot, low 32 bits (proc(5), /proc/pid/stat field 22)

    friend constexpr bool operator==(process, process) = default;

    static process self() { return read(static_cast<std::int32_t>(::getpid())); }
    // Whether this very process, not a later one of the same number, still runs.
    bool alive() const { return pid > 0 && read(pid) == *this; }

    std::uint64_t packed() const { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(pid)) << 32 | start; }
    static process unpack(std::uint64_t p) {
        return {static_cast<std::int32_t>(p >> 32), static_cast<std::uint32_t>(p)};
    }

    // {} when there is no such process, or only its zombie.
    static process read(std::int32_t pid) {
        char path[32] = "/proc/";
        char digits[12];
        int n = 0, at = 6;
        for (std::int32_t rest = pid; rest > 0; rest /= 10) digits[n++] = static_cast<char>('0' + rest % 10);
        while (n) path[at++] = digits[--n];
        for (const char* c = "/stat"; *c; ++c) path[at++] = *c;
        const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return {};
        char text[1024];
        const ssize_t size = ::read(fd, text, sizeof text);
        ::close(fd);
        return parse(text, size < 0 ? 0 : static_cast<std::size_t>(size), pid);
    }

    // "pid (name) state ppid …": the name may hold anything, so fields are counted after the last parenthesis.
    static process parse(const char* text, std::size_t size, std::int32_t pid) {
        std::size_t at = size;
        while (at > 0 && text[at - 1] != ')') --at;
        if (at == 0) return {};
        int field = 2;
        std::uint64_t start = 0;
        for (; at < size && field <= 22; ++at) {
            const char c = text[at];
            if (c == ' ')
                ++field;
            else if (field == 3 && (c == 'Z' || c == 'X' || c == 'x'))
                return {};
            else if (field == 22 && c >= '0' && c <= '9')
                start = start * 10 + static_cast<std::uint64_t>(c - '0');
        }
        return field < 22 ? process{} : process{pid, static_cast<std::uint32_t>(start)};
    }
};

} // namespace ashlar::inline v0::fabric
