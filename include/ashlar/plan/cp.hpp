// SPDX-License-Identifier: Apache-2.0
// Context parallelism: one sequence over several ranks. A prompt goes by a ring that passes keys and values or queries;
// a decoded token merges partial results as a tree; Helix reshards the same ranks between attention and experts.
//
//     const cp_prompt p{.fresh = 6400, .cached = 121600, .ranks = 4, .query_heads = 128, .kv_heads = 8, .head_dim =
//     128}; if (passes_queries(p)) ...   // 5 % of the tokens are new: queries are smaller than keys and values
//
// Sources: arXiv 2411.01783 (ring pass-KV and pass-Q, thresholds), 2408.04093 (tree), 2507.07120 (Helix). All times are
// of one layer.
#pragma once

#include <bit>
#include <cstdint>

#include <ashlar/core/quantity.hpp>

namespace ashlar::inline v0::plan {

struct cp_prompt {
    double fresh = 0, cached = 0; // tokens to compute, and tokens whose keys and values lie on the ranks already
    int ranks = 1;
    int query_heads = 1, kv_heads = 1, head_dim = 1;
    double element_bytes = 2;

    constexpr double all() const { return fresh + cached; }
};
struct cp_rank {
    units::flop_rate compute{}; // reached
    units::wire_rate wire{};    // one way, to the next rank
    units::second latency{};
};

// What one hop carries.
constexpr units::byte ring_kv_bytes(const cp_prompt& p) {
    return units::byte(2 * p.all() / p.ranks * p.kv_heads * p.head_dim * p.element_bytes);
}
constexpr units::byte ring_query_bytes(const cp_prompt& p) {
    return units::byte(p.fresh / p.ranks * p.query_heads * p.head_dim * p.element_bytes);
}
// Passing queries ends with an all-to-all: partial outputs and a 4-byte log-sum-exp for each head return home.
constexpr units::byte ring_query_exit_bytes(const cp_prompt& p) {
    return units::byte(p.fresh / p.ranks * (p.ranks - 1) * p.query_heads * (p.head_dim * p.element_bytes + 4));
}
// FLOP of a hop. With 2 ranks blocks, rank i holding i and 2 ranks - 1 - i, the causal mask takes the same from all.
constexpr units::flop ring_flop(const cp_prompt& p) {
    const double pairs = p.fresh * (p.cached + p.fresh / 2);
    return units::flop(4 * pairs * p.query_heads * p.head_dim / (static_cast<double>(p.ranks) * p.ranks));
}

constexpr units::second ring_kv_time(const cp_prompt& p, const cp_rank& r) {
    const units::second hop = p.ranks > 1 ? r.latency + ring_kv_bytes(p) / r.wire : units::second();
    const units::second compute = ring_flop(p) / r.compute; // the last hop computes only
    return max(hop, compute) * static_cast<double>(p.ranks - 1) + compute;
}
constexpr units::second ring_query_time(const cp_prompt& p, const cp_rank& r) {
    if (p.ranks == 1) return ring_flop(p) / r.compute;
    const units::second hop = r.latency + ring_query_bytes(p) / r.wire, compute = ring_flop(p) / r.compute;
    return max(hop, compute) * static_cast<double>(p.ranks - 1) + compute + r.latency +
           ring_query_exit_bytes(p) / r.wire;
}
// The paper's rule by bytes alone: queries when the share of fresh tokens is at most 2 kv_heads / query_heads. It has
// no exit all-to-all, so it switches late: the paper measured 5 % where this says 12.5 % (Llama 405B).
constexpr bool passes_queries(const cp_prompt& p) { return p.fresh / p.all() <= 2.0 * p.kv_heads / p.query_heads; }
constexpr units::second ring_time(const cp_prompt& p, const cp_rank& r) {
    return min(ring_kv_time(p, r), ring_query_time(p, r));
}
// From how many tokens on the wire hides behind the arithmetic (of full, not causal blocks, as the paper counts).
constexpr units::token ring_kv_hidden_from(const cp_prompt& p, const cp_rank& r) {
    return units::token(p.ranks * r.compute.value * p.kv_heads * p.element_bytes / (2 * p.query_heads * r.wire.value));
}
constexpr units::token ring_query_hidden_from(const cp_prompt& p, const cp_rank& r) {
    return units::token(p.ranks * p.element_bytes * r.compute.value / (4 * r.wire.value));
}

// ceil(log2 n).
constexpr int doublings(std::int64_t n) {
    return n > 1 ? static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n - 1))) : 0;
}

// Decoding `requests` tokens whose context lies over `ranks`: each has a partial output, a maximum and a sum for each
// head, and an all-reduce merges them. What it carries does not depend on the context.
struct cp_decode {
    double requests = 0;
    std::int64_t ranks = 1;
    int query_heads = 1, kv_heads = 1, head_dim = 1;
    double element_bytes = 2;
};
constexpr units::byte merge_bytes(const cp_decode& p) {
    return units::byte(p.requests * p.query_heads * (p.head_dim * p.element_bytes + 8));
}
constexpr units::second tree_merge_time(const cp_decode& p, const cp_rank& r) {
    const double n = static_cast<double>(p.ranks);
    return r.latency * (2.0 * doublings(p.ranks)) + merge_bytes(p) * (2 * (n - 1) / n) / r.wire;
}
// A ring would carry each rank's keys and values to all others: for `context` tokens of each request.
constexpr units::second ring_decode_time(const cp_decode& p, const cp_rank& r, double context) {
    const double n = static_cast<double>(p.ranks);
    const units::byte hop(2 * p.requests * context / n * p.kv_heads * p.head_dim * p.element_bytes);
    return (r.latency + hop / r.wire) * (n - 1);
}

// Helix: `context_ranks` hold parts of the context of the same heads. One all-to-all gives each of them, for its share
// of the heads, everybody's partial outputs and log-sum-exps; it adds them up itself.
constexpr units::byte helix_bytes(const cp_decode& p, double tensor_ranks) {
    const double n = static_cast<double>(p.ranks);
    return units::byte(p.requests * p.query_heads / tensor_ranks * (p.head_dim * p.element_bytes + 4) * (n - 1) / n);
}
constexpr units::second helix_exchange_time(const cp_decode& p, const cp_rank& r, double tensor_ranks) {
    return p.ranks > 1 ? r.latency + helix_bytes(p, tensor_ranks) / r.wire : units::second();
}

} // namespace ashlar::inline v0::plan
