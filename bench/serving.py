# SPDX-License-Identifier: Apache-2.0
"""What figures about a server share: `SCRIPT PROGRAM MODEL` starts the server of test/e2e/server.py."""
import json
import os
import pathlib
import sys
from time import sleep  # noqa: F401, the figures use it

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test/e2e"))
if len(sys.argv) != 3:
    sys.exit(f"usage: {sys.argv[0]} PROGRAM MODEL")
os.environ["ASHLAR_SERVE"], os.environ["ASHLAR_MODEL"] = sys.argv[1:3]
from server import Server  # noqa: E402, F401


def emit(ours, values, **more):
    """The line that bench/run reads, of a figure without a peer."""
    print(json.dumps({"ours": ours, "peer": None, "ratio": None, "min": min(values), "max": max(values),
                      "n": len(values), **more}))
