# SPDX-License-Identifier: Apache-2.0
"""What figures about a server share. The last word of their command line is the program ashlar-serve; the model is the
quickstart's, or what MODEL in the environment says."""
import json
import os
import pathlib
import subprocess
import sys
from time import sleep  # noqa: F401, the figures use it

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/e2e"))
os.environ["ASHLAR_SERVE"] = sys.argv[-1]
os.environ["ASHLAR_MODEL"] = subprocess.check_output([ROOT / "examples/support/fetch_model"], text=True).strip()
from server import Server  # noqa: E402, F401


def emit(ours, values, **more):
    """The line that bench/run reads, of a figure without a peer."""
    print(json.dumps({"ours": ours, "peer": None, "ratio": None, "min": min(values), "max": max(values),
                      "n": len(values), **more}))
