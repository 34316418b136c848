#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan.py tables|units|compile [ROUNDS]: what plan promises of every compiler that this machine has.

tables:  test/plan/golden.hpp, in which each printed value is a static_assert, compiles; its rows also hold at run
         time. ours is the number of rows that do not hold and of compilers that refuse.
units:   test/reject/plan_*.cpp is refused, and both units or the reason are named; without the offending lines it
         compiles. ours is the number of files and compilers for which that is not so.
compile: user seconds of `-fsyntax-only`, g++ and clang++-19 in turn: a file with only <algorithm> and <span> (peer),
         the golden set (ours), and what a plan adds to a user's file. The worse compiler counts.

Prints a JSON line for bench/run. gcc, clang 16, clang 19 and nvcc: those that are there; g++ must be.
"""
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAGS = ["-std=c++20", "-I", str(ROOT / "include")]
SYNTAX = {name: [name, *FLAGS, "-fsyntax-only"] for name in ("g++", "clang++-16", "clang++-19") if shutil.which(name)}
NVCC = shutil.which("nvcc") or next(  # or the one that test/run has fetched
    map(str, ROOT.glob("build/venv-cuda/lib/python3*/site-packages/nvidia/cu13/bin/nvcc")), None)
EVERYONE = {**SYNTAX, **({"nvcc": [NVCC, *FLAGS, "-x", "cu", "-c", "-o", "/dev/null"]} if NVCC else {})}
GOLDEN = ROOT / "test/plan/golden.hpp"
COUNT = """#include <cstdio>
template <const auto& Table> int off() {
    int n = 0;
    for (const golden::row& r : Table) n += !golden::holds(r);
    return n;
}
int main() {
    using namespace golden;
    std::printf("%d ", size<step3> + size<step3_text> + size<others>);
    std::printf("%d\\n", off<step3>() + off<step3_text>() + off<others>());
}
"""
PLAN = """#include <ashlar/plan.hpp>
using namespace ashlar::plan;
using namespace ashlar::literals;
constexpr auto cost = cost_per_token(catalog::step3, catalog::h20, catalog::h800, 8192_tokens);
static_assert(per_million(cost.total()) < 0.06_usd);
constexpr auto step = decode_step(catalog::qwen3_235b, catalog::h200, 128_requests, 8192_tokens, stored::fp8);
static_assert(step.ffn.by() == limit::memory);
"""
BARE = "#include <algorithm>\n#include <span>\n"


def user_seconds(command, path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([*command, path], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def exact(ours, **more):
    return {"ours": ours, "peer": None, "ratio": None, "min": ours, "max": ours, "n": 1,
            "compilers": len(EVERYONE), **more}


def tables(folder):
    source, program = folder / "golden.cpp", folder / "golden"
    source.write_text(f'#include "{GOLDEN}"\n' + COUNT)
    refused = [name for name, command in EVERYONE.items() if subprocess.run([*command, source]).returncode]
    if "g++" in refused:
        return exact(len(refused), rows=0)
    subprocess.run(["g++", *FLAGS, source, "-o", program], check=True)
    rows, off = map(int, subprocess.check_output([program], text=True).split())
    return exact(off + len(refused), rows=rows)


def refusals(folder):
    del folder
    failed = files = 0
    for source in sorted((ROOT / "test/reject").glob("plan_*.cpp")):
        files += 1
        for command in EVERYONE.values():
            for mode in ("refuse", "accept"):
                run = subprocess.run([sys.executable, ROOT / "test/reject/reject.py", mode, source, *command])
                failed += run.returncode != 0
    return exact(failed, files=files)


def compile_time(folder):
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 11
    bare, golden, plan = folder / "bare.cpp", folder / "golden.cpp", folder / "plan.cpp"
    bare.write_text(BARE)
    golden.write_text(f'#include "{GOLDEN}"\n')
    plan.write_text(BARE + PLAN)
    lines = subprocess.run(["g++", *FLAGS, "-E", "-P", ROOT / "include/ashlar/plan.hpp"], check=True,
                           capture_output=True).stdout.count(b"\n")
    worst = None
    for name in (n for n in ("g++", "clang++-19") if n in SYNTAX):
        for path in (bare, golden, plan):
            user_seconds(SYNTAX[name], path)  # files into the page cache
        times = [[user_seconds(SYNTAX[name], path) for path in (bare, golden, plan)] for _ in range(rounds)]
        peer, ours, with_plan = (statistics.median(column) for column in zip(*times))
        ratios = [row[1] / row[0] for row in times]
        result = {"ours": ours, "peer": peer, "peer_name": f"<algorithm> and <span>, {name}", "ratio": ours / peer,
                  "adds": (with_plan - peer) / peer, "min": min(ratios), "max": max(ratios), "n": rounds, "unit": "s",
                  "lines": lines}
        adds = max(result["adds"], worst["adds"]) if worst else result["adds"]
        worst = {**(result if not worst or result["ratio"] > worst["ratio"] else worst), "adds": adds}
    return worst


with tempfile.TemporaryDirectory() as name:
    print(json.dumps({"tables": tables, "units": refusals, "compile": compile_time}[sys.argv[1]](pathlib.Path(name))))
