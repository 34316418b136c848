#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_rate.py decode|prefill PROGRAM: tokens per second of our engine and of llama.cpp, the same GGUF file and the
same number of threads, in turns. PROGRAM is ashlar-bench-model-decoder. llama.cpp comes as llama-cpp-python,
compiled for this processor into build/venv-llama.cpp, which takes some minutes once."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

VERSION, ROUNDS = "0.3.36", 9
ROOT = pathlib.Path(__file__).resolve().parent.parent
what, program = sys.argv[1:]
model = subprocess.check_output([ROOT / "examples/support/fetch_model"], text=True).strip()
threads = str(min(2, os.cpu_count()))


def peer_python():
    given = os.environ.get("ASHLAR_LLAMA_PYTHON")  # one that has the package already
    if given:
        return given
    folder = ROOT / "build/venv-llama.cpp"
    if not (folder / "installed").exists():
        print(f"serve_rate: compiling llama-cpp-python {VERSION} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "--no-binary", "llama-cpp-python",
                        f"llama-cpp-python=={VERSION}"], check=True, stdout=sys.stderr,
                       env={**os.environ, "CMAKE_ARGS": "-DGGML_NATIVE=ON"})
        (folder / "installed").touch()
    return folder / "bin/python"


def rate(command):
    run = subprocess.run([*command, "--model", model, "--threads", threads, "--rounds", "1"], check=True,
                         stdout=subprocess.PIPE, text=True)
    said = json.loads(run.stdout.strip().splitlines()[-1])
    return said[f"{what}_tok_s"], said


python = peer_python()
ours, peers = [], []
for number in range(ROUNDS):
    pair = {}
    for who in ("ours", "peer") if number % 2 else ("peer", "ours"):
        pair[who] = rate([program] if who == "ours" else [python, ROOT / "bench/peers/llama_cpp.py"])
    ours.append(pair["ours"][0])
    peers.append(pair["peer"][0])
    print(f"serve_rate: {number + 1} of {ROUNDS}: {ours[-1]} and {peers[-1]} tokens/s", file=sys.stderr, flush=True)
ratios = [mine / theirs for mine, theirs in zip(ours, peers)]
print(json.dumps({"ours": statistics.median(ours), "peer": statistics.median(peers),
                  "peer_name": "llama.cpp by " + pair["peer"][1]["version"],
                  "ratio": statistics.median(ours) / statistics.median(peers), "min": min(ratios), "max": max(ratios),
                  "n": ROUNDS, "unit": "tokens/s", "kernel": pair["ours"][1]["kernel"], "threads": int(threads)}))
