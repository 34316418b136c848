// SPDX-License-Identifier: Apache-2.0
#include <ashlar/plan/cp.hpp>

#include <doctest/doctest.h>

#include <cstdint>

using namespace ashlar;
using namespace ashlar::plan;

namespace {
// Llama 3.1 405B as arXiv 2411.01783 ran it: a rank is a server of eight H100s.
constexpr cp_prompt llama(double fresh, double cached, int ranks) {
    return {.fresh = fresh, .cached = cached, .ranks = ranks, .query_heads = 128, .kv_heads = 8, .head_dim = 128};
}
constexpr cp_rank server{.compute = units::flop_rate(8 * 800e12), .wire = units::wire_rate(8 * 50e9)};
} // namespace

// Its overlap thresholds, for each rank of the ring, and its rule by bytes: 2 x 8 / 128 = 12.5 %.
static_assert(ring_kv_hidden_from(llama(1, 0, 4), server).value == 4 * 1000);
static_assert(ring_query_hidden_from(llama(1, 0, 4), server).value == 4 * 8000);
static_assert(passes_queries(llama(0.125 * 128000, 0.875 * 128000, 4)));
static_assert(!passes_queries(llama(0.126 * 128000, 0.874 * 128000, 4)));
static_assert(doublings(1) == 0 && doublings(2) == 1 && doublings(5) == 3 && doublings(100'000) == 17);
static_assert(doublings(0) == 0 && doublings(INT64_MAX) == 63);

TEST_CASE("the paper's rule is where both rings carry the same bytes") {
    const cp_prompt p = llama(0.125 * 128000, 0.875 * 128000, 4);
    CHECK(ring_kv_bytes(p).value == doctest::Approx(ring_query_bytes(p).value));
}

TEST_CASE("a whole prompt passes keys and values and a short turn behind a long context passes queries") {
    const cp_rank slow{server.compute, units::wire_rate(3e9), units::second(2e-5)}; // TCP: the wire decides
    CHECK(ring_kv_time(llama(128000, 0, 4), slow) < ring_query_time(llama(128000, 0, 4), slow));
    CHECK(ring_query_time(llama(1280, 126720, 4), slow) < ring_kv_time(llama(1280, 126720, 4), slow));
    CHECK(ring_time(llama(1280, 126720, 4), slow) == ring_query_time(llama(1280, 126720, 4), slow));
}

TEST_CASE("with its exit the query ring loses earlier than the rule says, as was measured") {
    const cp_rank slow{server.compute, units::wire_rate(3e9), units::second(2e-5)};
    const cp_prompt at_rule = llama(0.12 * 128000, 0.88 * 128000, 4);
    CHECK(passes_queries(at_rule));
    CHECK(ring_kv_time(at_rule, slow) < ring_query_time(at_rule, slow));
}

TEST_CASE("a long prompt hides its ring and then scales with the ranks") {
    const units::second one = ring_kv_time(llama(128000, 0, 1), server),
                        eight = ring_kv_time(llama(128000, 0, 8), server);
    CHECK(eight.value == doctest::Approx(one.value / 8).epsilon(0.001));
    CHECK(ring_query_time(llama(128000, 0, 1), server) == one);
}

TEST_CASE("a tree moves the same bytes at any context and a ring does not") {
    const cp_decode p{.requests = 16, .ranks = 8, .query_heads = 64, .kv_heads = 8, .head_dim = 128};
    const cp_rank r{{}, units::wire_rate(50e9), units::second(5e-6)};
    CHECK(ring_decode_time(p, r, 1e6).value > 100 * tree_merge_time(p, r).value);
    CHECK(ring_decode_time(p, r, 2e6).value == doctest::Approx(2 * ring_decode_time(p, r, 1e6).value).epsilon(0.01));
    CHECK(tree_merge_time({.requests = 16, .ranks = 1, .query_heads = 64, .head_dim = 128}, r).value == 0);
}

TEST_CASE("Helix sends each rank's partial outputs once and cutting heads sends fewer") {
    const cp_decode p{.requests = 8, .ranks = 4, .query_heads = 128, .kv_heads = 8, .head_dim = 128};
    CHECK(helix_bytes(p, 1).value == doctest::Approx(8 * 128 * (256 + 4) * 0.75));
    CHECK(helix_bytes(p, 8).value == doctest::Approx(helix_bytes(p, 1).value / 8));
    CHECK(helix_exchange_time({.requests = 8, .ranks = 1}, {{}, units::wire_rate(1), units::second(1)}, 1).value == 0);
}

TEST_CASE("ten million tokens over a hundred thousand ranks stay finite") {
    const cp_prompt p = llama(1e7, 1e7, 100'000);
    CHECK(ring_time(p, server).value > 0);
    CHECK(ring_time(p, server).value < 1e6);
    CHECK(tree_merge_time({.requests = 1e5, .ranks = 100'000, .query_heads = 128, .head_dim = 128}, server).value > 0);
}
