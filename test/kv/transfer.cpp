// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>
#include <ashlar/kv/transfer.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "engine.hpp"

using namespace ashlar;
using namespace ashlar::literals;

namespace {

constexpr kv::geometry shape{.layers = 3, .kv_heads = 2, .head_dim = 4, .blocks = 40};
using test::fleet;
constexpr kv::mover_options usual{.transfers_max = 4,
                                  .writes_max = 24,
                                  .peers_max = 4,
                                  .lease = 1_s,
                                  .renew_every = 100_ms,
                                  .resend_after = 50_ms,
                                  .verify = true,
                                  .pull = false};

constexpr kv::cache_options memory{.pages = shape.blocks,
                                   .tokens_per_block = 4,
                                   .sequences_max = 8,
                                   .blocks_per_sequence_max = 32,
                                   .leases_max = 8,
                                   .salt = {3, 4},
                                   .prefix_caching = true};

template <class Layout>
struct engine : test::engine<fabric::loopback, Layout> {
    engine(fabric::loopback_hub& hub, std::uint64_t epoch, kv::mover_options options = usual)
        : test::engine<fabric::loopback, Layout>(shape, memory, options, epoch, hub) {}

    // Leaves holes of one page at every `every`-th place.
    void fragment(std::uint32_t every) {
        std::vector<token_id> one{1};
        for (std::uint64_t i = 0; i < 8 && every; ++i) REQUIRE(this->pages.open({1000 + i}, one, every * 4 - 1));
        for (std::uint64_t i = 0; i < 8 && every; i += 2) REQUIRE(this->pages.close({1000 + i}));
    }
    void fill(request_id r, std::uint32_t blocks) {
        for (std::uint32_t l = 0; l < shape.layers; ++l)
            for (std::uint32_t b = 0; b < blocks; ++b)
                for (std::size_t i = 0; i < this->layout.page_bytes(); ++i)
                    this->page(r, b, l)[i] = static_cast<std::byte>(mix(r.value * 7919 + l * 131 + b, i));
    }
};

template <class From, class To = From>
struct couple {
    fabric::loopback_hub hub;
    engine<From> p;
    engine<To> d;
    instant now{};
    std::array<std::byte, kv::ticket_bytes_max> buffer{};
    std::vector<kv::transfer_event> at_p, at_d;

    explicit couple(kv::mover_options options = usual) : p(hub, 11, options), d(hub, 22, options) {
        test::connect(p, d);
    }
    void run(int rounds = 200, duration step = 1_ms) {
        for (int i = 0; i < rounds; ++i, now = now + step) {
            p.mover.tick(now), d.mover.tick(now);
            p.mover.poll(now), d.mover.poll(now);
            kv::transfer_event e;
            while (p.mover.next_event(e)) at_p.push_back(e);
            while (d.mover.next_event(e)) at_d.push_back(e);
            REQUIRE(p.pages.check());
            REQUIRE(d.pages.check());
        }
    }
    std::span<const std::byte> open(request_id r, const std::vector<token_id>& prompt) {
        const auto o = d.pages.open(r, prompt, 5);
        REQUIRE(o);
        REQUIRE(p.pages.open(r, prompt, 0));
        const auto g = d.mover.grant(r, std::uint32_t(prompt.size()), o->cached_tokens, now, buffer);
        REQUIRE(g);
        return g->ticket;
    }
    void compute(transfer_id t, std::size_t prompt, std::size_t chunk) {
        for (std::size_t at = 0; at < prompt; at += chunk) {
            const auto range = kv::blocks_completed(at, std::min(chunk, prompt - at), prompt, 4);
            for (std::uint32_t l = 0; l < shape.layers; ++l) {
                REQUIRE(p.mover.layer_ready(t, {l}, range.first, range.count));
                run(1);
            }
        }
    }
    void nothing_left() {
        for (const kv::cache* pages : {&p.pages, &d.pages}) {
            CHECK(pages->counts().leased == 0);
            CHECK(pages->counts().quarantined == 0);
        }
        CHECK(p.mover.sending() == 0);
        CHECK(d.mover.receiving() == 0);
    }
};

std::vector<token_id> prompt_of(std::size_t n, int seed = 0) {
    std::vector<token_id> tokens(n);
    for (std::size_t i = 0; i < n; ++i) tokens[i] = static_cast<token_id>(mix(seed, i) % 1000);
    return tokens;
}

using by_block = kv::block_first<f16, kv::tokens<4>>;
using by_layer = kv::layer_first<f16, kv::tokens<4>>;

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
    test::connect(w.p, w.d);
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
    engine<by_block> d(hub, 22);
    auto p = std::make_unique<engine<by_block>>(hub, 11);
    test::connect(*p, d);
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

TEST_CASE("a ticket is not presented to a peer that is down, nor to one that was never connected") {
    couple<by_block> w;
    const auto ticket = w.open({1}, prompt_of(12));
    w.p.net.disconnect(w.p.other);
    CHECK(w.p.mover.send({1}, w.p.other, ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.send({1}, {7}, ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.send({1}, fabric::peer_id::none(), ticket, w.now).error().code == errc::peer_down);
    CHECK(w.p.mover.sending() == 0);
    CHECK(w.p.pages.counts().leased == 0);
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

// The five injected references of vllm#52234: none may move a byte, each has its own error.
namespace {
kv::transfer_event refused(couple<by_block>& w, std::span<const std::byte> ticket, request_id r) {
    const auto before = w.d.bytes;
    w.at_p.clear();
    const auto t = w.p.mover.send(r, w.p.other, ticket, w.now);
    if (!t) return {.ok = false, .fault = t.error()};
    (void)w.p.mover.all_ready(*t, {0, 3});
    w.run(20);
    REQUIRE(w.at_p.size() == 1);
    CHECK(w.d.bytes == before);
    return w.at_p[0];
}
kv::ticket opened(std::span<const std::byte> bytes) { return kv::decode_ticket(bytes, fleet).value(); }
} // namespace

TEST_CASE("vllm#52234: an unknown request id is refused as not found") {
    couple<by_block> w;
    auto t = opened(w.open({1}, prompt_of(12)));
    t.transfer.value += 5;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::not_found);
}

TEST_CASE("vllm#52234: block ids out of range are refused as out of range") {
    couple<by_block> w;
    auto t = opened(w.open({1}, prompt_of(12)));
    t.runs[0].first = shape.blocks - 1;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::out_of_range);
}

TEST_CASE("vllm#52234: a consumed reference that is used again at once is refused as replayed") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    const auto t = w.p.mover.send({1}, w.p.other, bytes, w.now);
    CHECK(w.p.mover.send({1}, w.p.other, bytes, w.now).error().code == errc::replayed); // while it runs
    REQUIRE(w.p.mover.all_ready(*t, {0, 3}));
    w.run(20);
    REQUIRE(w.at_d.at(0).ok);
    CHECK(refused(w, bytes, {1}).fault.code == errc::replayed); // and after
}

TEST_CASE("vllm#52234: a stale reference, after its pages were reused or its issuer restarted, is refused") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    const auto id = opened(bytes).transfer;
    REQUIRE(w.d.mover.cancel(id));
    REQUIRE(w.d.pages.close({1}));
    w.run(5);
    REQUIRE(w.d.pages.open({9}, prompt_of(12, 9), 4)); // another prompt has the pages now
    CHECK(refused(w, bytes, {1}).fault.code == errc::cancelled);
    auto t = opened(bytes);
    t.epoch = {23}; // a former life of the issuer
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::stale);
}

TEST_CASE("vllm#52234: a reference beyond its lease is refused as expired") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    w.run(30, 50_ms); // 1.5 s, the lease is 1 s
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].fault.code == errc::expired);
    CHECK(w.d.pages.counts().quarantined == 0); // nobody had ever come: nobody to wait for
    CHECK(refused(w, bytes, {1}).fault.code == errc::expired);
}

TEST_CASE("whoever does not hold a ticket cannot use it up") {
    couple<by_block> w;
    std::array<std::byte, kv::ticket_bytes_max> copy{};
    const auto bytes = w.open({1}, prompt_of(12));
    std::copy(bytes.begin(), bytes.end(), copy.begin());
    auto t = opened(bytes);
    t.slot ^= 1; // the transfer is right, all else is guessed
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::forged);
    w.at_p.clear();
    const auto honest = w.p.mover.send({1}, w.p.other, std::span(copy).first(bytes.size()), w.now);
    REQUIRE(honest);
    REQUIRE(w.p.mover.all_ready(*honest, {0, 3}));
    w.run(20);
    REQUIRE(w.at_d.size() == 1);
    CHECK(w.at_d[0].ok);
}

TEST_CASE("a ticket changed on its way is refused as forged, another layout as an invalid argument") {
    couple<by_block> w;
    const auto bytes = w.open({1}, prompt_of(12));
    w.buffer[40] ^= std::byte{1};
    CHECK(refused(w, bytes, {1}).fault.code == errc::forged);
    w.buffer[40] ^= std::byte{1};
    auto t = opened(bytes);
    t.layout.lo ^= 1;
    CHECK(refused(w, kv::encode(t, fleet, w.buffer).value(), {1}).fault.code == errc::invalid_argument);
}
