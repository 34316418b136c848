// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/allocator.hpp>

#include <algorithm>
#include <vector>

using namespace ashlar;

TEST_CASE("one run is given when there is one, else the fewest runs that can hold the request") {
    for (std::uint32_t size : {1u, 63u, 64u, 65u, 200u, 1000u})
        for (std::uint64_t seed = 0; seed < 5; ++seed) {
            random_stream random{.seed = seed};
            kv::allocator pages(size);
            std::vector<bool> free(size, true);
            std::vector<block_run> taken, storage(size);
            const auto runs = [&] {
                std::vector<std::uint32_t> lengths;
                for (std::uint32_t i = 0, n = 0; i <= size; ++i) {
                    if (i < size && free[i])
                        ++n;
                    else if (n)
                        lengths.push_back(n), n = 0;
                }
                std::sort(lengths.rbegin(), lengths.rend());
                return lengths;
            };
            for (int step = 0; step < 150; ++step) {
                if (random.chance(0.55f) || taken.empty()) {
                    const auto want = static_cast<std::uint32_t>(1 + random.below(random.chance(0.2f) ? size : 9));
                    const auto lengths = runs();
                    std::uint32_t total = 0, fewest = 0;
                    for (auto n : lengths) total += n;
                    for (std::uint32_t sum = 0; sum < want && fewest < lengths.size(); ++fewest) sum += lengths[fewest];
                    kv::block_table table(storage);
                    const bool ok = bool(pages.allocate(want, table));
                    REQUIRE(ok == (want <= total));
                    if (!ok) continue;
                    REQUIRE(table.blocks() == want);
                    REQUIRE(table.runs().size() <= fewest);
                    for (auto run : table.runs()) {
                        taken.push_back(run);
                        for (std::uint32_t i = 0; i < run.count; ++i) {
                            REQUIRE(free[run.first + i]);
                            free[run.first + i] = false;
                        }
                    }
                } else {
                    const auto which = random.below(taken.size());
                    auto run = taken[which];
                    taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
                    pages.release(run);
                    for (std::uint32_t i = 0; i < run.count; ++i) free[run.first + i] = true;
                }
                REQUIRE(pages.check());
                const auto lengths = runs();
                REQUIRE(pages.longest_run() == (lengths.empty() ? 0 : lengths[0]));
            }
        }
}

TEST_CASE("a table without room leaves the allocator as it was") {
    kv::allocator pages(10);
    std::vector<block_run> storage(10), two(2);
    kv::block_table all(storage), small(two);
    REQUIRE(pages.allocate(10, all));
    for (std::uint32_t i = 0; i < 10; i += 2) pages.release({i, 1});
    CHECK(pages.allocate(3, small).error().code == errc::exhausted);
    CHECK(small.blocks() == 0);
    CHECK(pages.free() == 5);
    CHECK(pages.check());
}
