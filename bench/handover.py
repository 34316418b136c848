#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""handover.py exposed|ttft PROGRAM: what prefill and decode apart cost at a prompt of 512 tokens.

Three servers run at once, all idle but the one that is asked, in turns: unified, split over `window`, split over `ofi`.
Reported are, for each fabric, the ratio of the medians of the time to the first token (split / unified), and the time
from the first token until the decode side has verified the whole KV cache, against the time that one layer of the
prompt takes (time to the first token of unified / layers; what lies before and behind the layers is in it and makes
it a little too long). Prompts are random token ids, so that no prefix is found again.
"""
import json
import random
import statistics
import sys

import serving
from serving import Server, sleep

ROUNDS, PROMPT, LAYERS = 15, 512, 30
EXPOSED = "ashlar_kv_transfer_exposed_seconds_"
noise = random.Random(5)


def total(server, name):
    return sum(value for (key, _), value in server.metrics().items() if key == name)


def first_token(server):
    """Seconds to the first token, and from it to the whole cache at the decode side."""
    before = total(server, EXPOSED + "sum")
    seconds = serving.first_token(server, PROMPT, noise)
    return seconds, total(server, EXPOSED + "sum") - before


with Server("--role", "unified", "--batch-tokens", "512") as unified, \
        Server("--fabric", "window", "--batch-tokens", "512") as window, \
        Server("--fabric", "ofi", "--batch-tokens", "512") as ofi:
    servers = {"unified": unified, "window": window, "ofi": ofi}
    seconds, exposed = {name: [] for name in servers}, {name: [] for name in servers}
    for name, server in servers.items():
        first_token(server)  # the first of each touches its memory
    for round_ in range(ROUNDS):
        for name, server in serving.in_turns(servers, round_):
            one = first_token(server)
            seconds[name].append(one[0])
            exposed[name].append(one[1])
            sleep(0.05)

median = {name: statistics.median(values) for name, values in seconds.items()}
layer = median["unified"] / LAYERS
ratio = {name: [s / u for s, u in zip(seconds[name], seconds["unified"])] for name in ("window", "ofi")}
said = {"ratio_ofi": median["ofi"] / median["unified"], "ratio_window": median["window"] / median["unified"],
        "exposed_layers_ofi": statistics.median(exposed["ofi"]) / layer,
        "exposed_layers_window": statistics.median(exposed["window"]) / layer, "layer_ms": 1e3 * layer, "n": ROUNDS}
if sys.argv[1] == "ttft":
    said |= {"ours": median["ofi"], "peer": median["unified"], "peer_name": "unified, the same program", "unit": "s",
             "ratio": said["ratio_ofi"], "min": min(ratio["ofi"]), "max": max(ratio["ofi"])}
else:
    spread = [seconds / layer for name in ("window", "ofi") for seconds in exposed[name]]
    said |= {"ours": max(said["exposed_layers_ofi"], said["exposed_layers_window"]), "peer": None, "ratio": None,
             "unit": "layers", "min": min(spread), "max": max(spread)}
print(json.dumps(said))
