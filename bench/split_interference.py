#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""split_interference.py [--plot FILE.svg] PROGRAM: what long prompts do to answers under way, split against unified.

Four answers are streamed while prompts of 1,024 tokens arrive in Poisson order at a given rate for eight seconds. The
same two threads serve both: two in the unified engine, or one to prefill and one to decode. The unified engine runs
with chunks of 256 and of 64 tokens; at each rate it counts with the better of the two. Measured are the 99th
percentile of the time between tokens of the four (TPOT p99), the median time to the first token of the long prompts,
and tokens/s of the four. The knee is the highest rate at which unified keeps up: the long prompts' median TTFT stays
below three times that of the lowest rate. Splitting loses where its lines are the worse ones.

--plot also writes the curves; it takes matplotlib from PyPI into build/venv-plot.
"""
import contextlib
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time

from serving import ROOT, Server
from streams import Stream, run

ROUNDS, RATES, SECONDS, ANSWERS, LONG = 7, (0, 0.25, 0.5, 1, 1.5, 2), 8, 4, 1024
SERVERS = {"split": ("--threads", "1"), "unified, chunks of 256": ("--role", "unified", "--threads", "2"),
           "unified, chunks of 64": ("--role", "unified", "--threads", "2", "--batch-tokens", "64")}
noise = random.Random(17)


def ask(url, prompt, tokens):
    return Stream(url, {"prompt": [noise.randrange(1000, 40000) for _ in range(prompt)], "max_tokens": tokens,
                        "temperature": 0, "ignore_eos": True})


def arrivals(rate, seed):
    """Moments within the window; the same for every server of a round."""
    order, moments, at = random.Random(seed), [], 0.0
    while rate:
        at += order.expovariate(rate)
        if at >= SECONDS:
            break
        moments.append(at)
    return moments


def measure(server, rate, seed):
    """(TPOT p99, median TTFT of the long prompts or None, tokens/s), in seconds."""
    answers = [ask(server.url, 32, 2000) for _ in range(ANSWERS)]
    began = time.monotonic() + 0.5
    longs = []

    def long_prompt():
        longs.append(ask(server.url, LONG, 1))
        return longs[-1]

    end = began + SECONDS
    run(answers, [(began + at, long_prompt) for at in arrivals(rate, seed)], until=end)
    gaps, tokens = [], 0
    for answer in answers:
        came = [moment for moment in answer.came if began <= moment <= end]
        gaps += [b - a for a, b in zip(came, came[1:])]
        gaps.append(end - came[-1] if came else SECONDS)  # a stall at the end of the window is one, too
        tokens += len(came)
    first = [long.came[0] - long.began if long.came else end - long.began for long in longs]
    server.wait_all_free()
    return sorted(gaps)[int(0.99 * (len(gaps) - 1))], statistics.median(first) if first else None, tokens / SECONDS


def plot(path, curves):
    folder = ROOT / "build/venv-plot"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "matplotlib==3.10.*"], check=True, stdout=sys.stderr)
        (folder / "installed").touch()
    subprocess.run([folder / "bin/python", pathlib.Path(__file__).with_name("plot_interference.py"), path],
                   input=json.dumps(curves), text=True, check=True)


found = {(name, rate): [] for name in SERVERS for rate in RATES}
with contextlib.ExitStack() as stack:
    servers = {name: stack.enter_context(Server(*arguments)) for name, arguments in SERVERS.items()}
    for name, server in servers.items():
        run([ask(server.url, LONG, 8)])  # the first of each touches its memory
    for number in range(ROUNDS):
        for rate in RATES:
            for name, server in servers.items():
                found[name, rate].append(measure(server, rate, seed=f"{number} {rate}"))
        print(f"split_interference: {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)


def middle(name, rate, which):
    values = [one[which] for one in found[name, rate] if one[which] is not None]
    return statistics.median(values) if values else None


def unified(rate):
    return min((name for name in SERVERS if name != "split"), key=lambda name: middle(name, rate, 0))


lowest = middle(unified(RATES[1]), RATES[1], 1)
knee = max((rate for rate in RATES[1:] if middle(unified(rate), rate, 1) < 3 * lowest), default=RATES[1])
peer = unified(knee)
pairs = [theirs[0] / ours[0] for ours, theirs in zip(found["split", knee], found[peer, knee])]
if "--plot" in sys.argv:
    plot(sys.argv[sys.argv.index("--plot") + 1],
         {name: {str(rate): found[name, rate] for rate in RATES} for name in SERVERS})
print(json.dumps({
    "ours": 1e3 * middle("split", knee, 0), "peer": 1e3 * middle(peer, knee, 0), "peer_name": peer, "unit": "ms",
    "ratio": middle(peer, knee, 0) / middle("split", knee, 0), "min": min(pairs), "max": max(pairs), "n": ROUNDS,
    "knee_per_s": knee,
    "tpot_p99_ms": {name: [1e3 * middle(name, rate, 0) for rate in RATES] for name in SERVERS},
    "ttft_s": {name: [middle(name, rate, 1) for rate in RATES[1:]] for name in SERVERS},
    "tokens_per_s": {name: [middle(name, rate, 2) for rate in RATES] for name in SERVERS}, "rates": RATES}))
