// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>
#include <ashlar/kv/channel.hpp>

#include <utility>
#include <vector>

using namespace ashlar;
using namespace ashlar::literals;
using bytes = std::vector<std::byte>;

TEST_CASE("messages arrive once and in order over a network that loses, repeats and reorders") {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        random_stream random{.seed = seed};
        kv::channel ends[2] = {{101, 5}, {202, 5}};
        std::vector<std::pair<int, bytes>> wire; // to whom
        int sent[2] = {}, received[2] = {};
        instant now{};
        for (int step = 0; step < 6000 && (received[0] < 40 || received[1] < 40); ++step, now = now + 1_ms) {
            const int i = static_cast<int>(random.below(2));
            if (sent[i] < 40) {
                const std::byte message[] = {std::byte(sent[i])};
                sent[i] += ends[i].push(message);
            }
            (void)ends[i].tick(now, 20_ms);
            std::byte frame[kv::frame_bytes_max];
            while (const auto n = ends[i].peek(frame)) {
                ends[i].posted(now);
                if (random.chance(0.7f)) wire.push_back({1 - i, bytes(frame, frame + n)});
                if (random.chance(0.2f)) wire.push_back({1 - i, bytes(frame, frame + n)});
            }
            if (wire.empty()) continue;
            const auto pick = random.below(wire.size());
            const auto [to, data] = wire[pick];
            wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(pick));
            std::span<const std::byte> message;
            const auto heard = ends[to].receive(data, message);
            REQUIRE(heard <= kv::channel::heard::message);
            if (heard == kv::channel::heard::message && random.chance(0.8f)) { // sometimes there is no room for it
                REQUIRE(message.size() == 1);
                REQUIRE(static_cast<int>(message[0]) == received[to]++);
                ends[to].accept();
            }
        }
        CHECK(received[0] == 40);
        CHECK(received[1] == 40);
    }
}

TEST_CASE("a frame of a former life is recognised, and whoever writes to one is told") {
    kv::channel a(1, 4), b(2, 4);
    std::byte frame[kv::frame_bytes_max], old[kv::frame_bytes_max];
    std::span<const std::byte> message;
    const std::byte hello[] = {std::byte{1}};
    REQUIRE(a.push(hello));
    const auto old_size = a.peek(old);
    a.posted({});
    CHECK(b.receive({old, old_size}, message) == kv::channel::heard::message);
    b.accept();
    auto n = b.peek(frame); // the acknowledgement
    b.posted({});
    CHECK(a.receive({frame, n}, message) == kv::channel::heard::nothing);
    CHECK(a.peer() == 2);
    b.reset(3); // b forgets
    REQUIRE(a.push(hello));
    n = a.peek(frame);
    a.posted({});
    CHECK(b.receive({frame, n}, message) ==
          kv::channel::heard::stranger); // a's life was b's former peer: a ghost for b
    CHECK(b.receive({old, old_size}, message) == kv::channel::heard::stranger);
    n = b.peek(frame); // a may live on: its network need not have told it
    REQUIRE(n > 0);
    b.posted({});
    CHECK(a.receive({frame, n}, message) == kv::channel::heard::restarted);
    a.reset(4);
    CHECK(a.receive({frame, n}, message) == kv::channel::heard::stranger); // no longer for it
    REQUIRE(a.push(hello));
    n = a.peek(frame);
    CHECK(b.receive({frame, n}, message) == kv::channel::heard::message);
    const std::byte junk[40] = {};
    CHECK(b.receive(junk, message) == kv::channel::heard::garbage);
}

TEST_CASE("who was forgotten before it heard a word is told, too") {
    kv::channel a(1, 4), b(2, 4);
    std::byte frame[kv::frame_bytes_max];
    std::span<const std::byte> message;
    const std::byte hello[] = {std::byte{1}};
    REQUIRE(a.push(hello));
    auto n = a.peek(frame);
    a.posted({});
    REQUIRE(b.receive({frame, n}, message) == kv::channel::heard::message);
    b.accept();
    b.reset(3);
    CHECK(b.receive({frame, n}, message) == kv::channel::heard::stranger); // a sends it again: nothing has come back
    n = b.peek(frame);
    REQUIRE(n > 0);
    CHECK(a.receive({frame, n}, message) == kv::channel::heard::restarted);
}

TEST_CASE("a message that was turned away comes again when it is asked for, without a timer, and once") {
    kv::channel a(1, 4), b(2, 4);
    std::byte frame[kv::frame_bytes_max];
    std::span<const std::byte> message;
    const auto say = [&](kv::channel& from, kv::channel& to) { // one frame, if there is one
        const auto n = from.peek(frame);
        if (n) from.posted({});
        return n ? to.receive({frame, n}, message) : kv::channel::heard::garbage;
    };
    for (int i = 0; i < 3; ++i) {
        const std::byte one[] = {std::byte(i)};
        REQUIRE(a.push(one));
    }
    CHECK(say(a, b) == kv::channel::heard::message); // turned away
    CHECK(b.turned_away());
    CHECK(say(a, b) == kv::channel::heard::nothing);
    CHECK(say(a, b) == kv::channel::heard::nothing);
    CHECK(say(b, a) == kv::channel::heard::nothing); // an acknowledgement of nothing
    CHECK(a.peek(frame) == 0);
    b.ask_again();
    CHECK_FALSE(b.turned_away());
    CHECK(say(b, a) == kv::channel::heard::nothing);
    CHECK(b.peek(frame) == 0);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(say(a, b) == kv::channel::heard::message);
        CHECK(message[0] == std::byte(i));
        b.accept();
    }
    b.ask_again(); // nothing is missing
    CHECK(say(b, a) == kv::channel::heard::nothing);
    CHECK(a.idle());
    CHECK(b.idle());
}
