#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_overhead.py PROGRAM SERVER: tokens per second of answers streamed through HTTP, router, prefill and decode
apart, eight at a time, against the bare engine loop of PROGRAM (ashlar-bench-model-decoder) in one process: the same
model, lengths of prompts and answers, order and threads an engine, in turns. Where an answer ends the next one begins,
until all have come, from the first request sent to the last token read; the client's own work is in it. burst_ratio is
that of eight answers that begin together and none behind them: a split server decodes the first ones while the prompts
of the others are still being computed, so that beginning and end are steps of fewer than eight."""
import json
import os
import random
import statistics
import subprocess
import sys
import time

from serving import Server
from streams import Stream, run

ROUNDS, AT_ONCE, PROMPT = 7, 8, 64
noise = random.Random(11)
KEPT = [noise.randrange(96, 289) for _ in range(4 * AT_ONCE)]
BURST = [192] * AT_ONCE
threads = min(2, os.cpu_count())


def bare(answers):
    said = subprocess.run([sys.argv[1], "--model", os.environ["ASHLAR_MODEL"], "--threads", str(threads), "--prompt",
                           str(PROMPT), "--sequences", str(AT_ONCE), "--answers", ",".join(map(str, answers)),
                           "--rounds", "1"], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(said.stdout.strip().splitlines()[-1])["generate_tok_s"]


def served(server, answers):
    before = generated(server)
    bodies = iter([{"prompt": [noise.randrange(1000, 40000) for _ in range(PROMPT)], "max_tokens": tokens,
                    "temperature": 0, "ignore_eos": True} for tokens in answers])
    began = time.monotonic()
    streams = run([Stream(server.url, next(bodies)) for _ in range(AT_ONCE)],
                  behind=lambda: next((Stream(server.url, body) for body in bodies), None))
    lasted = max(stream.came[-1] for stream in streams) - began
    made = generated(server) - before
    assert made == sum(answers), f"{made} tokens were generated, not {sum(answers)}: not all answers are whole"
    return made / lasted


def generated(server):
    return sum(value for (name, _), value in server.metrics().items() if name == "vllm:generation_tokens_total")


rates = {name: ([], []) for name in ("kept", "burst")}  # ours, the peer's
with Server("--threads", str(threads)) as split:
    served(split, BURST)  # the first touches its memory
    for number in range(ROUNDS):
        for name, answers in (("kept", KEPT), ("burst", BURST)):
            order = (0, 1) if number % 2 else (1, 0)
            for who in order:
                rates[name][who].append(bare(answers) if who else served(split, answers))
            print(f"serve_overhead: {number + 1} of {ROUNDS}, {name}: {rates[name][0][-1]:.1f} and "
                  f"{rates[name][1][-1]:.1f} tokens/s", file=sys.stderr, flush=True)
ratios = [mine / theirs for mine, theirs in zip(*rates["kept"])]
mine, theirs = map(statistics.median, rates["kept"])
burst = [statistics.median(side) for side in rates["burst"]]
print(json.dumps({"ours": mine, "peer": theirs, "peer_name": "a bare engine loop", "ratio": mine / theirs,
                  "min": min(ratios), "max": max(ratios), "burst_ratio": burst[0] / burst[1], "n": ROUNDS,
                  "unit": "tokens/s", "threads": threads, "concurrent": AT_ONCE}))
