# SPDX-License-Identifier: Apache-2.0
"""Makes sampling.bin:  python3 make_sampling.py        # needs torch, transformers, numpy, gguf

Logits as transformers' processors leave them: biases, tokens held back by a least length, repetition penalty; then the
frequency and presence penalties of OpenAI's API reference (transformers has none) in torch. And the probabilities that
its warpers leave of these: temperature, min-p, top-k, top-p. The order is vLLM's.

Little-endian: u32 vocabulary, u32 cases; a case: u32 n, i32 tokens[n], u32 prompt, u32 m, (i32 token, f32 bias)[m],
u32 h, i32 held_back[h], f32 repetition, frequency, presence, temperature, min_p, top_p, u32 top_k, f32 logits[v],
f32 penalised[v], f32 probability[v].
"""
import random
import struct

import torch
from transformers.generation import logits_process as processors

import reference

VOCABULARY, CASES = 89, 96
ends = [2, 5]


def settings(rng, i):
    """Each alone first, then together."""
    def some(bit, value, neutral):
        return value if i >= 64 or i % 8 == bit else neutral
    return {"biases": some(0, {token: rng.choice([-100.0, -3.5, 0.75, 4.0, 100.0])
                               for token in rng.sample(range(VOCABULARY), 5)}, {}),
            "least": some(1, rng.randint(1, 12), 0),
            "repetition": some(2, rng.choice([0.5, 0.9, 1.05, 1.3, 2.0]), 1.0),
            "frequency": some(3, rng.choice([-2.0, -0.3, 0.1, 0.7, 2.0]), 0.0),
            "presence": some(4, rng.choice([-2.0, -0.3, 0.1, 0.7, 2.0]), 0.0),
            "min_p": some(5, rng.choice([0.02, 0.1, 0.5, 1.0]), 0.0),
            "top_k": some(6, rng.choice([1, 3, 20, 88]), 0),
            "top_p": some(7, rng.choice([0.1, 0.6, 0.9, 0.99]), 1.0),
            "temperature": rng.choice([0.3, 0.8, 1.0, 1.7])}


def penalised(ids, prompt, logits, how):
    row = torch.tensor([ids])
    scores = logits.unsqueeze(0)
    if how["biases"]:
        scores = processors.SequenceBiasLogitsProcessor({(t,): b for t, b in how["biases"].items()})(row, scores)
    if how["least"]:
        scores = processors.MinNewTokensLengthLogitsProcessor(prompt, how["least"], ends)(row, scores)
    if how["repetition"] != 1:
        scores = processors.RepetitionPenaltyLogitsProcessor(how["repetition"])(row, scores)
    times = torch.bincount(torch.tensor(ids[prompt:], dtype=torch.int64), minlength=VOCABULARY)
    return scores[0] - times * how["frequency"] - (times > 0) * how["presence"]


def probabilities(scores, how):
    row, scores = None, scores.unsqueeze(0)
    scores = processors.TemperatureLogitsWarper(how["temperature"])(row, scores)
    if how["min_p"]:
        shares = torch.softmax(scores, -1) / torch.softmax(scores, -1).max() / how["min_p"]
        assert how["min_p"] == 1 or (shares - 1).abs().min() > 1e-4, "too near to call"
        scores = processors.MinPLogitsWarper(how["min_p"])(row, scores)
    if how["top_k"]:
        scores = processors.TopKLogitsWarper(how["top_k"])(row, scores)
    if how["top_p"] < 1:
        sums = torch.softmax(scores, -1).sort(descending=True).values.cumsum(-1)
        assert (sums - how["top_p"]).abs().min() > 1e-5, "too near to call"
        scores = processors.TopPLogitsWarper(how["top_p"])(row, scores)
    return torch.softmax(scores, -1)[0]


def numbers(kind, values):
    return struct.pack(f"<{len(values)}{kind}", *values)


rng = random.Random(20260101)
with open(reference.here / "sampling.bin", "wb") as out:
    out.write(numbers("I", [VOCABULARY, CASES]))
    for i in range(CASES):
        how = settings(rng, i)
        ids = [rng.randrange(VOCABULARY // 3) for _ in range(rng.randint(1, 60))]
        prompt = rng.randint(1, len(ids))
        logits = torch.tensor([rng.gauss(0, 4) for _ in range(VOCABULARY)])
        scores = penalised(ids, prompt, logits, how)
        held_back = ends if len(ids) - prompt < how["least"] else []
        out.write(numbers("I", [len(ids)]) + numbers("i", ids) + numbers("I", [prompt, len(how["biases"])]))
        out.write(b"".join(struct.pack("<if", *each) for each in how["biases"].items()))
        out.write(numbers("I", [len(held_back)]) + numbers("i", held_back))
        out.write(numbers("f", [how[name] for name in ("repetition", "frequency", "presence", "temperature", "min_p",
                                                       "top_p")]) + numbers("I", [how["top_k"]]))
        for values in (logits, scores, probabilities(scores, how)):
            out.write(numbers("f", values.tolist()))
reference.record("sampling", ["torch", "transformers"])
print(f"sampling.bin: {CASES} cases")
