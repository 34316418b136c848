# SPDX-License-Identifier: Apache-2.0
"""Makes logits.bin and greedy.txt:  python3 make_logits.py MODEL.gguf

The prompts of prompts.py are taken in their order: the first `clear_count` whose best and second-best logit stay
further than 1e-2 apart during 64 greedy tokens (the clear ones), and the first `unclear_count` that come nearer to a
tie. In some ten minutes on one core.

greedy.txt holds the clear ones, three lines a prompt: the smallest margin, the prompt's ids, the 64 ids that follow.
logits.bin holds all of them. Per position it has the reference's last hidden state h (after the final norm). The
reference's logits are E h with E the GGUF's own token embedding, so the test rebuilds all of them at full width from
few bytes; complete logits of some last positions are stored as well, to prove that rebuilding is right. It also has the
distance of the reference from itself when its KV cache is rounded to f16 and to bf16: what the format alone costs.
  u32 magic 'ALGL', u32 format 2, u32 prompts, u32 width, u32 vocabulary; per prompt: u32 n, u32 full (0 or 1),
  i32 ids[n], f32 hidden[n][width], f32 f16_distance[n], f32 bf16_distance[n], f32 logits[vocabulary] of the last
  position if full. Little-endian.
"""
import struct
import sys

import numpy
import torch
import transformers

import reference
from prompts import prompts

length, margin_least, clear_count, unclear_count, full_every = 64, 1e-2, 24, 8, 8
source = reference.file(sys.argv[1])
model, tokenizer = reference.model(source), reference.tokenizer(source, special=True)
embedding = source.weights("token_embd.weight").astype(numpy.float64)


class rounding_cache(transformers.DynamicCache):
    """transformers' own cache, holding what a cache of `format` would give back."""

    def __init__(self, format):
        super().__init__()
        self.format = format

    def update(self, keys, values, *rest, **named):
        return super().update(keys.to(self.format).float(), values.to(self.format).float(), *rest, **named)


def greedy(ids):
    """The tokens that follow and the smallest margin; ends early where that margin is too small."""
    out, smallest, cache, feed = [], float("inf"), None, ids
    for _ in range(length):
        step = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
        best = torch.topk(step.logits[0, -1], 2)
        smallest = min(smallest, float(best.values[0] - best.values[1]))
        if smallest <= margin_least:
            break
        feed, cache = [int(best.indices[0])], step.past_key_values
        out += feed
    return out, smallest


def distance(other, logits):
    return numpy.linalg.norm(other - logits, axis=1) / numpy.linalg.norm(logits, axis=1)


def logits_of(ids, cache=None):
    return model(torch.tensor([ids]), past_key_values=cache).logits[0].numpy().astype(numpy.float64)


chosen, clear, unclear = [], 0, 0
with torch.no_grad():
    for text in prompts:
        ids = tokenizer.encode(text).ids
        follow, margin = greedy(ids)
        is_clear = margin > margin_least
        if (clear if is_clear else unclear) < (clear_count if is_clear else unclear_count):
            chosen.append((ids, follow, margin))
            clear, unclear = clear + is_clear, unclear + (not is_clear)
        print(f"{len(chosen)} chosen: {clear} clear, {unclear} not; margin {margin:.4f} after {text[:40]!r}",
              flush=True)
        if clear == clear_count and unclear == unclear_count:
            break
    assert clear == clear_count and unclear == unclear_count, "prompts.py has too few prompts of one kind"

    worst, positions = {"rebuilt": 0.0, "f16": 0.0, "bf16": 0.0}, 0
    with open(reference.here / "logits.bin", "wb") as out:
        out.write(struct.pack("<5I", 0x4C474C41, 2, len(chosen), embedding.shape[1], embedding.shape[0]))
        for number, (ids, _, _) in enumerate(chosen):
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0].numpy()
            logits = logits_of(ids)
            # E h in float64 may differ from the reference's float32 product by that product's rounding and no more:
            # |error| <= n u / (1 - n u) (|E| |h|): N. Higham, Accuracy and Stability of Numerical Algorithms, (3.5).
            exact = hidden.astype(numpy.float64)
            rebuilt, rounding = exact @ embedding.T, embedding.shape[1] * 2.0**-24
            assert (abs(rebuilt - logits) <= rounding / (1 - rounding) * (abs(exact) @ abs(embedding).T)).all()
            halves = {name: distance(logits_of(ids, rounding_cache(format)), logits)
                      for name, format in (("f16", torch.float16), ("bf16", torch.bfloat16))}
            for name, found in {"rebuilt": distance(rebuilt, logits), **halves}.items():
                worst[name] = max(worst[name], float(found.max()))
            full = number % full_every == 0
            out.write(struct.pack("<2I", len(ids), full) + numpy.array(ids, "<i4").tobytes())
            out.write(hidden.astype("<f4").tobytes())
            for found in halves.values():
                out.write(found.astype("<f4").tobytes())
            if full:
                out.write(logits[-1].astype("<f4").tobytes())
            positions += len(ids)
with open(reference.here / "greedy.txt", "w") as out:
    for ids, follow, margin in chosen:
        if margin > margin_least:
            out.write(f"{margin:.6f}\n{' '.join(map(str, ids))}\n{' '.join(map(str, follow))}\n")
reference.record("logits", ["torch", "transformers", "tokenizers", "gguf", "numpy"])
print(f"{len(chosen)} prompts, {positions} positions, {clear} of them greedy; worst distances "
      + ", ".join(f"{name} {found:.2e}" for name, found in worst.items()))
