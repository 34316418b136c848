// SPDX-License-Identifier: Apache-2.0
#include <support/model_tensors.hpp>

namespace ashlar::support {

// Names: ggml-org/llama.cpp, gguf-py/gguf/constants.py; huggingface/transformers, models/llama, qwen2, qwen3.
std::vector<model_tensor> tensors_of(const model::llama_facts& f) {
    const std::uint64_t query = std::uint64_t{f.heads} * f.head_dim, shared = std::uint64_t{f.kv_heads} * f.head_dim;
    const struct {
        const char *ours, *theirs;
        std::uint64_t rows, columns;
        bool there;
    } parts[] = {{"attn_norm.weight", "input_layernorm.weight", 1, f.hidden, true},
                 {"attn_q.weight", "self_attn.q_proj.weight", query, f.hidden, true},
                 {"attn_k.weight", "self_attn.k_proj.weight", shared, f.hidden, true},
                 {"attn_v.weight", "self_attn.v_proj.weight", shared, f.hidden, true},
                 {"attn_q.bias", "self_attn.q_proj.bias", 1, query, f.qkv_bias},
                 {"attn_k.bias", "self_attn.k_proj.bias", 1, shared, f.qkv_bias},
                 {"attn_v.bias", "self_attn.v_proj.bias", 1, shared, f.qkv_bias},
                 {"attn_q_norm.weight", "self_attn.q_norm.weight", 1, f.head_dim, f.qk_norm},
                 {"attn_k_norm.weight", "self_attn.k_norm.weight", 1, f.head_dim, f.qk_norm},
                 {"attn_output.weight", "self_attn.o_proj.weight", f.hidden, query, true},
                 {"ffn_norm.weight", "post_attention_layernorm.weight", 1, f.hidden, true},
                 {"ffn_gate.weight", "mlp.gate_proj.weight", f.ffn, f.hidden, true},
                 {"ffn_up.weight", "mlp.up_proj.weight", f.ffn, f.hidden, true},
                 {"ffn_down.weight", "mlp.down_proj.weight", f.hidden, f.ffn, true}};
    std::vector<model_tensor> out{{"token_embd.weight", "model.embed_tokens.weight", f.vocabulary, f.hidden},
                                  {"output_norm.weight", "model.norm.weight", 1, f.hidden}};
    if (!f.tied_head) out.push_back({"output.weight", "lm_head.weight", f.vocabulary, f.hidden});
    if (f.rope_factors) out.push_back({"rope_freqs.weight", "", 1, f.head_dim / 2});
    for (std::uint32_t layer = 0; layer < f.layers; ++layer) {
        const std::string ours = "blk." + std::to_string(layer) + ".";
        const std::string theirs = "model.layers." + std::to_string(layer) + ".";
        for (const auto& part : parts)
            if (part.there) out.push_back({ours + part.ours, theirs + part.theirs, part.rows, part.columns});
    }
    return out;
}

} // namespace ashlar::support
