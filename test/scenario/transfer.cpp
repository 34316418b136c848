// SPDX-License-Identifier: Apache-2.0
// Two engines hand KV pages over a network that does everything wrong, by seed: late, split, lost, doubled, overtaken,
// corrupted, failing and stalling operations, narrow links, partitions in one direction, cancellations on either side,
// tickets that never arrive, a side that dies. Checked all along: every page is accounted for on both sides, no byte
// lands in a page that nobody lent, every transfer ends exactly once on each side and in time, and what was received is
// what was sent.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <ashlar/kv/transfer.hpp>
#include <ashlar/sim.hpp>

#include "kv/engine.hpp"
#include "seeds.hpp"

using namespace ashlar;
using namespace ashlar::literals;

namespace {

using by_block = kv::block_first<f16, kv::tokens<4>>;
constexpr by_block pages_of_pool{.shape = {.layers = 3, .kv_heads = 1, .head_dim = 4, .blocks = 20}};
constexpr kv::mover_options usual{.transfers_max = 4,
                                  .writes_max = 16,
                                  .peers_max = 2,
                                  .lease = 60_ms,
                                  .renew_every = 10_ms,
                                  .resend_after = 5_ms,
                                  .verify = true,
                                  .pull = false};

constexpr kv::cache_options memory{.pages = pages_of_pool.shape.blocks,
                                   .tokens_per_block = 4,
                                   .sequences_max = 6,
                                   .blocks_per_sequence_max = 10,
                                   .leases_max = 8,
                                   .salt = {3, 4},
                                   .prefix_caching = true};

struct engine : test::engine<sim::endpoint, by_block> {
    bool alive = true;
    engine(sim::network& world, std::uint64_t epoch, const kv::mover_options& options)
        : test::engine<sim::endpoint, by_block>(pages_of_pool.shape, memory, options, epoch, world) {}
};

struct world {
    struct one { // a request
        std::vector<token_id> prompt{};
        std::uint32_t max_tokens = 0;
        instant start{};
        std::uint32_t cached_p = 0, ready = 0; // blocks
        std::vector<std::byte> ticket{};
        std::optional<instant> ticket_at{}; // when it reaches the prefill side; never, if it is lost
        std::optional<instant> cancel_p{}, cancel_d{};
        std::optional<transfer_id> sending{}, receiving{};
        int sent = 0, received = 0;
        bool began = false, over_p = true, over_d = true;
    };

    std::uint64_t seed;
    random_stream random{.seed = mix(seed, 99)};
    kv::mover_options options = usual;
    sim::network net;
    engine p, d;
    std::vector<one> all;
    std::string problem{};
    trace_hash trace{};
    instant next_tick{};
    std::optional<instant> dies{}, fenced_at{}, heals[2]{}; // heals: of the link from p, of the link from d
    bool prefill_dies = false;
    std::uint64_t delivered = 0, failed = 0;

    static sim::faults faults_of(std::uint64_t seed) {
        sim::faults how = seed % 3 == 0 ? sim::faults::slow() : sim::faults::rough();
        constexpr std::uint64_t rates[] = {0, 100'000, 1'000'000, 10'000'000};
        how.link_bytes_per_second = rates[mix(seed, 7) % 4];
        return how;
    }
    static kv::mover_options options_of(std::uint64_t seed) {
        kv::mover_options o = usual;
        o.pull = seed % 4 == 1;
        return o;
    }

    explicit world(std::uint64_t s)
        : seed(s), options(options_of(s)),
          net({.seed = s, .endpoints = 2, .operations = 48, .inbound = 48, .how = faults_of(s)}), p(net, 11, options),
          d(net, 22, options) {
        test::connect(p, d);
        net.guard({this, [](void* self, std::uint32_t number, const std::byte* at, std::size_t) {
                       auto& w = *static_cast<world*>(self);
                       if (number != w.d.net.number() || !w.d.alive) return true;
                       const auto block =
                           static_cast<std::uint32_t>((at - w.d.bytes.data()) / pages_of_pool.strides().block);
                       const kv::page_state now = w.d.pages.pool().state({block});
                       return now == kv::page_state::leased || now == kv::page_state::quarantined;
                   }});
        all.resize(1 + random.below(5));
        for (one& r : all) {
            const auto family = static_cast<token_id>(random.below(2) * 1000);
            for (auto n = 1 + random.below(24); n > 0; --n)
                r.prompt.push_back(family + static_cast<token_id>(r.prompt.size()));
            r.max_tokens = static_cast<std::uint32_t>(1 + random.below(8));
            r.start = at_random(30);
            if (random.chance(0.1f)) r.cancel_p = r.start + within(20);
            if (random.chance(0.1f)) r.cancel_d = r.start + within(20);
        }
        if (random.chance(0.15f)) dies = at_random(40), prefill_dies = random.chance(0.5f);
    }

    instant at_random(std::uint64_t ms) { return {static_cast<std::int64_t>(random.below(ms * 1'000'000))}; }
    duration within(std::uint64_t ms) { return at_random(ms) - instant{}; }
    void fail(std::string what) {
        if (problem.empty()) problem = "seed " + std::to_string(seed) + ": " + std::move(what);
    }
    request_id id(const one& r) const { return {static_cast<std::uint64_t>(&r - all.data()) + 1}; }
    std::uint32_t blocks(const one& r) const { return static_cast<std::uint32_t>((r.prompt.size() + 3) / 4); }
    // A page's bytes depend on the tokens before it only, so that equal prefixes have equal pages.
    static std::byte content(const one& r, std::uint32_t block, std::uint32_t layer, std::size_t i) {
        return static_cast<std::byte>(mix(static_cast<std::uint64_t>(r.prompt[0]) * 7919 + block * 131 + layer, i));
    }

    void run() {
        constexpr instant limit{3'000'000'000};
        while (problem.empty() && net.now() < limit) {
            const bool something = net.step(next_tick);
            const instant now = net.now();
            if (!something) {
                next_tick = now + 5_ms;
                if (p.alive) p.mover.tick(now);
                if (d.alive) d.mover.tick(now);
                if (random.chance(0.02f)) net.stall(random.chance(0.5f) ? 0 : 1, now + within(30));
                partition(now);
                act(now);
                if (at_rest()) break;
            }
            // Whoever computes does not poll all the time.
            if (!something || random.chance(0.5f)) poll(p, now), poll(d, now);
            if (net.counters().violations) fail("bytes landed in a page that nobody lent");
            if (p.alive && !p.pages.check()) fail("the prefill side's pages do not add up");
            if (d.alive && !d.pages.check()) fail("the decode side's pages do not add up");
        }
        if (problem.empty() && net.now() >= limit) fail("a transfer does not come to its end: " + where());
        if (problem.empty()) check_end();
        trace.add(net.trace().value());
        trace.add(delivered);
    }
    std::string where() const {
        return "sending " + std::to_string(p.mover.sending()) + ", receiving " + std::to_string(d.mover.receiving()) +
               ", open " + std::to_string(p.pages.open_count()) + "/" + std::to_string(d.pages.open_count());
    }

    bool at_rest() const {
        for (const one& r : all) {
            if (!r.began || !r.over_p || !r.over_d) return false;
        }
        return !fenced_at && !heals[0] && !heals[1] &&
               (!p.alive || (p.mover.sending() == 0 && p.pages.counts().quarantined == 0)) &&
               (!d.alive || (d.mover.receiving() == 0 && d.pages.counts().quarantined == 0));
    }

    // Shorter and longer than a lease.
    void partition(instant now) {
        for (std::uint32_t from : {0u, 1u}) {
            if (heals[from] && now >= *heals[from]) heals[from].reset(), net.heal(from, 1 - from);
            if (!heals[from] && now < instant{200'000'000} && random.chance(0.02f)) {
                net.cut(from, 1 - from);
                heals[from] = now + within(120);
            }
        }
    }

    void act(instant now) {
        if (dies && now >= *dies) {
            engine& victim = prefill_dies ? p : d;
            dies.reset();
            fenced_at = now + 60_ms; // whoever supervises the processes says so when the dead one can do no more harm
            victim.alive = false;
            net.kill(victim.net.number());
            for (one& r : all) (prefill_dies ? r.over_p : r.over_d) = true;
        }
        if (fenced_at && now >= *fenced_at) {
            fenced_at.reset();
            net.fence((prefill_dies ? p : d).net.number());
            engine& left = prefill_dies ? d : p;
            left.mover.peer_down(left.other);
        }
        for (one& r : all) {
            if (!r.began && now >= r.start) begin(r, now);
            if (p.alive && r.ticket_at && now >= *r.ticket_at) r.ticket_at.reset(), send(r, now);
            if (p.alive && r.sending && r.sent == 0 && r.ready < blocks(r)) compute(r);
            if (p.alive && r.sending && r.sent == 0 && r.cancel_p && now >= *r.cancel_p)
                (void)p.mover.cancel(*r.sending);
            if (d.alive && r.receiving && r.received == 0 && r.cancel_d && now >= *r.cancel_d)
                (void)d.mover.cancel(*r.receiving);
        }
    }

    void begin(one& r, instant now) {
        r.began = true;
        if (!d.alive) return;
        const auto opened = d.pages.open(id(r), r.prompt, r.max_tokens);
        if (!opened) return;
        std::array<std::byte, kv::ticket_bytes_max> buffer{};
        const auto g =
            d.mover.grant(id(r), static_cast<std::uint32_t>(r.prompt.size()), opened->cached_tokens, now, buffer);
        if (!g) {
            if (!d.pages.close(id(r))) fail("a request that was opened cannot be closed");
            return;
        }
        r.receiving = g->transfer;
        r.over_d = false;
        r.ticket.assign(g->ticket.begin(), g->ticket.end());
        if (!random.chance(0.05f)) r.ticket_at = now + within(10);
    }

    void send(one& r, instant now) {
        const auto opened = p.pages.open(id(r), r.prompt, 0);
        if (!opened) return;
        const auto t = p.mover.send(id(r), p.other, r.ticket, now);
        if (!t) {
            if (!p.pages.close(id(r))) fail("a request that was opened cannot be closed");
            return;
        }
        r.sending = *t;
        r.over_p = false;
        r.cached_p = r.ready = opened->cached_tokens / 4;
        if (r.ready) (void)p.mover.all_ready(*t, {0, r.ready});
        if (p.mover.send(id(r), p.other, r.ticket, now)) fail("a ticket was used twice");
    }

    void compute(one& r) {
        const auto count = static_cast<std::uint32_t>(1 + random.below(blocks(r) - r.ready));
        for (std::uint32_t layer = 0; layer < pages_of_pool.shape.layers; ++layer) {
            for (std::uint32_t b = r.ready; b < r.ready + count; ++b) {
                std::byte* at = p.page(id(r), b, layer);
                for (std::size_t i = 0; i < pages_of_pool.page_bytes(); ++i) at[i] = content(r, b, layer, i);
            }
            (void)p.mover.layer_ready(*r.sending, {layer}, r.ready, count);
        }
        r.ready += count;
    }

    void poll(engine& e, instant now) {
        if (!e.alive) return;
        e.mover.poll(now);
        kv::transfer_event x;
        while (e.mover.next_event(x)) {
            one& r = all[x.request.value - 1];
            trace.add(now.ns);
            trace.add(x.request.value << 8 | static_cast<std::uint64_t>(x.what) << 1 | x.ok);
            if (x.what == kv::transfer_event::kind::sent) {
                if (++r.sent != 1) fail("the prefill side was told twice");
                r.over_p = true;
                if (x.ok && r.ready < blocks(r)) fail("sent, but not computed");
                if (x.ok && !p.pages.commit(x.request, r.prompt)) fail("what was sent cannot be kept");
            } else {
                if (++r.received != 1) fail("the decode side was told twice");
                r.over_d = true;
                x.ok ? ++delivered : ++failed;
                if (x.ok) compare(r);
                if (x.ok && !d.pages.commit(x.request, r.prompt)) fail("what was received cannot be kept");
            }
            if (!e.pages.close(x.request)) fail("a request cannot be closed");
        }
    }

    void compare(one& r) {
        for (std::uint32_t layer = 0; layer < pages_of_pool.shape.layers; ++layer) {
            for (std::uint32_t b = 0; b < blocks(r); ++b) {
                const std::byte* at = d.page(id(r), b, layer);
                for (std::size_t i = 0; i < pages_of_pool.page_bytes(); ++i) {
                    if (at[i] != content(r, b, layer, i)) return fail("received bytes are not those that were sent");
                }
            }
        }
    }

    void check_end() {
        for (engine* e : {&p, &d}) {
            if (!e->alive) continue;
            const auto& c = e->pages.counts();
            if (e->pages.open_count() != 0) fail("a sequence is still open");
            if (c.free + c.cached != pages_of_pool.shape.blocks) fail("pages leaked");
        }
        for (const one& r : all) {
            if (d.alive && r.receiving && r.received != 1) fail("the decode side was never told");
            if (p.alive && r.sending && r.sent != 1) fail("the prefill side was never told");
        }
    }
};

} // namespace

TEST_CASE(
    "whatever the network does, pages add up, nothing lands where it may not, and each transfer ends once, right") {
    std::uint64_t delivered = 0, failed = 0;
    sim::network_counters seen;
    scenario::for_each_seed(10'000, [&](std::uint64_t seed) {
        world w(seed);
        w.run();
        REQUIRE_MESSAGE(w.problem.empty(), w.problem);
        delivered += w.delivered, failed += w.failed;
        seen.dropped += w.net.counters().dropped, seen.doubled += w.net.counters().doubled;
        seen.corrupted += w.net.counters().corrupted, seen.late += w.net.counters().late;
        seen.stalled += w.net.counters().stalled, seen.failed += w.net.counters().failed;
        seen.held += w.net.counters().held;
        if (seed % 20 != 0) return;
        world again(seed);
        again.run();
        REQUIRE_MESSAGE(again.trace == w.trace, "seed " << seed << ": the second run differs");
    });
    MESSAGE(delivered << " delivered, " << failed << " failed; messages lost " << seen.dropped << ", doubled "
                      << seen.doubled << "; writes corrupted " << seen.corrupted << ", failed " << seen.failed
                      << ", late " << seen.late << "; stalls " << seen.stalled << ", held by cut links " << seen.held);
    CHECK(delivered > 0);
    if (!std::getenv("ASHLAR_SEED")) CHECK(seen.held > 0);
}
