# SPDX-License-Identifier: Apache-2.0
"""Makes logits.bin and greedy.txt:  python3 make_logits.py MODEL.gguf

logits.bin holds, for every position of every prompt, the reference's last hidden state h (after the final norm). The
reference's logits are E h with E the GGUF's own token embedding, so the test rebuilds all of them at full width from
few bytes; complete logits of some last positions are stored as well, to prove that rebuilding is right.
  u32 magic 'ALGL', u32 format 1, u32 prompts, u32 width, u32 vocabulary; per prompt: u32 n, u32 full (0 or 1),
  i32 ids[n], f32 hidden[n][width], f32 logits[vocabulary] of the last position if full. Little-endian.
greedy.txt holds 64 greedy tokens of each of these prompts whose best and second-best logit stay further than 1e-2
apart at every step: three lines a prompt, the smallest margin, the prompt's ids, the ids that follow.
"""
import struct
import sys

import numpy
import torch

import reference
from prompts import prompts

length, margin_least, full_count, logits_count = 64, 1e-2, 4, 30
source = reference.file(sys.argv[1])
model, tokenizer = reference.model(source), reference.tokenizer(source, special=True)
embedding = source.weights("token_embd.weight")
encoded = [tokenizer.encode(text).ids for text in prompts]


def greedy(ids):
    out, smallest, cache, feed = [], float("inf"), None, ids
    for _ in range(length):
        step = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
        best = torch.topk(step.logits[0, -1], 2)
        smallest = min(smallest, float(best.values[0] - best.values[1]))
        feed, cache = [int(best.indices[0])], step.past_key_values
        out += feed
    return out, smallest


with torch.no_grad():
    followed = [greedy(ids) for ids in encoded]
    # prompts that stay clear of ties first; the others fill up, so that golden.logits sees both
    order = sorted(range(len(prompts)), key=lambda i: followed[i][1] <= margin_least)[:logits_count]
    kept = [i for i in sorted(order) if followed[i][1] > margin_least]
    with open(reference.here / "greedy.txt", "w") as out:
        for i in kept:
            out.write(f"{followed[i][1]:.6f}\n{' '.join(map(str, encoded[i]))}\n{' '.join(map(str, followed[i][0]))}\n")
    worst = 0.0
    with open(reference.here / "logits.bin", "wb") as out:
        out.write(struct.pack("<5I", 0x4C474C41, 1, len(order), embedding.shape[1], embedding.shape[0]))
        for number, i in enumerate(sorted(order)):
            ids = encoded[i]
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0].numpy()
            logits = model(torch.tensor([ids])).logits[0].numpy().astype(numpy.float64)
            rebuilt = hidden.astype(numpy.float64) @ embedding.T.astype(numpy.float64)
            worst = max(worst, float((numpy.linalg.norm(rebuilt - logits, axis=1) / numpy.linalg.norm(logits, axis=1)).max()))
            full = number % (len(order) // full_count) == 0
            out.write(struct.pack("<2I", len(ids), full) + numpy.array(ids, "<i4").tobytes() + hidden.astype("<f4").tobytes())
            if full:
                out.write(logits[-1].astype("<f4").tobytes())
positions = sum(len(encoded[i]) for i in order)
reference.record("logits", ["torch", "transformers", "tokenizers", "gguf", "numpy"])
print(f"{len(order)} prompts, {positions} positions; logits rebuilt from hidden states within {worst:.2e}; {len(kept)} greedy prompts")
assert worst < 3e-6 and len(kept) >= 20 and len(order) >= 24
