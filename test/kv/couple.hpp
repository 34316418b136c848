// SPDX-License-Identifier: Apache-2.0
// Two engines over loopback, in one thread: p computes, d decodes. Time is told, and the pages are checked all along.
//
//     couple<by_block> w;   const auto ticket = w.open({1}, prompt_of(12));   w.p.mover.send(...);   w.run(20);
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/fabric/loopback.hpp>

#include "engine.hpp"

namespace ashlar::test {

using namespace literals;

inline constexpr kv::geometry shape{.layers = 3, .kv_heads = 2, .head_dim = 4, .blocks = 40};
inline constexpr kv::mover_options usual{.transfers_max = 4,
                                         .writes_max = 24,
                                         .peers_max = 4,
                                         .lease = 1_s,
                                         .renew_every = 100_ms,
                                         .resend_after = 50_ms,
                                         .verify = true,
                                         .pull = false};

inline constexpr kv::cache_options memory{.pages = shape.blocks,
                                          .tokens_per_block = 4,
                                          .sequences_max = 8,
                                          .blocks_per_sequence_max = 32,
                                          .leases_max = 8,
                                          .salt = {3, 4},
                                          .prefix_caching = true};

template <class Layout, class Index = kv::radix_index<kv::lru>>
struct local_engine : engine<fabric::loopback, Layout, Index> {
    local_engine(fabric::loopback_hub& hub, std::uint64_t epoch, kv::mover_options options = usual)
        : engine<fabric::loopback, Layout, Index>(shape, memory, options, epoch, hub) {}

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

template <class From, class To = From, class Index = kv::radix_index<kv::lru>>
struct couple {
    fabric::loopback_hub hub;
    local_engine<From, Index> p;
    local_engine<To, Index> d;
    instant now{};
    std::array<std::byte, kv::ticket_bytes_max> buffer{};
    std::vector<kv::transfer_event> at_p, at_d;

    explicit couple(kv::mover_options options = usual) : p(hub, 11, options), d(hub, 22, options) { connect(p, d); }
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
        for (const auto* pages : {&p.pages, &d.pages}) {
            CHECK(pages->counts().leased == 0);
            CHECK(pages->counts().quarantined == 0);
        }
        CHECK(p.mover.sending() == 0);
        CHECK(d.mover.receiving() == 0);
    }
};

inline std::vector<token_id> prompt_of(std::size_t n, int seed = 0) {
    std::vector<token_id> tokens(n);
    for (std::size_t i = 0; i < n; ++i) tokens[i] = static_cast<token_id>(mix(seed, i) % 1000);
    return tokens;
}

using by_block = kv::block_first<f16, kv::tokens<4>>;
using by_layer = kv::layer_first<f16, kv::tokens<4>>;

} // namespace ashlar::test
