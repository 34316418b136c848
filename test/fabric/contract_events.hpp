// SPDX-License-Identifier: Apache-2.0
// What a poll brings, messages among it, and how one waits for it. A part of contract.hpp.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/fabric/concepts.hpp>

#include "contract_kit.hpp"

namespace ashlar::contract {

template <class K, class MakeWorld>
void event_cases(MakeWorld make) {
    using F = typename K::F;

    SUBCASE("messages arrive whole, once and in order, from whom they say") {
        K k(make());
        constexpr std::size_t count = 300;
        std::vector<op> ops(count);
        std::vector<std::byte> text(F::max_message);
        k.fill(text, 6);
        const auto length = [](std::size_t i) {
            return i == 0 ? 1 : i == 1 ? F::max_message : 4 + i * 37 % (F::max_message - 4);
        };
        for (std::size_t i = 0; i < count; ++i) {
            std::vector<std::byte> message(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length(i)));
            if (message.size() >= 4) std::memcpy(message.data(), &i, 4);
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, message, ops[i]); }));
            std::fill(message.begin(), message.end(), std::byte{0xee}); // the caller's again as soon as send returns
        }
        REQUIRE(k.until([&] { return k.b.messages.size() >= count && k.a.completed.size() >= count; }));
        k.settle();
        REQUIRE(k.b.messages.size() == count);
        for (std::size_t i = 0; i < count; ++i) {
            auto want = std::vector<std::byte>(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length(i)));
            if (want.size() >= 4) std::memcpy(want.data(), &i, 4);
            REQUIRE(k.b.messages[i] == want);
            REQUIRE(k.b.message_peers[i] == k.b.other);
            REQUIRE(k.a.completed[&ops[i]] == 1);
            REQUIRE(ops[i].status == op_status::done);
        }
    }

    SUBCASE("messages have limits") {
        K k(make());
        op& o = k.fresh();
        std::vector<std::byte> message(F::max_message + 1);
        const auto large = k.a.net.send(k.a.other, message, o);
        REQUIRE(!large);
        CHECK(large.error().code == errc::out_of_range);
        const auto empty = k.a.net.send(k.a.other, {}, o);
        REQUIRE(!empty);
        CHECK(empty.error().code == errc::invalid_argument);
        CHECK(o.status == op_status::idle);
    }

    SUBCASE("poll fills no more than it is given, and comes back at once with nothing") {
        K k(make());
        CHECK(k.a.net.poll({}) == 0);
        std::vector<op> ops(20);
        for (op& o : ops) REQUIRE(k.write(o, 0, 0, 8, 1));
        REQUIRE(k.until([&] { return k.a.completed.size() >= ops.size() && k.b.immediates.size() >= ops.size(); }));
        CHECK(k.a.net.poll({}) == 0);
        std::vector<op> more(20);
        for (op& o : more) REQUIRE(k.write(o, 0, 0, 8, 2));
        REQUIRE(k.until([&] { return k.a.poll(1), k.b.poll(1), k.b.immediates.count(2) >= more.size(); }));
        REQUIRE(k.until([&] { return k.a.completed.size() >= 40; }));
        k.settle();
        CHECK(k.b.immediates.size() == 40);
    }

    if constexpr (waitable<F>) {
        SUBCASE("wait sleeps, not longer than told, and wakes for what arrives") {
            K k(make());
            k.exchange();
            k.settle();
            const auto start = std::chrono::steady_clock::now();
            k.b.net.wait(duration{20'000'000});
            CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
            op& o = k.fresh();
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, std::as_bytes(std::span("wake", 4)), o); }));
            REQUIRE(k.until([&] { return k.b.net.wait(duration{100'000}), !k.b.messages.empty(); }));
        }
        SUBCASE("a wait for less than nothing ends at once, one without end for news, and one is not over before its "
                "time") {
            K k(make());
            k.exchange();
            k.settle();
            const auto start = std::chrono::steady_clock::now();
            k.b.net.wait(duration{-10'000'000});
            k.b.net.wait(duration{std::numeric_limits<std::int64_t>::min()});
            CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
            for (int i = 0; i < 3; ++i) { // it may wake for nothing, but then it says so
                const auto begin = std::chrono::steady_clock::now();
                const bool over = !k.b.net.wait(duration{400'000'000});
                if (over) CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(400));
            }
            op& o = k.fresh();
            REQUIRE(k.insist([&] { return k.a.net.send(k.a.other, std::as_bytes(std::span("wake", 4)), o); }));
            CHECK(k.b.net.wait(duration{std::numeric_limits<std::int64_t>::max()}));
        }
    }
}

} // namespace ashlar::contract
