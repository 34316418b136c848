// SPDX-License-Identifier: Apache-2.0
#include <ashlar/ofi/buffers.hpp>

#include <cstddef>
#include <set>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/core/random.hpp>

using namespace ashlar;
using namespace ashlar::ofi;

TEST_CASE("a pool hands out each slot once, and null when none is left") {
    slot_pool<send_slot> pool(4);
    std::set<send_slot*> taken;
    for (std::size_t i = 0; i < 4; ++i) {
        send_slot* s = pool.take();
        REQUIRE(s);
        CHECK(pool.index(s) == i); // lowest first
        CHECK(s->busy);
        CHECK(taken.insert(s).second);
    }
    CHECK(pool.take() == nullptr);
    send_slot* third = &pool[2];
    pool.give(third);
    CHECK(!third->busy);
    CHECK(pool.take() == third);
    CHECK(pool.take() == nullptr);
}

TEST_CASE("only the context of a busy slot is believed when a provider returns it") {
    slot_pool<receive_slot> pool(3);
    receive_slot* s = pool.take();
    CHECK(pool.of(&s->context) == s);
    CHECK(pool.of(s) == s); // the context stands first
    CHECK(pool.of(reinterpret_cast<std::byte*>(s) + 1) == nullptr);
    CHECK(pool.of(&pool[1].context) == nullptr); // idle
    CHECK(pool.of(nullptr) == nullptr);
    CHECK(pool.of(&pool[0] + pool.size()) == nullptr);
    CHECK(pool.of(reinterpret_cast<std::byte*>(&pool[0]) - sizeof(receive_slot)) == nullptr);
    slot_pool<receive_slot> other(3);
    CHECK(pool.of(&other.take()->context) == nullptr);
    pool.give(s);
    CHECK(pool.of(&s->context) == nullptr);
}

TEST_CASE("taking and giving in any order agrees with a plain set") {
    slot_pool<send_slot> pool(16);
    std::vector<send_slot*> out;
    random_stream random(9);
    for (int step = 0; step < 20'000; ++step) {
        if (random.next() % 2) {
            send_slot* s = pool.take();
            REQUIRE_UNARY((s == nullptr) == (out.size() == 16));
            if (s) out.push_back(s);
        } else if (!out.empty()) {
            const std::size_t i = random.next() % out.size();
            pool.give(out[i]);
            out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
        }
        std::size_t busy = 0;
        for (std::size_t i = 0; i < pool.size(); ++i) busy += pool[i].busy;
        REQUIRE_UNARY(busy == out.size());
        for (send_slot* s : out) REQUIRE_UNARY(pool.of(&s->context) == s);
    }
}

TEST_CASE("a slot's context is large enough for what a provider may scribble there") {
    static_assert(sizeof(send_slot::context) >= sizeof(fi_context2) && sizeof(fi_context2) >= sizeof(fi_context));
    static_assert(std::is_trivially_copyable_v<message_header> && message_room == 16 + 4096);
    slot_pool<send_slot> pool(2);
    send_slot* s = pool.take();
    s->generation = 7;
    for (void*& word : s->context.internal) word = s;
    CHECK(s->generation == 7);
    CHECK(s->busy);
    CHECK(!pool[1].busy);
}
