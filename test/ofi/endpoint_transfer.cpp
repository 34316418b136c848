// SPDX-License-Identifier: Apache-2.0
// A kv transfer over libfabric, with time that stands still: whatever would wait for a timer never ends.
#include <ashlar/ofi/endpoint.hpp>

#include <array>
#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "../kv/engine.hpp"
#include "providers.hpp"

using namespace ashlar;
using namespace ashlar::literals;

TEST_CASE("a receiver that was away while every layer was announced catches up without a timer") {
    using layout = kv::block_first<f16, kv::tokens<4>>;
    constexpr kv::geometry shape{.layers = 24, .kv_heads = 2, .head_dim = 16, .blocks = 8};
    constexpr kv::cache_options memory{.pages = 8,
                                       .tokens_per_block = 4,
                                       .sequences_max = 2,
                                       .blocks_per_sequence_max = 8,
                                       .leases_max = 2,
                                       .salt = {},
                                       .prefix_caching = false};
    for (const std::string& provider : test::providers())
        for (bool pull : {false, true}) {
            CAPTURE(provider);
            CAPTURE(pull);
            const kv::mover_options options{.transfers_max = 2,
                                            .writes_max = 64,
                                            .peers_max = 2,
                                            .lease = 10_s,
                                            .renew_every = 1_s,
                                            .resend_after = 1_s,
                                            .verify = true,
                                            .pull = pull};
            auto a = ofi::endpoint::open({.provider = provider.c_str()}),
                 b = ofi::endpoint::open({.provider = provider.c_str()});
            REQUIRE(a);
            REQUIRE(b);
            test::engine<ofi::endpoint, layout> p(shape, memory, options, 11, std::move(*a)),
                d(shape, memory, options, 22, std::move(*b));
            test::connect(p, d);
            for (std::size_t i = 0; i < p.bytes.size(); ++i) p.bytes[i] = static_cast<std::byte>(mix(i));
            const std::vector<token_id> prompt(32, 3);
            REQUIRE(p.pages.open({1}, prompt, 0));
            REQUIRE(d.pages.open({1}, prompt, 0));
            std::array<std::byte, kv::ticket_bytes_max> buffer;
            const auto granted = d.mover.grant({1}, 32, 0, {}, buffer);
            REQUIRE(granted);
            REQUIRE(p.mover.send({1}, p.other, granted->ticket, {}));
            const auto until = [](auto&& ready) {
                const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
                while (!ready() && std::chrono::steady_clock::now() < end) {
                }
            };
            until([&] { // `go`, answered to `start`
                p.mover.poll({}), d.mover.poll({});
                return p.mover.counters().messages > 0;
            });
            REQUIRE(p.mover.all_ready(granted->transfer, {0, 8}));
            for (int i = 0; i < 3000; ++i) p.mover.poll({});
            kv::transfer_event e{};
            bool over = false;
            until([&] {
                p.mover.poll({}), d.mover.poll({});
                return over = d.mover.next_event(e);
            });
            REQUIRE(over);
            CHECK(e.ok);
            CHECK(p.mover.counters().resent + d.mover.counters().resent == 0);
            CHECK(d.same_pages(p, {1}, 8));
        }
}
