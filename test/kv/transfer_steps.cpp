// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>
#include <ashlar/kv/transfer_steps.hpp>

#include <array>
#include <vector>

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("with a single operation in flight at a time everything still arrives") {
    using layout = kv::layer_first<f32, kv::tokens<2>>;
    constexpr layout pages{{.layers = 5, .kv_heads = 1, .head_dim = 2, .blocks = 8}};
    constexpr kv::mover_options tight{.transfers_max = 1,
                                      .writes_max = 1,
                                      .peers_max = 1,
                                      .lease = 1_s,
                                      .renew_every = 100_ms,
                                      .resend_after = 50_ms,
                                      .verify = true,
                                      .pull = false};
    constexpr kv::cache_options small{.pages = 8,
                                      .tokens_per_block = 2,
                                      .sequences_max = 2,
                                      .blocks_per_sequence_max = 8,
                                      .leases_max = 1,
                                      .salt = {},
                                      .prefix_caching = false};
    fabric::loopback_hub hub;
    fabric::loopback a(hub, {.operations = 1, .inbound = 1}), b(hub, {.operations = 1, .inbound = 1});
    const auto to_b = a.connect(b.address()).value();
    REQUIRE(b.connect(a.address()));
    std::vector<std::byte> from(pages.bytes(), std::byte{7}), to(pages.bytes());
    const auto at_a = a.register_memory({from.data(), from.size()}).value();
    const auto at_b = b.register_memory({to.data(), to.size()}).value();
    kv::cache of_a(small), of_b(small);
    kv::mover<fabric::loopback, layout> p(a, of_a, pages, at_a, {{1}, {1}, {}}, tight);
    kv::mover<fabric::loopback, layout> d(b, of_b, pages, at_b, {{2}, {2}, {}}, tight);
    const std::vector<token_id> prompt(16, 3);
    REQUIRE(of_a.open({1}, prompt, 0));
    REQUIRE(of_b.open({1}, prompt, 0));
    std::array<std::byte, kv::ticket_bytes_max> buffer;
    const auto granted = d.grant({1}, 16, 0, {}, buffer);
    REQUIRE(granted);
    REQUIRE(p.send({1}, to_b, granted->ticket, {}));
    REQUIRE(p.all_ready(granted->transfer, {0, 8}));
    for (instant now{}; now.ns < 1'000'000'000 && !(p.idle() && d.idle()); now = now + 1_ms) {
        p.tick(now), d.tick(now);
        p.poll(now), d.poll(now);
    }
    kv::transfer_event e;
    REQUIRE(d.next_event(e));
    CHECK(e.ok);
    CHECK(from == to);
}
