// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <time.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <ashlar/core/workers.hpp>

#include <support/thread_pool.hpp>

using ashlar::support::thread_pool;

static_assert(ashlar::workers<thread_pool>);

TEST_CASE("every index is worked on exactly once, and what the bodies wrote is seen by the caller") {
    for (const std::size_t size : {0, 1, 2, 3, 5}) {
        thread_pool pool(size);
        CHECK(pool.size() == (size == 0 ? 1 : size));
        for (const std::size_t count : {0, 1, 2, 3, 7, 64, 1000}) {
            std::vector<int> hits(count, 0); // plain memory: ThreadSanitizer judges the hand-over
            pool.parallel_for(count, [&](std::size_t i) { ++hits[i]; });
            CHECK(hits == std::vector<int>(count, 1));
        }
    }
}

TEST_CASE("ten thousand short jobs in a row lose nothing, whether the threads spin or sleep in between") {
    thread_pool pool(3);
    std::uint64_t expected = 0, sum = 0;
    std::vector<std::uint64_t> part(8);
    for (std::uint64_t round = 0; round < 10'000; ++round) {
        const std::size_t count = round % 8 + 1;
        pool.parallel_for(count, [&](std::size_t i) { part[i] = round * i; });
        for (std::size_t i = 0; i < count; ++i) sum += part[i], expected += round * i;
        if (round % 2000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    CHECK(sum == expected);
}

TEST_CASE("the caller waits for a body that outlasts the spinning") {
    thread_pool pool(2);
    std::vector<int> done(2, 0);
    pool.parallel_for(2, [&](std::size_t i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(i == 0 ? 1 : 20));
        done[i] = 1;
    });
    CHECK(done == std::vector<int>{1, 1});
}

TEST_CASE("a pool without work costs next to nothing") {
    thread_pool pool(4);
    pool.parallel_for(8, [](std::size_t) {});
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // spinning ends after 50 us
    const auto cpu_ns = [] {
        timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
    };
    const std::int64_t before = cpu_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(cpu_ns() - before < 20'000'000);
}
