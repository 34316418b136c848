# SPDX-License-Identifier: Apache-2.0
"""Makes models/: tiny checkpoints with random weights, as transformers saves them and as GGUF, and models.bin.

    python3 make_models.py            # needs torch, transformers, gguf

models/<name>.gguf, models/<name>/: the same weights twice, f16 or bf16 (norms and biases of the GGUF in f32). GGUF has
q and k of `llama` permuted for interleaved rotary pairs and the scaling of Llama 3.1 as a tensor of factors, as
ggml-org/llama.cpp's convert_hf_to_gguf.py writes them.
models.bin, little-endian: u32 models; a model: u32 n, its name's n bytes, u32 tokens, u32 vocabulary, u32 ids[tokens],
then the logits after each of them, float32 [tokens][vocabulary], of transformers in fp32 with the very same weights.
"""
import math
import shutil
import struct

import gguf
import numpy
import torch
import transformers

import reference

torch.set_num_threads(1)
common = dict(vocab_size=48, hidden_size=32, intermediate_size=32, num_hidden_layers=2, max_position_embeddings=64,
              rms_norm_eps=1e-5, attn_implementation="eager", bos_token_id=0, eos_token_id=1)
scaled = dict(rope_type="llama3", rope_theta=1000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
plain = dict(rope_type="default", rope_theta=1000.0)
models = {
    "llama": (transformers.LlamaConfig(num_attention_heads=2, num_key_value_heads=1, head_dim=16,
                                       rope_parameters=scaled, tie_word_embeddings=False, **common), torch.float16),
    "qwen2": (transformers.Qwen2Config(num_attention_heads=2, num_key_value_heads=1, rope_parameters=plain,
                                       tie_word_embeddings=True, **common), torch.bfloat16),
    "qwen3": (transformers.Qwen3Config(num_attention_heads=4, num_key_value_heads=2, head_dim=16, rope_parameters=plain,
                                       tie_word_embeddings=True, **common), torch.bfloat16),
}
prompt = [int(t) for t in numpy.random.default_rng(3).integers(0, common["vocab_size"], 32)]
folder = reference.here / "models"


def randomise(model):
    """Weights large enough that every part shows in the logits."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith("norm.weight"):
                weights.copy_(1 + 0.3 * torch.randn_like(weights))
            elif name.endswith("bias"):
                weights.copy_(torch.randn_like(weights))
            else:
                weights.copy_(torch.randn_like(weights) * 1.5 / math.sqrt(weights.shape[1]))


def permute(weights, heads):
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(
        weights.shape)


def factors(config, head_dim):
    p = config.rope_parameters
    for i in range(0, head_dim, 2):
        length = 2 * math.pi * p["rope_theta"] ** (i / head_dim)
        low, high = (p["original_max_position_embeddings"] / p[k] for k in ("low_freq_factor", "high_freq_factor"))
        if length < high:
            yield 1.0
        elif length > low:
            yield p["factor"]
        else:
            smooth = (p["original_max_position_embeddings"] / length - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"])
            yield 1 / ((1 - smooth) / p["factor"] + smooth)


def write_gguf(path, name, config, model, kind):
    out = gguf.GGUFWriter(path, name)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    out.add_block_count(config.num_hidden_layers)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_key_length(head_dim)
    out.add_value_length(head_dim)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    if config.rope_parameters["rope_type"] == "llama3":
        out.add_tensor("rope_freqs.weight", numpy.array(list(factors(config, head_dim)), numpy.float32))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[name.upper()], config.num_hidden_layers)
    for key, weights in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = weights.to(torch.float32).numpy()
        if name == "llama" and "q_proj" in key:
            values = permute(values, config.num_attention_heads)
        if name == "llama" and "k_proj" in key:
            values = permute(values, config.num_key_value_heads)
        stored = gguf.GGMLQuantizationType.F32 if values.ndim == 1 else kind
        out.add_tensor(names.get_name(key, (".weight", ".bias")), gguf.quants.quantize(values, stored),
                       raw_dtype=stored)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def logits(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([prompt])).logits[0].to(torch.float32).numpy()


shutil.rmtree(folder, ignore_errors=True)
out = struct.pack("<I", len(models))
for name, (config, dtype) in models.items():
    torch.manual_seed(len(name) + 20)
    model = transformers.AutoModelForCausalLM.from_config(config).to(torch.float32)
    randomise(model)
    model.to(dtype)
    model.save_pretrained(folder / name, max_shard_size="24KB" if name == "qwen3" else "1GB")
    (folder / name / "generation_config.json").unlink(missing_ok=True)
    kind = gguf.GGMLQuantizationType.F16 if dtype == torch.float16 else gguf.GGMLQuantizationType.BF16
    write_gguf(folder / f"{name}.gguf", name, config, model, kind)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32,
                                                               attn_implementation="eager")
    values = logits(loaded)
    if name == "llama":  # the scaling is seen
        config.rope_parameters = plain
        other = transformers.AutoModelForCausalLM.from_config(config).to(torch.float32)
        other.load_state_dict(loaded.state_dict())
        assert numpy.linalg.norm(logits(other) - values) > 1e-2 * numpy.linalg.norm(values)
    out += struct.pack("<I", len(name)) + name.encode() + struct.pack("<II", *values.shape)
    out += struct.pack(f"<{len(prompt)}I", *prompt) + values.tobytes()
(reference.here / "models.bin").write_bytes(out)
reference.record("models", ["torch", "transformers", "gguf", "numpy", "safetensors"])
