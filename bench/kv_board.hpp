// SPDX-License-Identifier: Apache-2.0
// What the programs of the figure kv.transfer share, ours and peers': a board in shared memory with the list of blocks
// to move, the mappings of the two pools, and a loop over the commands of bench/kv_transfer.py. Plain C++17 without the
// library, so that a peer builds against nothing else.
#pragma once

#include <atomic>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace kv_board {

struct move {
    std::uint64_t source, target; // byte offsets into the pools
};
struct board {
    std::uint64_t bytes;                  // of each block
    std::uint64_t count;                  // blocks of this round
    std::atomic<std::uint64_t> finished;  // the last round whose bytes have all arrived
    std::atomic<std::int64_t> begin, end; // of it, in ns of CLOCK_MONOTONIC
    std::atomic<std::uint64_t> ticket_bytes;
    std::byte ticket[32 << 10];
    std::byte letters[2][32 << 10]; // addresses and keys that the two sides of a peer exchange
    move moves[1 << 16];
};

[[noreturn]] inline void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
}
inline std::int64_t now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// A file or another process's /proc/<pid>/fd/<n>, on a 2 MiB boundary and in huge pages where there are any, all of it
// present.
inline std::byte* map(const char* path, std::size_t size) {
    constexpr std::size_t huge = 2 << 20;
    const int file = ::open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) fail(std::string("cannot open ") + path);
    void* room = ::mmap(nullptr, size + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const auto at = (reinterpret_cast<std::uintptr_t>(room) + huge - 1) / huge * huge;
    void* p = ::mmap(reinterpret_cast<void*>(at), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    if (room == MAP_FAILED || p == MAP_FAILED) fail(std::string("cannot map ") + path);
    ::close(file);
    ::madvise(p, size, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    ::madvise(p, size, MADV_POPULATE_WRITE);
#endif
    return static_cast<std::byte*>(p);
}
inline board& open_board(const char* path) { return *reinterpret_cast<board*>(map(path, sizeof(board))); }

// The first block that did not arrive, or -1.
inline std::int64_t first_wrong(const board& b, const std::byte* source, const std::byte* target) {
    for (std::uint64_t i = 0; i < b.count; ++i) {
        if (std::memcmp(target + b.moves[i].target, source + b.moves[i].source, b.bytes) != 0)
            return static_cast<std::int64_t>(i);
    }
    return -1;
}

// Says `ready` and what else there is to say, then does what each line of the standard input asks, a word and a number
// at most, and answers with a line, until the end.
inline void serve(const std::string& greeting,
                  const std::function<std::string(const std::string&, std::uint64_t)>& act) {
    std::printf("ready %s\n", greeting.c_str());
    std::fflush(stdout);
    char line[256], word[64];
    while (std::fgets(line, sizeof line, stdin)) {
        std::uint64_t number = 0;
        if (std::sscanf(line, "%63s %" SCNu64, word, &number) < 1) fail("what?");
        std::printf("%s\n", act(word, number).c_str());
        std::fflush(stdout);
    }
}

} // namespace kv_board
