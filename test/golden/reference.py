# SPDX-License-Identifier: Apache-2.0
"""The references behind the golden files: transformers' Llama in fp32 over the de-quantised weights of a GGUF, and
`tokenizers` over its vocabulary and merges. Nothing here comes from our own code.

Needs: pip install torch transformers tokenizers gguf numpy (the versions used stand in versions.json).
"""
import importlib.metadata
import json
import pathlib
import platform

import gguf
import numpy

here = pathlib.Path(__file__).parent


def record(name, packages, **more):
    """Writes down which versions made the golden file `name`."""
    path = here / "versions.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in packages}, **more}
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


class file:
    """A GGUF's metadata and tensors."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    def weights(self, name):
        tensor = self.tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type)


def unpermute(weights, heads):
    """GGUF interleaves the two halves of each rotary pair; transformers wants the halves apart."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def model(source):
    import torch
    import transformers

    torch.set_num_threads(1)
    f = source.fields
    heads, shared = f["llama.attention.head_count"], f["llama.attention.head_count_kv"]
    config = transformers.LlamaConfig(
        vocab_size=f["llama.vocab_size"], hidden_size=f["llama.embedding_length"],
        rms_norm_eps=f["llama.attention.layer_norm_rms_epsilon"],
        intermediate_size=f["llama.feed_forward_length"], num_hidden_layers=f["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=shared, max_position_embeddings=f["llama.context_length"], tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": f["llama.rope.freq_base"]}, attn_implementation="eager")
    out = transformers.LlamaForCausalLM(config).to(torch.float32).eval()
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for layer in range(f["llama.block_count"]):
        for theirs, ours in parts.items():
            names[f"model.layers.{layer}.{theirs}.weight"] = f"blk.{layer}.{ours}.weight"
    assert set(names.values()) == set(source.tensors), "the GGUF has other tensors than a tied Llama"
    state = {}
    for theirs, ours in names.items():
        weights = source.weights(ours)
        if ours.endswith("attn_q.weight"):
            weights = unpermute(weights, heads)
        if ours.endswith("attn_k.weight"):
            weights = unpermute(weights, shared)
        state[theirs] = torch.from_numpy(numpy.ascontiguousarray(weights, dtype=numpy.float32))
    missing, unexpected = out.load_state_dict(state, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    out.tie_weights()
    assert out.lm_head.weight.data_ptr() == out.model.embed_tokens.weight.data_ptr()
    return out


def tokenizer(source, special):
    """Digits one by one, then GPT-2's byte level: as the model was trained (transformers drops the first step)."""
    import tokenizers
    from tokenizers import AddedToken, decoders, models, pre_tokenizers

    tokens = source.fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in source.fields["tokenizer.ggml.merges"]]
    out = tokenizers.Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    out.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False)])
    out.decoder = decoders.ByteLevel()
    if special:
        kinds = source.fields["tokenizer.ggml.token_type"]
        out.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds)
                                if kind == 3])
    return out
