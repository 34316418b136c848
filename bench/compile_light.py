#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compile_light.py [ROUNDS]: what a user pays for including ashlar/kv.hpp and ashlar/fabric.hpp.

Parses a file with both and a file with only <atomic> and <span>, in turn, by `g++ -fsyntax-only`, and compares the
medians of the user seconds. Prints a JSON line for bench/run.
"""
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 11
COMPILER = os.environ.get("CXX", "g++")
COMMAND = [COMPILER, "-std=c++20", "-I", str(ROOT / "include")]


def user_seconds(path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([*COMMAND, "-fsyntax-only", path], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


with tempfile.TemporaryDirectory() as folder:
    ours, peer = pathlib.Path(folder, "ours.cpp"), pathlib.Path(folder, "peer.cpp")
    ours.write_text("#include <ashlar/fabric.hpp>\n#include <ashlar/kv.hpp>\n")
    peer.write_text("#include <atomic>\n#include <span>\n")
    run = subprocess.run([*COMMAND, "-E", "-P", "-H", ours], check=True, capture_output=True, text=True)
    lines, budget = run.stdout.count("\n"), 80_000 if "/immintrin.h" in run.stderr else 30_000  # as test/tidy has it
    user_seconds(ours), user_seconds(peer)  # files into the page cache
    pairs = [(user_seconds(ours), user_seconds(peer)) for _ in range(ROUNDS)]

ratios = [a / b for a, b in pairs]
version = subprocess.check_output([COMPILER, "-dumpfullversion"], text=True).strip()
medians = [statistics.median(column) for column in zip(*pairs)]
print(json.dumps({
    "ours": medians[0], "peer": medians[1], "peer_name": f"<atomic> and <span>, {COMPILER} {version}",
    "ratio": medians[0] / medians[1], "min": min(ratios), "max": max(ratios), "n": ROUNDS, "unit": "s",
    "lines": lines, "lines_left": budget - lines,
}))
