// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <support/loading_cache.hpp>

namespace {

using cache = ashlar::support::loading_cache<std::string>;
constexpr ashlar::key128 key{1, 2};

cache::asked ask(cache& of, std::string_view text, cache::load_function load) {
    auto asked = of.find(text);
    return asked ? asked : of.load(text, std::move(load));
}
cache::asked ask(cache& of, const std::string& text, std::size_t bytes = 1) {
    return ask(of, text, [text, bytes] { return cache::loaded{text + "!", bytes}; });
}
const std::string& wait_for(const cache::asked& one) {
    for (int i = 0; i < 20'000 && !one.ready(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(one.ready());
    return *one.ready();
}

} // namespace

TEST_CASE("who asks goes on while a load takes its time, and hears of others in their turn") {
    std::latch release(1);
    std::atomic<int> told = 0;
    cache all({.bytes_max = 100, .waiting_max = 8}, key, [&] { ++told; });
    const auto slow = ask(all, "slow", [&] { return release.wait(), cache::loaded{"at last", 1}; });
    const auto quick = ask(all, "quick");
    for (int beats = 0; beats < 1000; ++beats) { // the asking thread is not held
        CHECK(all.find("slow"));
        CHECK_FALSE(slow.ready());
        CHECK_FALSE(quick.ready()); // one at a time, in order
    }
    CHECK(told == 0);
    release.count_down();
    CHECK(wait_for(quick) == "quick!");
    CHECK(*slow.ready() == "at last");
    CHECK(told >= 1);
    CHECK(all.loads() == 2);
}

TEST_CASE("a text is loaded once for all who ask, at the same time or later") {
    std::latch release(1);
    cache all({.bytes_max = 100, .waiting_max = 8}, key);
    std::vector<cache::asked> asked;
    for (int i = 0; i < 100; ++i)
        asked.push_back(ask(all, "a", [&] { return release.wait(), cache::loaded{"made", 1}; }));
    release.count_down();
    for (const auto& each : asked) CHECK(wait_for(each) == "made");
    for (int i = 0; i < 100; ++i) CHECK(ask(all, "a").ready());
    CHECK(all.loads() == 1);
}

TEST_CASE("what nobody wants any more before its turn is not loaded, and no longer counts") {
    std::latch begun(1), release(1);
    cache all({.bytes_max = 100, .waiting_max = 2}, key);
    auto running = ask(all, "running", [&] {
        begun.count_down(), release.wait();
        return cache::loaded{"made", 1};
    });
    begun.wait();
    auto second = ask(all, "second"), third = ask(all, "third");
    CHECK(third);
    CHECK_FALSE(ask(all, "fourth")); // two wait
    running = {};                    // too late to stop it
    third = {};
    CHECK_FALSE(all.find("third"));
    const auto fourth = ask(all, "fourth");
    CHECK(fourth);
    release.count_down();
    CHECK(wait_for(fourth) == "fourth!");
    CHECK(wait_for(second) == "second!");
    CHECK(*all.find("running").ready() == "made");
    CHECK(all.loads() == 3);
}

TEST_CASE("what was used last is kept, within the bytes; one that is larger than all of them alone") {
    cache all({.bytes_max = 10, .waiting_max = 8}, key);
    for (const char* each : {"a", "b"}) wait_for(ask(all, each, 4));
    CHECK(all.find("a").ready());
    auto held = all.find("b");
    CHECK(all.find("a"));
    wait_for(ask(all, "c", 4));
    CHECK(all.find("a"));
    CHECK_FALSE(all.find("b"));
    CHECK(*held.ready() == "b!"); // whoever holds it has it
    CHECK(all.bytes() == 8);
    wait_for(ask(all, "large", 11));
    CHECK(all.find("large"));
    CHECK_FALSE(all.find("a"));
    CHECK(all.bytes() == 11);
}

TEST_CASE("an end waits for the load that is running, and what was made outlives it") {
    std::latch begun(1), release(1);
    auto all = std::make_unique<cache>(ashlar::support::loading_limits{.bytes_max = 10, .waiting_max = 8}, key);
    const auto running = ask(*all, "running", [&] {
        begun.count_down(), release.wait();
        return cache::loaded{"made", 1};
    });
    const auto waiting = ask(*all, "waiting");
    begun.wait();
    std::thread end([&] { all.reset(); });
    release.count_down();
    end.join();
    REQUIRE(running.ready());
    CHECK(*running.ready() == "made");
}
