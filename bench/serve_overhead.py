#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_overhead.py PROGRAM SERVER: tokens per second of eight answers streamed at a time through HTTP, router, prefill
and decode apart, against the bare engine loop of PROGRAM (ashlar-bench-model-decoder) in one process: the same model,
prompts and answers of the same lengths, the same threads an engine, in turns. From the first request sent to the last
token read; the client's own work is in it."""
import json
import os
import random
import statistics
import subprocess
import sys
import time

from serving import Server
from streams import Stream, run

ROUNDS, SEQUENCES, PROMPT, TOKENS = 9, 8, 64, 192
threads = min(2, os.cpu_count())
noise = random.Random(11)


def bare():
    said = subprocess.run([sys.argv[1], "--model", os.environ["ASHLAR_MODEL"], "--threads", str(threads), "--prompt",
                           str(PROMPT), "--decode", str(TOKENS - 1), "--sequences", str(SEQUENCES), "--rounds", "1"],
                          check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(said.stdout.strip().splitlines()[-1])["generate_tok_s"]


def served(server):
    bodies = [{"prompt": [noise.randrange(1000, 40000) for _ in range(PROMPT)], "max_tokens": TOKENS,
               "temperature": 0, "ignore_eos": True} for _ in range(SEQUENCES)]
    began = time.monotonic()
    streams = run([Stream(server.url, body) for body in bodies])
    tokens = SEQUENCES * TOKENS
    made = sum(value for (name, _), value in server.metrics().items() if name == "vllm:generation_tokens_total")
    assert made and made % tokens == 0, f"{made} tokens were generated: not all answers are whole"
    return tokens / (max(stream.came[-1] for stream in streams) - began)


ours, peers = [], []
with Server("--threads", str(threads)) as split:
    served(split)  # the first touches its memory
    for number in range(ROUNDS):
        pair = {}
        for who in ("ours", "peer") if number % 2 else ("peer", "ours"):
            pair[who] = served(split) if who == "ours" else bare()
        ours.append(pair["ours"])
        peers.append(pair["peer"])
        print(f"serve_overhead: {number + 1} of {ROUNDS}: {ours[-1]:.1f} and {peers[-1]:.1f} tokens/s",
              file=sys.stderr, flush=True)
ratios = [mine / theirs for mine, theirs in zip(ours, peers)]
print(json.dumps({"ours": statistics.median(ours), "peer": statistics.median(peers), "peer_name": "a bare engine loop",
                  "ratio": statistics.median(ours) / statistics.median(peers), "min": min(ratios), "max": max(ratios),
                  "n": ROUNDS, "unit": "tokens/s", "threads": threads, "concurrent": SEQUENCES}))
