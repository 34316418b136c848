#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_overhead.py PROGRAM SERVER: tokens per second of eight answers streamed at a time through HTTP, router, prefill
and decode apart, against the bare engine loop of PROGRAM (ashlar-bench-model-decoder) in one process: the same model,
prompts and answers of the same lengths, the same threads an engine, in turns. From the first request sent to the last
token read; the client's own work is in it. steady_ratio is that of the rates while all eight are under way: what is
missing between the two is not the cost of a token's way, but that of a beginning and an end with fewer than eight."""
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
    rates = json.loads(said.stdout.strip().splitlines()[-1])
    return rates["generate_tok_s"], rates["decode_tok_s"]


def served(server):
    bodies = [{"prompt": [noise.randrange(1000, 40000) for _ in range(PROMPT)], "max_tokens": TOKENS,
               "temperature": 0, "ignore_eos": True} for _ in range(SEQUENCES)]
    began = time.monotonic()
    streams = run([Stream(server.url, body) for body in bodies])
    tokens = SEQUENCES * TOKENS
    made = sum(value for (name, _), value in server.metrics().items() if name == "vllm:generation_tokens_total")
    assert made and made % tokens == 0, f"{made} tokens were generated: not all answers are whole"
    last_first, first_last = max(stream.came[0] for stream in streams), min(stream.came[-1] for stream in streams)
    meanwhile = sum(last_first < moment <= first_last for stream in streams for moment in stream.came)
    return tokens / (max(stream.came[-1] for stream in streams) - began), meanwhile / (first_last - last_first)


ours, peers = [], []
with Server("--threads", str(threads)) as split:
    served(split)  # the first touches its memory
    for number in range(ROUNDS):
        pair = {}
        for who in ("ours", "peer") if number % 2 else ("peer", "ours"):
            pair[who] = served(split) if who == "ours" else bare()
        ours.append(pair["ours"])
        peers.append(pair["peer"])
        print(f"serve_overhead: {number + 1} of {ROUNDS}: {ours[-1][0]:.1f} and {peers[-1][0]:.1f} tokens/s",
              file=sys.stderr, flush=True)
ratios = [mine[0] / theirs[0] for mine, theirs in zip(ours, peers)]
(mine, mine_steady), (theirs, theirs_steady) = ([statistics.median(column) for column in zip(*each)]
                                                for each in (ours, peers))
print(json.dumps({"ours": mine, "peer": theirs, "peer_name": "a bare engine loop", "ratio": mine / theirs,
                  "min": min(ratios), "max": max(ratios), "steady_ratio": mine_steady / theirs_steady, "n": ROUNDS,
                  "unit": "tokens/s", "threads": threads, "concurrent": SEQUENCES}))
