#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""exact.py PROGRAM [ARGUMENT...]: a doctest program as a figure; ours is the number of its assertions that fail."""
import json
import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
model = subprocess.check_output([root / "examples/support/fetch_model"], text=True).strip()
run = subprocess.run(sys.argv[1:], env={**os.environ, "ASHLAR_MODEL": model}, stdout=subprocess.PIPE, text=True)
said = re.search(r"assertions:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", run.stdout)
if not said or (run.returncode == 0) != (said[3] == "0"):
    sys.exit(run.stdout[-2000:])
failed = int(said[3])
print(json.dumps({"ours": failed, "peer": None, "ratio": None, "min": failed, "max": failed, "n": 1,
                  "assertions": int(said[1]), "unit": "assertions"}))
