// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>
#include <ashlar/kv/transfer_steps.hpp>

#include <array>
#include <vector>

#include "engine.hpp"

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("with a single operation in flight at a time everything still arrives") {
    using layout = kv::layer_first<f32, kv::tokens<2>>;
    constexpr kv::geometry shape{.layers = 5, .kv_heads = 1, .head_dim = 2, .blocks = 8};
    constexpr kv::cache_options small{.pages = 8,
                                      .tokens_per_block = 2,
                                      .sequences_max = 2,
                                      .blocks_per_sequence_max = 8,
                                      .leases_max = 1,
                                      .salt = {},
                                      .prefix_caching = false};
    for (bool pull : {false, true}) {
        CAPTURE(pull);
        const kv::mover_options tight{.transfers_max = 1,
                                      .writes_max = 1,
                                      .peers_max = 1,
                                      .lease = 1_s,
                                      .renew_every = 100_ms,
                                      .resend_after = 50_ms,
                                      .verify = true,
                                      .pull = pull};
        constexpr fabric::loopback_options one{.operations = 1, .inbound = 1};
        fabric::loopback_hub hub;
        test::engine<fabric::loopback, layout> p(shape, small, tight, 1, hub, one), d(shape, small, tight, 2, hub, one);
        test::connect(p, d);
        for (std::byte& b : p.bytes) b = std::byte{7};
        const std::vector<token_id> prompt(16, 3);
        REQUIRE(p.pages.open({1}, prompt, 0));
        REQUIRE(d.pages.open({1}, prompt, 0));
        std::array<std::byte, kv::ticket_bytes_max> buffer;
        const auto granted = d.mover.grant({1}, 16, 0, {}, buffer);
        REQUIRE(granted);
        REQUIRE(p.mover.send({1}, p.other, granted->ticket, {}));
        REQUIRE(p.mover.all_ready(granted->transfer, {0, 8}));
        for (instant now{}; now.ns < 1'000'000'000 && !(p.mover.idle() && d.mover.idle()); now = now + 1_ms) {
            p.mover.tick(now), d.mover.tick(now);
            p.mover.poll(now), d.mover.poll(now);
        }
        kv::transfer_event e;
        REQUIRE(d.mover.next_event(e));
        CHECK(e.ok);
        CHECK(p.bytes == d.bytes);
    }
}
