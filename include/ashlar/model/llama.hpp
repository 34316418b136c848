// SPDX-License-Identifier: Apache-2.0
// The Llama architecture and its dense relatives as facts: what a checkpoint says about itself, the limits that a
// server sets, and one request's share of a batch. Pre-norm decoder layers of RMSNorm, grouped-query attention with
// rotary positions, and SwiGLU (Touvron et al., arXiv 2302.13971; GQA: arXiv 2305.13245). What the relatives add is an
// option: biases (Qwen2 and 2.5, arXiv 2407.10671), normed heads (Qwen3, arXiv 2505.09388), scaled rotation
// (Llama 3.1).
//
//     llama_facts f{.layers = 30, .hidden = 576, …};   if (auto ok = check(f); !ok) return ok.error();
//
// GGUF files store q and k of `llama` with their rows permuted for rotation of interleaved pairs (2i, 2i + 1). Those of
// `qwen2` and `qwen3`, and all Hugging Face checkpoints, are for pairs (i, i + head_dim / 2): rope_halves.
#pragma once

#include <cstdint>
#include <span>

#include <ashlar/core/ids.hpp>
#include <ashlar/core/result.hpp>

namespace ashlar::inline v0::model {

struct llama_facts {
    std::uint32_t layers, hidden, ffn, heads, kv_heads, head_dim, vocabulary, context;
    float rope_base, rms_epsilon;
    bool tied_head;            // the output head is the token embedding
    bool qkv_bias = false;     // "blk.N.attn_q.bias", attn_k, attn_v are added to queries, keys and values
    bool qk_norm = false;      // "blk.N.attn_q_norm.weight", attn_k_norm: RMSNorm of each head before it turns
    bool rope_factors = false; // "rope_freqs.weight" divides the rotary frequencies
    bool rope_halves = false;  // q and k come for half-split rotation; `load` puts their rows in the other order
};

// What a decoder allocates for, once.
struct limits {
    std::uint32_t tokens;  // of all slices of one batch together
    std::uint32_t slices;  // of one batch
    std::uint32_t context; // positions of one sequence; at most the model's
};

// One request's part of a batch: `tokens` are appended at `position`; keys and values of [0, position) are in the pages
// already. `runs` hold at least position + tokens.size() tokens.
struct slice {
    std::span<const token_id> tokens;
    std::uint32_t position;
    std::span<const block_run> runs;
    bool logits; // wants the logits of its last token
};

struct llama {
    using facts = llama_facts;
    static constexpr std::uint32_t head_dim_max = 256;
    static constexpr std::uint32_t group_max = 64; // query heads of one KV head
};

// invalid_argument: no such model can exist; unsupported: one can, but not here.
constexpr result<void> check(const llama_facts& f) {
    if (f.layers == 0 || f.hidden == 0 || f.ffn == 0 || f.heads == 0 || f.kv_heads == 0 || f.head_dim == 0 ||
        f.vocabulary == 0 || f.context == 0 || f.heads % f.kv_heads != 0 || !(f.rope_base > 0) ||
        !(f.rms_epsilon >= 0)) {
        return {errc::invalid_argument, origin::model};
    }
    constexpr std::uint32_t big = 1u << 24; // keeps every product of two facts in 64 bits, every index in 32
    if (f.head_dim % 16 != 0 || f.head_dim > llama::head_dim_max || f.heads / f.kv_heads > llama::group_max ||
        f.layers > 4096 || f.hidden > big || f.ffn > big || f.heads > 65536 || f.vocabulary > big || f.context > big) {
        return {errc::unsupported, origin::model};
    }
    return {};
}

} // namespace ashlar::inline v0::model
