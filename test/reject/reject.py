#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reject.py refuse|accept FILE COMPILER [ARGUMENT...]

refuse: the compiler must fail on FILE and print the words of its `// expect:` line.
accept: with -DASHLAR_ACCEPT the compiler must be content.
"""
import os
import subprocess
import sys

mode, path, *command = sys.argv[1:]
lines = open(path, encoding="utf-8").read().splitlines()
expected = [line.removeprefix("// expect:").strip() for line in lines if line.startswith("// expect:")]
if not expected or not all(expected):
    sys.exit(f"{path}: needs a line `// expect: <words that the compiler must print>`")

accept = mode == "accept"
run = subprocess.run([*command, *(["-DASHLAR_ACCEPT"] if accept else []), path], text=True, capture_output=True,
                     env={**os.environ, "LC_ALL": "C"})
output = run.stdout + run.stderr
if accept:
    if run.returncode:
        sys.exit(f"{path}: does not even compile without its offending lines:\n{output}")
else:
    if run.returncode == 0:
        sys.exit(f"{path}: compiles, though it must not")
    # A compiler echoes source lines: only what it says itself counts.
    said = "\n".join(line for line in output.splitlines() if "error:" in line or "note:" in line)
    for words in expected:
        if words not in said:
            sys.exit(f"{path}: fails, but not with {words!r}:\n{output}")
