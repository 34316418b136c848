#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kv_plan.py PROGRAM: instructions that planning a transfer costs, counted by callgrind; exact, so no repetitions.

PROGRAM PLANS makes its plan PLANS times and prints a JSON line {"runs": contiguous runs a plan, "allocations": of all
plans together}. Running it for few and for many plans takes away what it does once.
"""
import json
import re
import subprocess
import sys
import tempfile

FEW, MANY = 10, 110


def count(plans):
    with tempfile.NamedTemporaryFile() as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", sys.argv[1], str(plans)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    instructions = int(re.search(r"Collected\s*:\s*(\d+)", run.stderr)[1])
    return instructions, json.loads(run.stdout.strip().splitlines()[-1])


few, _ = count(FEW)
many, said = count(MANY)
each = (many - few) / (MANY - FEW) / said["runs"]
print(json.dumps({"ours": each, "peer": None, "ratio": None, "min": each, "max": each, "n": 1, "unit": "instructions",
                  "runs": said["runs"], "allocations": said["allocations"]}))
