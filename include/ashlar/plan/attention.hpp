// SPDX-License-Identifier: Apache-2.0
// An attention layer as a value: its heads (grouped, latent or recurrent) times its reach (how much of the context a
// token sees). GQA, MHA and MQA are `grouped`; MFA is `grouped` with one KV head and a low-rank query; MLA is `latent`;
// lightning and gated-delta layers are `recurrent`. Windows, chunks, compression and top-k belong to the reach.
//
//     constexpr attention full = mla({.query_heads = 128, .query_rank = 1536});
//     constexpr attention dsa = sees(full, {.top_k = 2048, .index_heads = 64, .index_dim = 128});
//
// Every count below is of one layer and one decoded token of one request. Formulas: Step-3 report (arXiv 2507.19427)
// section 3 and its tables; DeepSeek-V2 (2405.04434) for MLA with absorbed projections.
#pragma once

#include <cstdint>

#include <ashlar/core/quantity.hpp>
#include <ashlar/plan/precision.hpp>

namespace ashlar::inline v0::plan {

// The Step-3 report counts MLA's scores and values with 4 heads (c + rope) FLOP a token; exact is 2 heads (2c + rope).
enum class convention : std::uint8_t { exact, step3 };

enum class heads : std::uint8_t { grouped, latent, recurrent };

// A token sees its last `window` tokens as they are (0: none so), and the whole context compressed by `ratio` (0: not
// at all, 1: as it is), of which only the best `top_k` (0: all) after an indexer has scored them.
struct reach {
    int window = 0;
    int ratio = 1;
    int top_k = 0;
    int index_heads = 0;
    int index_dim = 0;
    precision index = stored::fp8_block128; // DeepSeek-V3.2: 128 elements and an fp32 scale, 132 bytes a token

    friend constexpr bool operator==(const reach&, const reach&) = default;
};

struct attention {
    heads kind = heads::grouped;
    int query_heads = 0; // recurrent: value heads
    int kv_heads = 0;    // recurrent: key heads
    int head_dim = 0;    // of a key; latent: the part of it without position
    int value_dim = 0;
    int rope_dim = 0;    // latent: the part with position, shared by all heads
    int latent_dim = 0;  // latent: what is cached instead of keys and values
    int query_rank = 0;  // 0: the query projection is one matrix
    int output_rank = 0; // 0: so is the output's; else every group of heads has one into this rank
    int output_groups = 1;
    bool shared_kv = false; // grouped: a key is its value too, cached once
    reach sees{};
    precision kv = stored::fp8; // of the cache, or of the state

    friend constexpr bool operator==(const attention&, const attention&) = default;
};

struct grouped_heads {
    int query_heads, kv_heads, head_dim;
};
struct low_rank_heads {
    int query_heads, head_dim, query_rank;
};
struct latent_heads {
    int query_heads, query_rank = 0, latent_dim = 512, rope_dim = 64, head_dim = 128, value_dim = 128;
};
struct recurrent_heads {
    int key_heads, value_heads, key_dim, value_dim;
};

constexpr attention gqa(grouped_heads h, precision kv = stored::fp8) {
    attention a;
    a.query_heads = h.query_heads, a.kv_heads = h.kv_heads, a.head_dim = a.value_dim = h.head_dim, a.kv = kv;
    return a;
}
constexpr attention mfa(low_rank_heads h, precision kv = stored::fp8) {
    attention a = gqa({h.query_heads, 1, h.head_dim}, kv);
    a.query_rank = h.query_rank;
    return a;
}
constexpr attention mla(latent_heads h, precision kv = stored::fp8) {
    attention a;
    a.kind = heads::latent, a.query_heads = h.query_heads, a.kv_heads = 1, a.query_rank = h.query_rank;
    a.latent_dim = h.latent_dim, a.rope_dim = h.rope_dim, a.head_dim = h.head_dim, a.value_dim = h.value_dim, a.kv = kv;
    return a;
}
constexpr attention recurrent(recurrent_heads h, precision state = stored::fp32) {
    attention a;
    a.kind = heads::recurrent, a.query_heads = h.value_heads, a.kv_heads = h.key_heads, a.head_dim = h.key_dim;
    a.value_dim = h.value_dim, a.kv = state;
    return a;
}
constexpr attention sees(attention a, reach r) {
    a.sees = r;
    return a;
}
constexpr attention windowed(attention a, int tokens) { return sees(a, {.window = tokens, .ratio = 0}); }

// Tokens that lie in the cache, and those that a decoded token reads, at a context of so many.
constexpr units::token far_tokens(const reach& r, units::token context) {
    return r.ratio == 0 ? units::token() : context / r.ratio;
}
constexpr units::token cached_tokens(const reach& r, units::token context) {
    return min(units::token(r.window), context) + far_tokens(r, context);
}
constexpr units::token attended_tokens(const reach& r, units::token context) {
    const units::token far = far_tokens(r, context);
    return min(units::token(r.window), context) + (r.top_k == 0 ? far : min(units::token(r.top_k), far));
}

// Elements cached a token, and elements of a recurrent state.
constexpr double kv_elements(const attention& a) {
    switch (a.kind) {
    case heads::grouped:
        return static_cast<double>(a.kv_heads) * (a.head_dim + (a.shared_kv ? 0 : a.value_dim));
    case heads::latent:
        return a.latent_dim + a.rope_dim;
    case heads::recurrent:
        break;
    }
    return 0;
}
constexpr double state_elements(const attention& a) {
    return a.kind == heads::recurrent ? static_cast<double>(a.query_heads) * a.head_dim * a.value_dim : 0;
}

// Memory that a request of this context holds.
constexpr units::byte kv_bytes(const attention& a, units::token context) {
    return a.kv.of(kv_elements(a) * cached_tokens(a.sees, context).value + state_elements(a)) +
           a.sees.index.of(a.sees.index_dim * far_tokens(a.sees, context).value);
}

// What a decoded token moves: the keys and values that it sees, the index, and a state once in and once out.
constexpr units::byte kv_traffic(const attention& a, units::token context) {
    return a.kv.of(kv_elements(a) * attended_tokens(a.sees, context).value + 2 * state_elements(a)) +
           a.sees.index.of(a.sees.index_dim * far_tokens(a.sees, context).value);
}

// What the core multiplies in: the cache's own arithmetic, whatever weights are stored in. States accumulate wider than
// they multiply.
constexpr math core_math(const attention& a, math weights) { return a.kind == heads::recurrent ? weights : a.kv.in; }

// Scores and weighted values, without any projection. Ten FLOP an element of a state fit the Step-3 report's MiniMax
// M1.
constexpr units::flop core_flop(const attention& a, units::token context, convention how = convention::exact) {
    double per_token = 2.0 * a.query_heads * (a.head_dim + a.value_dim);
    if (a.kind == heads::latent) {
        const int dims = how == convention::step3 ? 2 * (a.latent_dim + a.rope_dim) : 2 * a.latent_dim + a.rope_dim;
        per_token = 2.0 * a.query_heads * dims;
    }
    const double seen = attended_tokens(a.sees, context).value, scored = far_tokens(a.sees, context).value;
    return units::flop((a.kind == heads::recurrent ? 10 * state_elements(a) : per_token * seen) +
                       2.0 * a.sees.index_heads * a.sees.index_dim * scored);
}

// Weights of the projections, MLA's absorbed: a decoded token multiplies each once (2 FLOP). What compresses a context
// (reach::ratio) is left out.
constexpr double attention_weights(const attention& a, int hidden) {
    const double h = hidden, values = static_cast<double>(a.query_heads) * a.value_dim;
    if (a.kind == heads::recurrent) return h * (2.0 * a.kv_heads * a.head_dim + 3 * values); // q, k; v, gate, out
    const double into = a.query_rank != 0 ? a.query_rank : h; // what the last matrix of the query reads
    const double query = (a.query_rank != 0 ? h * into : 0) + into * a.query_heads * (a.head_dim + a.rope_dim);
    const double absorbed = static_cast<double>(a.query_heads) * a.latent_dim * (a.head_dim + a.value_dim);
    const double out = a.output_rank != 0 ? a.output_rank * (values + h * a.output_groups) : values * h;
    const reach& r = a.sees;
    const double index = r.index_heads * (into * r.index_dim + h) + h * r.index_dim;
    return query + h * kv_elements(a) + absorbed + out + index;
}

// FLOP of the core for each byte of cache: what decides between a device's FLOPS and its bandwidth.
constexpr units::flop_per_byte intensity(const attention& a, units::token context, convention how = convention::exact) {
    return core_flop(a, context, how) / kv_traffic(a, context);
}

} // namespace ashlar::inline v0::plan
