# SPDX-License-Identifier: Apache-2.0
"""What figures about a server share. The last word of their command line is the program ashlar-serve; the model is the
quickstart's, or what MODEL in the environment says."""
import json
import os
import pathlib
import subprocess
import sys
import time
from time import sleep  # noqa: F401, the figures use it

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/e2e"))
os.environ["ASHLAR_SERVE"] = sys.argv[-1]
os.environ["ASHLAR_MODEL"] = subprocess.check_output([ROOT / "examples/support/fetch_model"], text=True).strip()
from server import Server  # noqa: E402, F401


def first_token(server, tokens, noise):
    """Seconds to the first token of a prompt of so many random tokens; returns when the server has let go of it."""
    body = {"prompt": [noise.randrange(1000, 40000) for _ in range(tokens)], "max_tokens": 2, "temperature": 0,
            "ignore_eos": True}
    began = time.monotonic()
    stream = server.stream("/v1/completions", body)
    next(stream)
    seconds = time.monotonic() - began
    for _ in stream:
        pass
    server.wait_all_free()
    return seconds


def in_turns(servers, round_):
    """All of them, another one first in every round: whoever comes first finds the machine rested."""
    order = list(servers.items())
    first = round_ % len(order)
    return order[first:] + order[:first]


def emit(ours, values, **more):
    """The line that bench/run reads, of a figure without a peer."""
    print(json.dumps({"ours": ours, "peer": None, "ratio": None, "min": min(values), "max": max(values),
                      "n": len(values), **more}))
