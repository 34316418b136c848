# SPDX-License-Identifier: Apache-2.0
"""Tiny models with random weights, each written as GGUF and as Hugging Face's tools save it: the same numbers.

    tiny = TinyModel("qwen3")
    tiny.write_gguf(path)
    tiny.write_folder(folder, shards=3)
    TinyModel("qwen2", template=text, more=("<tool_call>",))    # chats by that template, has a word more

The shapes are those of Llama 3.1 (rotary scaling, a head of its own), Qwen2.5 (biases) and Qwen3 (normed heads); the
vocabularies those of test/golden/tokenizers. Python's standard library only.
"""
import array
import json
import math
import os
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).resolve().parent
F32, F16, BF16 = 0, 1, 30  # GGUF's numbers
SCALING = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
CHAT = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + " \
       "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
LAYERS, HIDDEN, FFN, HEAD, CONTEXT, THETA = 2, 64, 96, 16, 4096, 10000.0
#         heads, KV heads, tied head, biases, head norms, weights, pre-tokenizer, tokenizer.json
SHAPES = {"llama": (4, 2, False, False, False, F16, "llama-bpe", "llama3"),
          "qwen2": (4, 2, True, True, False, F32, "qwen2", "qwen2"),
          "qwen3": (8, 2, True, False, True, BF16, "qwen2", "qwen2")}
NAMES = {"input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
         "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
         "mlp.down_proj.weight": "ffn_down.weight", "self_attn.o_proj.weight": "attn_output.weight",
         "self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
         **{f"self_attn.{x}_proj.{kind}": f"attn_{x}.{kind}" for x in "qkv" for kind in ("weight", "bias")}}


def stored(values, kind):
    if kind == F32:
        return array.array("f", values).tobytes()
    if kind == F16:
        return struct.pack(f"<{len(values)}e", *values)
    wide = array.array("f", values).tobytes()  # BF16: the upper halves
    return b"".join(wide[i + 2:i + 4] for i in range(0, len(wide), 4))


class TinyModel:
    def __init__(self, name, seed=5, template=CHAT, more=()):
        self.name, self.template = name, template
        self.heads, self.kv_heads, self.tied, biases, norms, self.kind, self.pre, words = SHAPES[name]
        self.words = json.loads((HERE.parent / f"golden/tokenizers/{words}.json").read_text("utf-8"))
        self.end = self.add_tokens("<|im_start|>", "<|im_end|>")
        if name == "llama":  # whose texts begin with a token
            begin = self.add_tokens("<|begin_of_text|>")
            self.words["post_processor"] = {"type": "Sequence", "processors": [
                {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
                {"type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}},
                            {"Sequence": {"id": "A", "type_id": 0}}],
                 "pair": [], "special_tokens": {"<|begin_of_text|>": {
                     "id": "<|begin_of_text|>", "ids": [begin], "tokens": ["<|begin_of_text|>"]}}}]}
        else:
            self.words["normalizer"] = {"type": "NFC"}
        if more:
            self.add_tokens(*more)
        self.rows = self.count() + 3  # more than there are words, as Qwen has it
        self.make(random.Random(seed), biases, norms)

    def tokens(self):
        """Text and GGUF's type of each."""
        found = {id: (text, 1) for text, id in self.words["model"]["vocab"].items()}
        found.update({t["id"]: (t["content"], 3 if t["special"] else 4) for t in self.words["added_tokens"]})
        return [found[id] for id in range(len(found))]

    def count(self):
        return len(self.tokens())

    def add_tokens(self, *texts):
        for text in texts:
            self.words["added_tokens"].append({"id": self.count(), "content": text, "single_word": False,
                                               "lstrip": False, "rstrip": False, "normalized": False,
                                               "special": text.startswith("<|")})
        return self.count() - 1

    def make(self, seeded, biases, norms):
        query, shared = self.heads * HEAD, self.kv_heads * HEAD
        shapes = {"model.embed_tokens.weight": (self.rows, HIDDEN), "model.norm.weight": (HIDDEN,)}
        if not self.tied:
            shapes["lm_head.weight"] = (self.rows, HIDDEN)
        for i in range(LAYERS):
            layer = {"input_layernorm.weight": (HIDDEN,), "post_attention_layernorm.weight": (HIDDEN,),
                     "self_attn.q_proj.weight": (query, HIDDEN), "self_attn.k_proj.weight": (shared, HIDDEN),
                     "self_attn.v_proj.weight": (shared, HIDDEN), "self_attn.o_proj.weight": (HIDDEN, query),
                     "mlp.gate_proj.weight": (FFN, HIDDEN), "mlp.up_proj.weight": (FFN, HIDDEN),
                     "mlp.down_proj.weight": (HIDDEN, FFN)}
            if biases:
                layer.update({f"self_attn.{x}_proj.bias": (query if x == "q" else shared,) for x in "qkv"})
            if norms:
                layer.update({f"self_attn.{x}_norm.weight": (HEAD,) for x in "qk"})
            shapes.update({f"model.layers.{i}.{part}": shape for part, shape in layer.items()})
        self.tensors = {}
        for name, shape in shapes.items():
            size = math.prod(shape)
            if name.endswith("norm.weight"):
                values = [1 + 0.3 * seeded.gauss(0, 1) for _ in range(size)]
            else:
                spread = 1 if len(shape) == 1 else 1.5 / math.sqrt(shape[1])
                values = [spread * seeded.gauss(0, 1) for _ in range(size)]
            self.tensors[name] = (shape, values)

    # ---- Hugging Face

    def config(self):
        out = {"architectures": ["TinyForCausalLM"], "model_type": self.name, "hidden_act": "silu",
               "num_hidden_layers": LAYERS, "hidden_size": HIDDEN, "intermediate_size": FFN, "head_dim": HEAD,
               "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "vocab_size": self.rows,
               "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": THETA, "eos_token_id": 0,
               "tie_word_embeddings": self.tied, "torch_dtype": {F32: "float32", F16: "float16"}.get(self.kind,
                                                                                                     "bfloat16")}
        if self.name == "llama":
            out["rope_scaling"] = {"rope_type": "llama3", **SCALING}
        return out

    def write_folder(self, folder, shards=1):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(self.tensors)
        files = ["model.safetensors"] if shards == 1 else [f"model-{k + 1:05}-of-{shards:05}.safetensors"
                                                           for k in range(shards)]
        for k, file in enumerate(files):
            write_safetensors(folder / file, {name: self.tensors[name] for name in names[k::shards]}, self.kind)
        if shards > 1:
            where = {name: files[k % shards] for k, name in enumerate(names)}
            (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
        texts = {"config.json": self.config(), "tokenizer.json": self.words,
                 "generation_config.json": {"eos_token_id": [0, self.end]},
                 "tokenizer_config.json": {
                     "bos_token": "<|begin_of_text|>" if self.name == "llama" else None,
                     "eos_token": {"__type": "AddedToken", "content": "<|im_end|>"},
                     "chat_template": [{"name": "tool_use", "template": "{{ 1 }}"},
                                       {"name": "default", "template": self.template}]}}
        for name, value in texts.items():
            (folder / name).write_text(json.dumps(value, ensure_ascii=False), "utf-8")

    # ---- GGUF

    def write_gguf(self, path):
        """q and k of a Llama lie permuted for interleaved rotary pairs; scaling is a tensor of factors."""
        values, tensors = [], []

        def put(key, kind, payload):
            values.append(text(key) + struct.pack("<I", kind) + payload)

        def put_list(key, kind, items):
            put(key, 9, struct.pack("<IQ", kind, len(items)) + b"".join(items))
        put("general.architecture", 8, text(self.name))
        for key, number in {"block_count": LAYERS, "embedding_length": HIDDEN, "feed_forward_length": FFN,
                            "attention.head_count": self.heads, "attention.head_count_kv": self.kv_heads,
                            "attention.key_length": HEAD, "attention.value_length": HEAD,
                            "context_length": CONTEXT}.items():
            put(f"{self.name}.{key}", 4, struct.pack("<I", number))
        put(f"{self.name}.rope.freq_base", 6, struct.pack("<f", THETA))
        put(f"{self.name}.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5))
        words = self.tokens() + [(f"[PAD{id}]", 5) for id in range(self.count(), self.rows)]
        put("tokenizer.ggml.model", 8, text("gpt2"))
        put("tokenizer.ggml.pre", 8, text(self.pre))
        put_list("tokenizer.ggml.tokens", 8, [text(word) for word, _ in words])
        put_list("tokenizer.ggml.token_type", 5, [struct.pack("<i", kind) for _, kind in words])
        put_list("tokenizer.ggml.merges", 8, [text(m if isinstance(m, str) else " ".join(m))
                                              for m in self.words["model"]["merges"]])
        ids = {word: id for id, (word, _) in enumerate(words)}
        put("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", ids["<|im_end|>"]))
        if self.name == "llama":
            put("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", ids["<|begin_of_text|>"]))
            put("tokenizer.ggml.add_bos_token", 7, b"\1")
        put("tokenizer.chat_template", 8, text(self.template))

        data, offset = [], 0
        for name, (shape, numbers) in self.tensors.items():
            kind = F32 if len(shape) == 1 else self.kind
            if kind == F32 and self.kind != F32:  # what the folder stores
                numbers = rounded(numbers, self.kind)
            if self.name == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
                numbers = interleaved(numbers, shape)
            tensors.append((self.gguf_name(name), shape, kind, stored(numbers, kind)))
        if self.name == "llama":
            tensors.append(("rope_freqs.weight", (HEAD // 2,), F32, stored(list(factors()), F32)))
        directory = b""
        for name, shape, kind, payload in tensors:
            directory += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, offset)
            data.append(payload + bytes(-len(payload) % 32))
            offset += len(data[-1])
        head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + b"".join(values) + directory
        pathlib.Path(path).write_bytes(head + bytes(-len(head) % 32) + b"".join(data))

    @staticmethod
    def gguf_name(name):
        whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                 "lm_head.weight": "output.weight"}
        if name in whole:
            return whole[name]
        _, _, layer, part = name.split(".", 3)
        return f"blk.{layer}.{NAMES[part]}"


def text(word):
    return struct.pack("<Q", len(word.encode())) + word.encode()


def write_safetensors(path, tensors, kind):
    entries, payloads, offset = {}, [], 0
    for name, (shape, values) in tensors.items():
        payloads.append(stored(values, kind))
        entries[name] = {"dtype": {F32: "F32", F16: "F16", BF16: "BF16"}[kind], "shape": list(shape),
                         "data_offsets": [offset, offset + len(payloads[-1])]}
        offset += len(payloads[-1])
    head = json.dumps(entries).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(head)) + head + b"".join(payloads))


def rounded(values, kind):
    raw = stored(values, kind)
    if kind == F16:
        return struct.unpack(f"<{len(values)}e", raw)
    return struct.unpack(f"<{len(values)}f", b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2)))


def interleaved(values, shape):
    """Each head's rows i and i + HEAD / 2 beside each other."""
    rows, columns = shape
    out = []
    for head in range(0, rows, HEAD):
        for i in range(HEAD):
            row = head + i // 2 + (HEAD // 2) * (i % 2)
            out += values[row * columns:(row + 1) * columns]
    return out


def factors():
    """transformers, modeling_rope_utils.py, _compute_llama3_parameters."""
    context, low, high = (SCALING[k] for k in ("original_max_position_embeddings", "low_freq_factor",
                                               "high_freq_factor"))
    for i in range(0, HEAD, 2):
        length = 2 * math.pi * THETA ** (i / HEAD)
        if length < context / high:
            yield 1.0
        elif length > context / low:
            yield SCALING["factor"]
        else:
            smooth = (context / length - low) / (high - low)
            yield 1 / ((1 - smooth) / SCALING["factor"] + smooth)
