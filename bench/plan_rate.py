#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan_rate.py PROGRAM: instructions of one verdict, counted by callgrind, and its time beside aiconfigurator's.

PROGRAM is ashlar-bench-plan-rate. aiconfigurator comes from PyPI into build/venv-aiconfigurator, 850 MB with tables;
ASHLAR_AICONFIGURATOR_PYTHON names an interpreter that has it already. Ours and the peer are timed in turns.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

VERSION, ROUNDS, FEW, MANY = "0.12.0", 7, 100, 1100
ROOT = pathlib.Path(__file__).resolve().parent.parent
program = sys.argv[1]


def peer_python():
    given = os.environ.get("ASHLAR_AICONFIGURATOR_PYTHON")
    if given:
        return given
    folder = ROOT / "build/venv-aiconfigurator"
    if not (folder / "installed").exists():
        print(f"plan_rate: installing aiconfigurator {VERSION} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", f"aiconfigurator=={VERSION}"], check=True,
                       stdout=sys.stderr)
        (folder / "installed").touch()
    return folder / "bin/python"


def said(command):
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(run.stdout.strip().splitlines()[-1])


def instructions(*more):
    counted = []
    for points in (FEW, MANY):
        with tempfile.NamedTemporaryFile() as out:
            run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", program,
                                  str(points), *more], check=True, capture_output=True, text=True)
        counted.append(int(re.search(r"Collected\s*:\s*(\d+)", run.stderr)[1]))
    return (counted[1] - counted[0]) / (MANY - FEW)


python = peer_python()
each, two_kinds = instructions(), instructions("--two")
ours, peers, whole = [], [], []
for number in range(ROUNDS):
    for who in ("ours", "peer") if number % 2 else ("peer", "ours"):
        if who == "ours":
            ours.append(said([program, "200000", "--time"])["us"])
        else:
            peer = said([python, ROOT / "bench/peers/aiconfigurator_rate.py"])
            peers.append(peer["us"])
            whole.append(peer["whole_us"])
    print(f"plan_rate: {number + 1} of {ROUNDS}: {ours[-1]} and {peers[-1]} us", file=sys.stderr, flush=True)
ratios = [theirs / mine for mine, theirs in zip(ours, peers)]
print(json.dumps({"ours": each, "peer": statistics.median(peers),
                  "peer_name": f"us of aiconfigurator {peer['version']}",
                  "ratio": statistics.median(peers) / statistics.median(ours), "min": min(ratios), "max": max(ratios),
                  "n": ROUNDS, "unit": "instructions", "faster": min(ratios), "us": statistics.median(ours),
                  "whole_us": statistics.median(whole), "two_kinds": two_kinds,
                  "allocations": said([program, "1000"])["allocations"]}))
