#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_formats.py PROGRAM: resident memory of the largest process of a server, in MiB, for a model of 110M weights in
every stored format, as GGUF and as a folder of safetensors, after its pool was filled; and what the bar leaves of it:
bytes of the weights' files + pool + 64 MiB. Weights are constants: only their bytes count. The vocabulary is that of
the quickstart's model."""
import json
import math
import os
import pathlib
import re
import struct
import tempfile

from serving import Server, emit

MIB, POOL_MIB = 1 << 20, 16
LAYERS, HIDDEN, FFN, HEADS, KV_HEADS, HEAD = 30, 512, 1536, 8, 4, 64
HALF = struct.pack("<e", 0.001)
# GGUF's number, weights of a block, its bytes
FORMATS = {"F32": (0, 1, struct.pack("<f", 0.01)), "F16": (1, 1, struct.pack("<e", 0.01)),
           "BF16": (30, 1, struct.pack("<f", 0.01)[2:]), "Q4_0": (2, 32, HALF + b"\x79" * 16),
           "Q4_1": (3, 32, HALF * 2 + b"\x79" * 16), "Q5_0": (6, 32, HALF + b"\x79" * 20),
           "Q5_1": (7, 32, HALF * 2 + b"\x79" * 20), "Q8_0": (8, 32, HALF + b"\x05" * 32),
           "Q4_K": (12, 256, HALF * 2 + b"\x79" * 140), "Q5_K": (13, 256, HALF * 2 + b"\x79" * 172),
           "Q6_K": (14, 256, b"\x79" * 208 + HALF)}
QUERY, SHARED = HEADS * HEAD, KV_HEADS * HEAD
#         GGUF's name, transformers' name, rows, columns
PARTS = [("attn_norm", "input_layernorm", 1, HIDDEN), ("ffn_norm", "post_attention_layernorm", 1, HIDDEN),
         ("attn_q", "self_attn.q_proj", QUERY, HIDDEN), ("attn_k", "self_attn.k_proj", SHARED, HIDDEN),
         ("attn_v", "self_attn.v_proj", SHARED, HIDDEN), ("attn_output", "self_attn.o_proj", HIDDEN, QUERY),
         ("ffn_gate", "mlp.gate_proj", FFN, HIDDEN), ("ffn_up", "mlp.up_proj", FFN, HIDDEN),
         ("ffn_down", "mlp.down_proj", HIDDEN, FFN)]


class Vocabulary:
    """The words of a GGUF: its metadata as it stands there, and as tokenizer.json says it."""

    def __init__(self, path):
        self.bytes = pathlib.Path(path).read_bytes()
        _, _, self.count = struct.unpack_from("<IQQ", self.bytes, 4)
        self.at, self.raw, values = 24, [], {}
        for _ in range(self.count):
            begin, key = self.at, self.text()
            kind = self.number("<I")
            values[key] = self.value(kind)
            if key.startswith("tokenizer."):
                self.raw.append(self.bytes[begin:self.at])
        self.tokens = values["tokenizer.ggml.tokens"]
        self.merges, self.kinds = values["tokenizer.ggml.merges"], values["tokenizer.ggml.token_type"]

    def number(self, form):
        found, = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return found

    def text(self):
        size = self.number("<Q")
        self.at += size
        return self.bytes[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.number("<I"), self.number("<Q")
            return [self.value(kind) for _ in range(count)]
        return self.number(dict(enumerate("<B <b <H <h <I <i <f <? - - <Q <q <d".split()))[kind])

    def tokenizer_json(self):
        added = [{"id": id, "content": text, "special": kind == 3, "normalized": False}
                 for id, (text, kind) in enumerate(zip(self.tokens, self.kinds)) if kind != 1]
        steps = [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False}]
        return {"added_tokens": added, "normalizer": None, "post_processor": None,
                "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
                "model": {"type": "BPE", "vocab": {text: id for id, text in enumerate(self.tokens)},
                          "merges": self.merges}}


def text(word):
    return struct.pack("<Q", len(word.encode())) + word.encode()


def tensors(words):
    yield "token_embd.weight", "model.embed_tokens.weight", len(words.tokens), HIDDEN
    yield "output_norm.weight", "model.norm.weight", 1, HIDDEN
    for i in range(LAYERS):
        for ours, theirs, rows, columns in PARTS:
            yield f"blk.{i}.{ours}.weight", f"model.layers.{i}.{theirs}.weight", rows, columns


def payload(kind, rows, columns):
    _, weights, block = FORMATS[kind]
    return block * (rows * columns // weights)


def write_gguf(path, words, kind):
    values = list(words.raw)
    for key, number in {"block_count": LAYERS, "embedding_length": HIDDEN, "feed_forward_length": FFN,
                        "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS,
                        "context_length": 2048}.items():
        values.append(text("llama." + key) + struct.pack("<II", 4, number))
    values.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5))
    values.append(text("general.architecture") + struct.pack("<I", 8) + text("llama"))
    directory, offset, stored = b"", 0, []
    for name, _, rows, columns in tensors(words):
        form = "F32" if rows == 1 else kind
        extents = (columns,) if rows == 1 else (columns, rows)
        directory += text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, FORMATS[form][0], offset)
        size = rows * columns // FORMATS[form][1] * len(FORMATS[form][2])
        stored.append((form, rows, columns, -size % 32))
        offset += size + -size % 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(stored), len(values)) + b"".join(values) + directory
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 32))
        for form, rows, columns, padding in stored:
            out.write(payload(form, rows, columns) + bytes(padding))


def write_folder(folder, words, kind, shards):
    folder.mkdir()
    everything = list(tensors(words))
    files = {f"model-{k}.safetensors" if shards > 1 else "model.safetensors": everything[k::shards]
             for k in range(shards)}
    for file, held in files.items():
        entries, offset = {}, 0
        for _, name, rows, columns in held:
            shape = [columns] if rows == 1 else [rows, columns]
            size = math.prod(shape) * len(FORMATS[kind][2])
            entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + size]}
            offset += size
        head = json.dumps(entries).encode()
        with open(folder / file, "wb") as out:
            out.write(struct.pack("<Q", len(head)) + head)
            for _, _, rows, columns in held:
                out.write(payload(kind, rows, columns))
    if shards > 1:
        where = {name: file for file, held in files.items() for _, name, _, _ in held}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (folder / "tokenizer.json").write_text(json.dumps(words.tokenizer_json(), ensure_ascii=False), "utf-8")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "num_hidden_layers": LAYERS, "hidden_size": HIDDEN, "intermediate_size": FFN,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": len(words.tokens),
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "eos_token_id": 0}))


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        said = status.read()
    return {name: int(re.search(name + r":\s*(\d+) kB", said)[1]) / 1024 for name in ("VmRSS", "VmHWM")}


def measure(model):
    """(resident, most ever resident, bytes of the weights' files), MiB, of the largest process."""
    os.environ["ASHLAR_MODEL"] = str(model)
    with Server("--pool-mib", str(POOL_MIB), "--context", "512") as server:
        for k in range(3):  # more than the pool holds
            server.post("/v1/completions", {"prompt": [7 + k] * 240, "max_tokens": 4, "ignore_eos": True})
        each = [resident(pid) for pid in server.pids()]
    files = [model] if model.is_file() else list(model.glob("*.safetensors"))
    return (*(max(one[name] for one in each) for name in ("VmRSS", "VmHWM")),
            sum(file.stat().st_size for file in files) / MIB)


words = Vocabulary(os.environ["ASHLAR_MODEL"])
found = {}
for label, kind, shards in [(kind, kind, 0) for kind in FORMATS] + [
        ("F32 folder", "F32", 1), ("F16 folder", "F16", 1), ("BF16 folder, 3 shards", "BF16", 3)]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / ("m" if shards else "m.gguf")
        if shards:
            write_folder(path, words, kind, shards)
        else:
            write_gguf(path, words, kind)
        now, most, size = measure(path)
    found[label] = {"resident": round(now, 1), "peak": round(most, 1), "files": round(size, 1),
                    "left": round(size + POOL_MIB + 64 - now, 1)}
over = [each["resident"] - each["files"] - POOL_MIB for each in found.values()]
emit(round(max(over), 1), [round(x, 1) for x in over], left=min(each["left"] for each in found.values()), formats=found,
     unit="MiB")
