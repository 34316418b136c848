// SPDX-License-Identifier: Apache-2.0
// A peer that has the fleet's key and no good in mind, against either side of a mover: every message that the format
// can say, with numbers that are nearly right, bits flipped, frames repeated, immediates of its own making. The victim
// tells once how its transfer ended, lends nothing that it would not, and has every page back when the peer is gone.
#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>
#include <ashlar/kv/transfer_heard.hpp>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "engine.hpp"

using namespace ashlar;
using namespace ashlar::literals;

namespace {
using layout = kv::block_first<f16, kv::tokens<4>>;
constexpr kv::geometry shape{.layers = 3, .kv_heads = 1, .head_dim = 4, .blocks = 16};
constexpr kv::cache_options memory{.pages = shape.blocks,
                                   .tokens_per_block = 4,
                                   .sequences_max = 4,
                                   .blocks_per_sequence_max = 8,
                                   .leases_max = 4,
                                   .salt = {3, 4},
                                   .prefix_caching = false};

kv::mover_options options_of(std::uint64_t seed) {
    return {.transfers_max = 2,
            .writes_max = 8,
            .peers_max = 2,
            .lease = 200_ms,
            .renew_every = 20_ms,
            .resend_after = 10_ms,
            .verify = true,
            .pull = seed % 3 == 0};
}

struct rogue {
    fabric::loopback net;
    std::vector<std::byte> bytes = std::vector<std::byte>(4096);
    fabric::region region = net.register_memory({bytes.data(), bytes.size()}).value();
    fabric::peer_id victim{};
    kv::channel line{77, 64};
    random_stream& random;
    std::array<fabric::op, 64> ops{};
    std::array<std::byte, kv::frame_bytes_max> last{};
    std::size_t last_size = 0;
    std::optional<kv::control> heard{};

    rogue(fabric::loopback_hub& hub, random_stream& r) : net(hub), random(r) {}
    std::uint32_t near(std::uint32_t right) { // mostly right
        switch (random.below(12)) {
        case 0:
            return right + 1;
        case 1:
            return static_cast<std::uint32_t>(random.below(UINT64_C(1) << 32));
        case 2:
            return UINT32_MAX;
        case 3:
            return 0;
        default:
            return right;
        }
    }
    fabric::op* unused() {
        for (fabric::op& o : ops) {
            if (o.status != fabric::op_status::pending) return &o;
        }
        return nullptr;
    }
    void send(std::span<const std::byte> frame) {
        if (fabric::op* o = unused()) (void)net.send(victim, frame, *o);
    }
    void say(const kv::control& c) {
        std::array<std::byte, kv::message_bytes_max> message{};
        if (const std::size_t n = kv::encode(c, message)) (void)line.push(std::span(message).first(n));
    }
    void poll(instant now) {
        std::array<fabric::completion, 16> done;
        for (std::size_t n = net.poll(done), i = 0; i < n; ++i) {
            if (done[i].what != fabric::completion::kind::message) continue;
            std::span<const std::byte> message;
            if (line.receive(done[i].message, message) != kv::channel::heard::message) continue;
            line.accept();
            if (const auto c = kv::decode_control(message)) heard = *c;
        }
        (void)line.tick(now, 10_ms);
        while (const std::size_t n = line.peek(last)) {
            last_size = n;
            line.posted(now);
            auto frame = last;
            if (random.chance(0.05f)) frame[random.below(n)] ^= static_cast<std::byte>(1u << random.below(8));
            send(std::span(frame).first(random.chance(0.03f) ? 1 + random.below(n) : n));
            if (random.chance(0.1f)) send(std::span(frame).first(n));
        }
    }
    kv::control anything(kv::verb what, transfer_id transfer, std::uint32_t to) {
        kv::control c{
            .what = what, .transfer = {transfer.value + (random.chance(0.05f) ? 1 : 0)}, .to_handle = near(to)};
        c.from_handle = near(0);
        c.layer = near(static_cast<std::uint32_t>(random.below(shape.layers)));
        c.first_block = near(static_cast<std::uint32_t>(random.below(3)));
        c.writes = near(1);
        c.offered = random.chance(0.3f), c.failed = random.chance(0.1f), c.repeat = random.chance(0.2f);
        c.total = random.below(10);
        c.reason = static_cast<errc>(random.below(16));
        c.source = region.remote;
        for (std::uint64_t i = random.below(3); i < 3; ++i) {
            const std::uint32_t blocks = near(1);
            c.blocks += blocks;
            (void)c.pieces.push_back({blocks, near(0), near(0)});
        }
        if (what == kv::verb::again) c.blocks = near(1);
        return c;
    }
    void immediate(std::uint32_t slot) {
        fabric::op* o = unused();
        if (o) (void)net.write(victim, {&region, 0, 0}, {{}, 0}, near(slot) << 12 | near(0) % 4096, *o);
    }
};

template <class Act>
void survive(std::uint64_t seed, bool victim_sends, Act&& act) {
    CAPTURE(seed);
    random_stream random{.seed = seed};
    fabric::loopback_hub hub;
    test::engine<fabric::loopback, layout> victim(shape, memory, options_of(seed), 22, hub);
    auto evil = std::make_unique<rogue>(hub, random);
    victim.other = victim.net.connect(evil->net.address()).value();
    evil->victim = evil->net.connect(victim.net.address()).value();
    const std::vector<token_id> prompt(10, 3);
    REQUIRE(victim.pages.open({1}, prompt, 4));
    REQUIRE(victim.pages.open({2}, prompt, 4)); // nobody has a right to these
    instant now{};
    std::array<std::byte, kv::ticket_bytes_max> buffer{};
    transfer_id transfer{};
    std::uint32_t slot = 0;
    if (victim_sends) {
        kv::ticket t{.instance = {1},
                     .epoch = {77},
                     .transfer = {500},
                     .slot = 3,
                     .layout = victim.layout.hash(),
                     .pool = {0, evil->region.remote.key, 4096},
                     .strides = victim.layout.strides(),
                     .tokens = 10,
                     .deadline = 1_s};
        REQUIRE(t.runs.push_back({0, 3, 0}));
        const auto sent = victim.mover.send({1}, victim.other, kv::encode(t, test::fleet, buffer).value(), now);
        REQUIRE(sent);
        transfer = *sent;
        REQUIRE(victim.mover.all_ready(transfer, {0, 3}));
    } else {
        const auto g = victim.mover.grant({1}, 10, 0, now, buffer);
        REQUIRE(g);
        transfer = g->transfer;
        slot = kv::decode_ticket(g->ticket, test::fleet)->slot;
        evil->say({.what = kv::verb::start,
                   .transfer = transfer,
                   .to_handle = slot,
                   .epoch = {22},
                   .tag = kv::ticket_tag(g->ticket)});
    }
    int told = 0;
    const auto turn = [&] {
        victim.mover.tick(now);
        victim.mover.poll(now);
        kv::transfer_event e;
        while (victim.mover.next_event(e)) {
            ++told;
            REQUIRE(e.transfer == transfer);
        }
        REQUIRE(victim.pages.check());
        now = now + 1_ms;
    };
    for (int step = 0; step < 60; ++step, turn()) {
        if (random.chance(0.7f)) act(*evil, transfer, slot, random);
        evil->poll(now);
    }
    evil.reset();
    for (int step = 0; step < 10; ++step, now = now + 30_ms) turn(); // a lease, if its `start` was never understood
    CHECK(told == 1);
    REQUIRE(victim.pages.close({1}));
    REQUIRE(victim.pages.close({2}));
    CHECK(victim.pages.counts().free == shape.blocks);
    CHECK(victim.mover.idle());
}
} // namespace

TEST_CASE("a rogue sender ends its own transfer at the worst") {
    for (std::uint64_t seed = 0; seed < 1500; ++seed)
        survive(seed, false, [](rogue& evil, transfer_id transfer, std::uint32_t slot, random_stream& random) {
            if (random.chance(0.3f)) evil.immediate(slot);
            evil.say(evil.anything(static_cast<kv::verb>(1 + random.below(8)), transfer, slot));
        });
}

TEST_CASE("a rogue receiver ends its own transfer at the worst") {
    for (std::uint64_t seed = 0; seed < 1500; ++seed)
        survive(seed, true, [](rogue& evil, transfer_id transfer, std::uint32_t, random_stream& random) {
            if (!evil.heard) return;
            constexpr std::array usual{kv::verb::go, kv::verb::again, kv::verb::again, kv::verb::done};
            const auto what = random.chance(0.7f) ? usual[random.below(4)] : static_cast<kv::verb>(1 + random.below(8));
            evil.say(evil.anything(what, transfer, evil.heard->from_handle));
        });
}
