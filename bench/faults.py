#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faults.py PROGRAM: wrong answers, hangs and leaks of a server whose processes are killed and stopped at random
moments under load, for a quarter of an hour or longer. test/e2e/strikes.py says what counts."""
import os
import pathlib
import sys

from serving import emit

os.environ["ASHLAR_REPLAY"] = str(pathlib.Path(sys.argv[-1]).with_name("ashlar-replay"))
from strikes import Chaos  # noqa: E402

STRIKES = 300
chaos = Chaos(seed=1, say=lambda text: print(text, file=sys.stderr, flush=True))
chaos.run(STRIKES)
counts = chaos.counts()
bad = sum(counts.values())
emit(bad, [bad], strikes=len(chaos.strikes), requests=len(chaos.outcomes), **counts)
