// SPDX-License-Identifier: Apache-2.0
#include <ashlar/fabric/shared_ring.hpp>

#include <cstdio>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using namespace ashlar::fabric;

namespace {
struct fixture {
    static constexpr std::uint32_t capacity = 8192;
    ring_positions at{};
    std::vector<std::byte> bytes = std::vector<std::byte>(capacity);
    ring_sender out{at, bytes.data(), capacity};
    ring_receiver in{at, bytes.data(), capacity};
    std::vector<std::byte> got = std::vector<std::byte>(4096);
    ring_record r;
};
} // namespace

TEST_CASE("records of every size pass in order across the wrap, and a full ring says again") {
    fixture f;
    std::uint32_t sent = 0, received = 0;
    std::vector<std::byte> payload(4096);
    while (received < 5000) {
        const auto size = static_cast<std::size_t>(mix(sent) % 4097);
        if (const auto room = f.out.room_for(size)) {
            for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(sent + i);
            f.out.push({.what = 1, .immediate = sent++}, std::span(payload).first(size));
            continue;
        } else
            REQUIRE(room.error().code == errc::again);
        while (f.in.pop(f.r, f.got).value()) {
            REQUIRE(f.r.immediate == received);
            REQUIRE(f.r.size == mix(received) % 4097);
            for (std::size_t i = 0; i < f.r.size; ++i) REQUIRE(f.got[i] == static_cast<std::byte>(received + i));
            ++received;
        }
    }
    CHECK(f.in.empty());
}

TEST_CASE("what is appended is seen when it is published, not before") {
    fixture f;
    REQUIRE(f.out.room_for(4));
    f.out.append({.what = 1, .immediate = 1}, {});
    f.out.append({.what = 1, .immediate = 2}, {});
    CHECK(f.in.empty());
    CHECK_FALSE(f.in.pop(f.r, f.got).value());
    f.out.publish();
    for (std::uint32_t i : {1u, 2u}) {
        REQUIRE(f.in.pop(f.r, f.got).value());
        CHECK(f.r.immediate == i);
    }
    CHECK(f.in.empty());
}

TEST_CASE("a sender that lies about positions or sizes is corrupt, never an overrun") {
    for (std::uint32_t tail : {8u, 15u, 8193u, 0x80000000u, 0xffffffffu}) {
        fixture f;
        f.at.tail.store_seq_cst(tail);
        CHECK(f.in.pop(f.r, f.got).error().code == errc::corrupt);
    }
    for (std::uint32_t size : {1u, 4097u, 0xfffffff0u, 0xffffffffu}) {
        fixture f;
        f.out.push({.what = 1}, {});
        std::memcpy(f.bytes.data() + 4, &size, 4);
        CHECK(f.in.pop(f.r, f.got).error().code == errc::corrupt);
    }
    fixture f;
    f.at.head.store_seq_cst(1u << 20); // and a receiver that lies
    CHECK(f.out.room_for(0).error().code == errc::corrupt);
}

TEST_CASE("whatever stands in the ring, nothing is touched outside of it") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        fixture f;
        for (std::size_t i = 0; i < f.bytes.size(); i += 4) {
            const auto noise = static_cast<std::uint32_t>(mix(seed << 20 | i) >> (seed % 24 + 8));
            std::memcpy(f.bytes.data() + i, &noise, 4);
        }
        f.at.tail.store_seq_cst(static_cast<std::uint32_t>(mix(seed) % 8193 / 16 * 16));
        for (int i = 0; i < 600; ++i) {
            const auto r = f.in.pop(f.r, f.got);
            if (!r || !*r) break;
        }
    }
}

TEST_CASE("two threads: everything arrives, in order") {
    fixture f;
    constexpr std::uint32_t count = 20000;
    std::thread sender([&] {
        for (std::uint32_t i = 0; i < count;) {
            if (!f.out.room_for(i % 200))
                std::this_thread::yield();
            else {
                std::byte payload[200];
                std::memset(payload, static_cast<int>(i & 0xff), sizeof payload);
                f.out.push({.what = 1, .immediate = i}, std::span(payload).first(i % 200));
                ++i;
            }
        }
    });
    std::uint32_t next = 0, wrong = 0;
    while (next < count) {
        if (!f.in.pop(f.r, f.got).value()) {
            std::this_thread::yield();
            continue;
        }
        wrong += f.r.immediate != next || f.r.size != next % 200;
        for (std::size_t i = 0; i < f.r.size; ++i) wrong += f.got[i] != static_cast<std::byte>(next);
        ++next;
    }
    sender.join();
    CHECK(wrong == 0);
}
