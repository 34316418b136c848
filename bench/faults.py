#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faults.py PROGRAM: wrong answers, hangs and leaks of a server whose processes are killed and stopped at random
moments under load, several minutes long. test/e2e/strikes.py says what counts, and puts its own words of this run into
test/e2e/strikes_summary.txt."""
import os
import pathlib
import re
import subprocess
import sys

from serving import ROOT, emit

os.environ["ASHLAR_REPLAY"] = str(pathlib.Path(sys.argv[-1]).with_name("ashlar-replay"))
said = subprocess.run([sys.executable, "-B", ROOT / "test/e2e/strikes.py", "--strikes", "300", "--seed", "1",
                       "--jobs", "2", "--summary", ROOT / "test/e2e/strikes_summary.txt"],
                      stdout=subprocess.PIPE, text=True).stdout


def number(pattern):
    return int(re.search(pattern, said, re.MULTILINE)[1])


counts = {what: number(rf"^found .*?(\d+) {what}") for what in ("wrong", "hangs", "leaks")}
bad = sum(counts.values())
emit(bad, [bad], strikes=number(r"^strikes +(\d+)"), requests=number(r"^requests +(\d+)"), **counts)
