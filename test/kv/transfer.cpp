// SPDX-License-Identifier: Apache-2.0
#include <ashlar/kv/transfer.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/kv/cost_aware.hpp>
#include <ashlar/kv/s3_fifo.hpp>
#include <ashlar/kv/slru.hpp>

#include "couple.hpp"

using namespace ashlar;
using namespace ashlar::literals;
using namespace ashlar::test;

namespace {
template <class From, class To>
void arrives(std::uint32_t p_holes, std::uint32_t d_holes, std::size_t chunk, bool pull) {
    auto options = usual;
    options.pull = pull;
    couple<From, To> w(options);
    w.p.fragment(p_holes), w.d.fragment(d_holes);
    const auto prompt = prompt_of(50);
    const auto ticket = w.open({1}, prompt);
    w.p.fill({1}, 13);
    const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    REQUIRE(t);
    w.compute(*t, prompt.size(), chunk);
    w.run(50);
    REQUIRE(w.at_p.size() == 1);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_p[0].ok);
    CHECK(w.at_d[0].ok);
    CHECK(w.at_d[0].bytes == 13 * 3 * w.d.layout.page_bytes());
    CHECK(w.d.same_pages(w.p, {1}, 13));
    w.nothing_left();
    CHECK((w.d.mover.counters().reads > 0) == pull);
}
} // namespace

TEST_CASE("a prompt arrives whole, whatever the chunks, the layouts and the holes in both pools") {
    for (std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{64}, std::size_t{1000}})
        for (std::uint32_t holes : {0u, 1u, 2u})
            for (bool pull : {false, true}) {
                CAPTURE(chunk);
                CAPTURE(holes);
                CAPTURE(pull);
                arrives<by_block, by_block>(holes, 2 - holes, chunk, pull);
                arrives<by_layer, by_layer>(holes, holes ? 3 - holes : 2, chunk, pull);
                if (chunk == 7) arrives<by_block, by_layer>(holes, 1, chunk, pull);
                if (chunk == 16) arrives<by_layer, by_block>(1, holes, chunk, pull);
            }
}

TEST_CASE("what the receiver has cached is not sent again") {
    couple<by_block> w;
    const auto prompt = prompt_of(30);
    auto ticket = w.open({1}, prompt);
    w.p.fill({1}, 8);
    auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    REQUIRE(w.p.mover.all_ready(*t, {0, 8}));
    w.run(20);
    REQUIRE(w.at_d.size() == 1);
    REQUIRE(w.at_d[0].ok);
    REQUIRE(w.d.pages.commit({1}, prompt));
    REQUIRE(w.d.pages.close({1}));
    REQUIRE(w.p.pages.close({1}));
    const auto writes = w.p.mover.counters().writes;
    ticket = w.open({2}, prompt); // 28 of 30 tokens are there: one block to send
    w.p.fill({2}, 8);
    t = w.p.mover.send({2}, w.p.other, ticket, w.now);
    REQUIRE(w.p.mover.all_ready(*t, {0, 8}));
    w.run(20);
    CHECK(w.at_d.size() == 2);
    CHECK(w.p.mover.counters().writes - writes == 3);
    CHECK(std::memcmp(w.p.page({2}, 7, 1), w.d.page({2}, 7, 1), w.p.layout.page_bytes()) == 0);
    w.nothing_left();
}

namespace {
// What a page holds is a matter of the tokens up to its end, so that a page found in a cache has it already.
template <class Engine, class Each>
void each_byte(Engine& e, request_id r, const std::vector<token_id>& prompt, std::uint32_t blocks, Each&& each) {
    std::uint64_t prefix = 0;
    for (std::uint32_t b = 0; b < blocks; ++b) {
        for (std::size_t i = b * 4; i < std::min(prompt.size(), std::size_t{b} * 4 + 4); ++i)
            prefix = mix(prefix, prompt[i]);
        for (std::uint32_t l = 0; l < shape.layers; ++l)
            for (std::size_t i = 0; i < e.layout.page_bytes(); ++i)
                each(e.page(r, b, l)[i], static_cast<std::byte>(mix(prefix + l, i)));
    }
}
template <class Engine>
bool holds(Engine& e, request_id r, const std::vector<token_id>& prompt, std::uint32_t blocks) {
    bool right = true;
    each_byte(e, r, prompt, blocks, [&](std::byte is, std::byte should) { right = right && is == should; });
    return right;
}
} // namespace

TEST_CASE_TEMPLATE("whatever index and policy full pools have, prompts that share beginnings arrive whole", Index,
                   kv::radix_index<kv::lru>, kv::radix_index<kv::slru>, kv::radix_index<kv::s3_fifo>,
                   kv::radix_index<kv::cost_aware>, kv::chain_index<kv::lru>, kv::chain_index<kv::s3_fifo>) {
    couple<by_block, by_block, Index> w;
    random_stream random{.seed = 17};
    for (std::uint64_t k = 1; k <= 120; ++k) {
        CAPTURE(k);
        auto prompt = prompt_of(24, static_cast<int>(random.below(4))); // one of four beginnings, and an end of its own
        prompt.resize(4 + random.below(20));
        for (auto more = 1 + random.below(24); more--;) prompt.push_back(static_cast<token_id>(random.below(1000)));
        const auto blocks = kv::blocks_for(prompt.size(), 4);
        const auto before_p = w.p.pages.counters(), before_d = w.d.pages.counters();
        const auto ticket = w.open({k}, prompt);
        const auto hits = [](const auto& now, const auto& before) {
            return static_cast<std::uint32_t>(now.prefix_hit_tokens - before.prefix_hit_tokens) / 4;
        };
        REQUIRE(holds(w.p, {k}, prompt, hits(w.p.pages.counters(), before_p)));
        REQUIRE(holds(w.d, {k}, prompt, hits(w.d.pages.counters(), before_d)));
        each_byte(w.p, {k}, prompt, blocks, [](std::byte& is, std::byte should) { is = should; });
        const auto t = w.p.mover.send({k}, w.p.other, ticket, w.now);
        REQUIRE(t);
        REQUIRE(w.p.mover.all_ready(*t, {0, blocks}));
        w.run(12);
        REQUIRE(w.at_d.size() == k);
        REQUIRE(w.at_d.back().ok);
        REQUIRE(holds(w.d, {k}, prompt, blocks));
        for (auto* pages : {&w.p.pages, &w.d.pages}) {
            REQUIRE(pages->commit({k}, prompt));
            REQUIRE(pages->close({k}));
        }
    }
    w.nothing_left();
    for (const auto* pages : {&w.p.pages, &w.d.pages}) {
        CHECK(pages->counters().evictions > 100);
        CHECK(pages->counters().prefix_hit_tokens > 400);
    }
}

TEST_CASE("a flipped byte is noticed, read once more, and only a lasting one ends the transfer") {
    couple<by_block> w;
    const auto prompt = prompt_of(8);
    const auto ticket = w.open({1}, prompt);
    w.p.fill({1}, 2);
    const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    w.run(5);
    REQUIRE(w.p.mover.all_ready(*t, {0, 2}));
    w.p.mover.poll(w.now); // written, not yet looked at
    w.d.page({1}, 1, 2)[5] ^= std::byte{1};
    w.run(50);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].ok);
    CHECK(w.d.mover.counters().checksum_failures == 1);
    CHECK(w.p.mover.counters().asked_again == 1);
    CHECK(w.d.same_pages(w.p, {1}, 2));
    w.nothing_left();
}

TEST_CASE("a silent sender loses its lease: the pages wait in quarantine until it has answered") {
    couple<by_block> w;
    const auto prompt = prompt_of(12);
    const auto ticket = w.open({1}, prompt);
    const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    w.run(5);
    REQUIRE(w.p.mover.layer_ready(*t, {0}, 0, 1));
    w.run(5);
    for (int i = 0; i < 20; ++i) w.now = w.now + 100_ms, w.d.mover.tick(w.now), w.d.mover.poll(w.now); // P is stuck
    kv::transfer_event e;
    REQUIRE(w.d.mover.next_event(e));
    CHECK_FALSE(e.ok);
    CHECK(e.fault.code == errc::expired);
    REQUIRE(w.d.pages.close({1}));
    CHECK(w.d.pages.counts().quarantined == 3);
    CHECK(w.d.pages.counts().free == shape.blocks - 3);
    w.run(50); // P is back, is told to stop, and says that it has
    CHECK(w.at_p.size() == 1);
    CHECK(w.d.pages.counts().free == shape.blocks);
    w.nothing_left();
}

TEST_CASE("leases are renewed while a layer computes for longer than a lease") {
    couple<by_block> w;
    const auto prompt = prompt_of(12);
    const auto ticket = w.open({1}, prompt);
    w.p.fill({1}, 3);
    const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    w.run(100, 50_ms); // 5 s
    REQUIRE(w.p.mover.all_ready(*t, {0, 3}));
    w.run(20);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].ok);
    CHECK(w.d.mover.counters().renewals > 10);
    w.nothing_left();
}

TEST_CASE("either side may cancel at any state, and every page comes back") {
    for (int when = 0; when < 12; ++when)
        for (bool decode_side : {false, true})
            for (bool pull : {false, true}) {
                auto options = usual;
                options.pull = pull;
                couple<by_block> w(options);
                const auto prompt = prompt_of(40);
                const auto ticket = w.open({1}, prompt);
                const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
                (void)w.p.mover.all_ready(*t, {0, 10});
                for (int i = 0; i < when; ++i) {
                    if (i % 2)
                        w.d.mover.poll(w.now);
                    else
                        w.p.mover.poll(w.now);
                }
                const bool live = decode_side ? bool(w.d.mover.cancel(*t)) : bool(w.p.mover.cancel(*t));
                REQUIRE(w.p.pages.close({1}));
                REQUIRE(w.d.pages.close({1}));
                w.run(100);
                REQUIRE(w.at_p.size() == 1);
                REQUIRE(w.at_d.size() == 1);
                if (live) CHECK((decode_side ? w.at_d : w.at_p)[0].fault.code == errc::cancelled);
                CHECK(w.p.pages.counts().free == shape.blocks);
                CHECK(w.d.pages.counts().free == shape.blocks);
                w.nothing_left();
            }
}

TEST_CASE("a peer that dies ends its transfers and gives the pages back") {
    couple<by_block> w;
    const auto prompt = prompt_of(40);
    const auto ticket = w.open({1}, prompt);
    const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
    w.run(3);
    REQUIRE(w.p.mover.layer_ready(*t, {0}, 0, 10));
    w.p.mover.poll(w.now);
    w.d.net.disconnect(w.d.other);
    w.p.net.disconnect(w.p.other);
    w.d.mover.peer_down(w.d.other);
    w.p.mover.peer_down(w.p.other);
    w.run(10);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].fault.code == errc::peer_down);
    REQUIRE(w.at_p.size() == 1);
    CHECK(w.at_p[0].fault.code == errc::peer_down);
    w.nothing_left();
    REQUIRE(w.d.pages.close({1}));
    CHECK(w.d.pages.counts().free == shape.blocks);
    // The same two engines, connected anew, work as before.
    REQUIRE(w.p.pages.close({1}));
    connect(w.p, w.d);
    const auto again = w.open({2}, prompt);
    w.p.fill({2}, 10);
    const auto u = w.p.mover.send({2}, w.p.other, again, w.now);
    REQUIRE(u);
    REQUIRE(w.p.mover.all_ready(*u, {0, 10}));
    w.run(50);
    REQUIRE(w.at_d.size() == 2);
    CHECK(w.at_d[1].ok);
    CHECK(w.d.same_pages(w.p, {2}, 10));
}

TEST_CASE("a start whose sender is down already ends the transfer at once instead of holding pages for a lease") {
    fabric::loopback_hub hub;
    local_engine<by_block> d(hub, 22);
    auto p = std::make_unique<local_engine<by_block>>(hub, 11);
    connect(*p, d);
    const auto prompt = prompt_of(12);
    std::array<std::byte, kv::ticket_bytes_max> buffer{};
    REQUIRE(d.pages.open({1}, prompt, 5));
    REQUIRE(p->pages.open({1}, prompt, 0));
    const auto g = d.mover.grant({1}, 12, 0, {}, buffer);
    REQUIRE(p->mover.send({1}, p->other, g->ticket, {}));
    p->mover.poll({}); // says `start`
    p.reset();
    d.mover.poll({}); // hears of the death first, then of the start
    kv::transfer_event e;
    REQUIRE(d.mover.next_event(e));
    CHECK_FALSE(e.ok);
    CHECK(e.fault.code == errc::peer_down);
    REQUIRE(d.pages.close({1}));
    CHECK(d.pages.counts().free == shape.blocks);
    CHECK(d.mover.receiving() == 0);
    CHECK(d.mover.idle());
}

TEST_CASE("a receiver that was away catches up without waiting for a timer") {
    for (bool pull : {false, true}) {
        CAPTURE(pull);
        auto options = usual;
        options.pull = pull;
        couple<by_block> w(options);
        const auto prompt = prompt_of(32);
        const auto ticket = w.open({1}, prompt);
        w.p.fill({1}, 8);
        const auto t = w.p.mover.send({1}, w.p.other, ticket, w.now);
        w.run(3, {});
        for (std::uint32_t l = 0; l < shape.layers; ++l) // each block of each layer is a message of its own
            for (std::uint32_t b = 0; b < 8; ++b) {
                REQUIRE(w.p.mover.layer_ready(*t, {l}, b, 1));
                for (int i = 0; i < 3; ++i) w.p.mover.poll(w.now);
            }
        w.run(30, {}); // and time stands still
        REQUIRE(w.at_d.size() == 1);
        CHECK(w.at_d[0].ok);
        CHECK(w.p.mover.counters().resent == 0);
        CHECK(w.d.mover.counters().resent == 0);
        CHECK(w.d.same_pages(w.p, {1}, 8));
        w.nothing_left();
    }
}

namespace {
struct unsure : fabric::loopback { // says down as soon as it doubts
    using fabric::loopback::loopback;
    static constexpr bool down_is_final = false;
};
} // namespace

TEST_CASE("where down may be a doubt, pages wait in quarantine until the peer is known to be dead") {
    fabric::loopback_hub hub;
    engine<unsure, by_block> d(shape, memory, usual, 22, hub);
    auto p = std::make_unique<engine<unsure, by_block>>(shape, memory, usual, 11, hub);
    connect(*p, d);
    const auto prompt = prompt_of(12);
    std::array<std::byte, kv::ticket_bytes_max> buffer{};
    REQUIRE(d.pages.open({1}, prompt, 0));
    REQUIRE(p->pages.open({1}, prompt, 0));
    const auto g = d.mover.grant({1}, 12, 0, {}, buffer);
    REQUIRE(p->mover.send({1}, p->other, g->ticket, {}));
    for (int i = 0; i < 5; ++i) p->mover.poll({}), d.mover.poll({});
    p.reset();
    d.mover.poll({});
    kv::transfer_event e;
    REQUIRE(d.mover.next_event(e)); // the request need not wait for that
    CHECK(e.fault.code == errc::peer_down);
    REQUIRE(d.pages.close({1}));
    for (int i = 0; i < 5; ++i) d.mover.poll({});
    CHECK(d.pages.counts().quarantined == 3);
    d.mover.peer_down(d.other);
    d.mover.poll({});
    CHECK(d.pages.counts().free == shape.blocks);
    CHECK_FALSE(d.mover.next_event(e));
    CHECK(d.mover.idle());
}
