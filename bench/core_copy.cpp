// SPDX-License-Identifier: Apache-2.0
// core_copy [MIB [ROUNDS]]: copies cold blocks, scattered at random over MIB of memory to random places of as much
// again, and takes their CRC32C, in several ways, interleaved in short rounds. Each way's results are verified. Prints
// for each block size and way: GB/s (median, best round), and the ratio to a plain non-temporal copy without a checksum
// (median of the pairs of neighbouring rounds).
#include <ashlar/core/copy_nt.hpp>
#include <ashlar/core/random.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <time.h>

using namespace ashlar;

namespace {
namespace copy = detail::copy;
namespace crc = detail::crc;

#if defined(__x86_64__)
std::uint32_t streams(const std::byte* from, std::size_t n) { return ~crc::by_instruction(~0u, from, n); }

// Three streams of the crc32 instruction, each line stored as its checksum is taken.
#define TARGET __attribute__((target("avx512f,sse4.2,pclmul")))
template <std::size_t Stream>
TARGET std::uint32_t three_lines(std::uint32_t r, std::byte* to, const std::byte* p) {
    unsigned long long sums[3] = {r, 0, 0};
    for (std::size_t i = 0; i < Stream; i += copy::line) {
        for (std::size_t s = 0; s < 3; ++s) copy::lines_avx512(to + s * Stream + i, p + s * Stream + i, copy::line);
        for (std::size_t j = i; j < i + copy::line; j += 8)
            for (std::size_t s = 0; s < 3; ++s)
                sums[s] = __builtin_ia32_crc32di(sums[s], crc::load(p + s * Stream + j));
    }
    return crc::shift<2 * Stream>(static_cast<std::uint32_t>(sums[0])) ^
           crc::shift<Stream>(static_cast<std::uint32_t>(sums[1])) ^ static_cast<std::uint32_t>(sums[2]);
}
TARGET std::uint32_t by_line(std::byte* to, const std::byte* p, std::size_t n) {
    std::uint32_t r = ~0u;
    for (; n >= 3072; n -= 3072, to += 3072, p += 3072) r = three_lines<1024>(r, to, p);
    for (; n >= 192; n -= 192, to += 192, p += 192) r = three_lines<64>(r, to, p);
    copy::lines_avx512(to, p, n);
    copy::fence();
    return ~crc::by_instruction(r, p, n);
}
#undef TARGET

struct variant {
    const char* name;
    std::uint32_t (*run)(std::byte*, const std::byte*, std::size_t);
    bool sums;
};
constexpr variant variants[] = {
    {"plain non-temporal",
     [](std::byte* to, const std::byte* from, std::size_t n) {
         copy::lines(copy::best(), to, from, n);
         copy::fence();
         return 0u;
     },
     false},
    {"memcpy, then streams",
     [](std::byte* to, const std::byte* from, std::size_t n) {
         std::memcpy(to, from, n);
         return streams(from, n);
     },
     true},
    {"non-temporal, then streams",
     [](std::byte* to, const std::byte* from, std::size_t n) {
         copy::lines(copy::best(), to, from, n);
         copy::fence();
         return streams(from, n);
     },
     true},
    {"by chunk, then streams",
     [](std::byte* to, const std::byte* from, std::size_t n) {
         std::uint32_t r = ~0u;
         for (std::size_t now; n; to += now, from += now, n -= now) {
             now = std::min(n, copy::chunk);
             copy::lines(copy::best(), to, from, now);
             r = crc::by_instruction(r, from, now);
         }
         copy::fence();
         return ~r;
     },
     true},
    {"by line, three streams", by_line, true},
    {"copy_nt_crc32c", copy_nt_crc32c, true},
};
constexpr std::size_t ways = std::size(variants);

double now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}
std::byte* map(std::size_t bytes) {
    void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    ::madvise(p, bytes, MADV_HUGEPAGE);
    return static_cast<std::byte*>(p);
}
double median(std::vector<double> of) { return std::sort(of.begin(), of.end()), of[of.size() / 2]; }
#endif
} // namespace

int main([[maybe_unused]] int count, [[maybe_unused]] char** words) {
#if defined(__x86_64__)
    const std::size_t room = (count > 1 ? std::strtoull(words[1], nullptr, 0) : 1024) << 20;
    const int rounds = count > 2 ? std::atoi(words[2]) : 41;
    if (!crc::can_fold()) return std::puts("needs AVX-512 and VPCLMULQDQ"), 2;
    std::byte *source = map(room), *target = map(room);
    for (std::size_t i = 0; i < room; i += 8) {
        const std::uint64_t word = mix(i);
        std::memcpy(source + i, &word, sizeof word);
    }
    std::memset(target, 1, room);
    for (std::size_t size : {4096, 6144, 8192, 16384, 32768, 65536}) {
        const std::size_t slots = room / size, blocks = (std::size_t{4} << 20) / size; // of a round
        std::vector<std::uint32_t> from(slots), to(slots);
        random_stream random{.seed = size};
        for (std::uint32_t i = 0; i < slots; ++i) from[i] = to[i] = i;
        for (std::size_t i = slots - 1; i > 0; --i) {
            std::swap(from[i], from[random.below(i + 1)]);
            std::swap(to[i], to[random.below(i + 1)]);
        }
        std::vector<double> times[ways];
        std::size_t at = 0;
        for (int round = 0; round <= rounds; ++round) {
            for (std::size_t turn = 0; turn < ways; ++turn) {
                const std::size_t way = (turn + static_cast<std::size_t>(round)) % ways;
                std::vector<std::uint32_t> sums(blocks);
                const double begin = now_ns();
                for (std::size_t i = 0; i < blocks; ++i)
                    sums[i] = variants[way].run(target + to[(at + i) % slots] * size,
                                                source + from[(at + i) % slots] * size, size);
                const double each = (now_ns() - begin) / static_cast<double>(blocks);
                for (std::size_t i = 0; i < blocks; ++i) {
                    const std::byte* p = source + from[(at + i) % slots] * size;
                    if (std::memcmp(target + to[(at + i) % slots] * size, p, size) != 0 ||
                        (variants[way].sums && sums[i] != ~crc::by_table(~0u, p, size))) {
                        std::printf("%s: wrong\n", variants[way].name);
                        return 1;
                    }
                }
                at = (at + blocks) % slots;
                if (round) times[way].push_back(each); // the first warms up
            }
        }
        std::printf("%zu bytes a block\n", size);
        for (std::size_t way = 0; way < ways; ++way) {
            std::vector<double> ratios;
            for (std::size_t i = 0; i < times[way].size(); ++i) ratios.push_back(times[0][i] / times[way][i]);
            std::printf("  %-28s %6.2f GB/s, best %6.2f; %.2f of plain non-temporal\n", variants[way].name,
                        static_cast<double>(size) / median(times[way]),
                        static_cast<double>(size) / *std::min_element(times[way].begin(), times[way].end()),
                        median(ratios));
        }
    }
#else
    std::puts("x86-64 only");
#endif
}
