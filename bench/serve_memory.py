#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_memory.py PROGRAM: resident memory of the largest process of a server, in MiB, after its pools were
filled, again and again, and what the bar leaves of it: bytes of the GGUF file + pool + 64 MiB."""
import concurrent.futures
import os
import re
import statistics

from serving import Server, emit

POOL_MIB, ROUNDS = 64, 7
MIB = 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        text = status.read()
    return {name: int(re.search(name + r":\s*(\d+) kB", text)[1]) / 1024 for name in ("VmRSS", "VmHWM")}


with Server("--pool-mib", str(POOL_MIB)) as server:
    def ask(k):
        return server.chat(f"{k}: " + "Stone upon stone. " * 80, max_tokens=48, ignore_eos=True)

    largest = []
    for number in range(ROUNDS):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(16 * number, 16 * (number + 1))))
        each = {pid: resident(pid) for pid in server.pids()}
        largest.append(max(one["VmRSS"] for one in each.values()))
    roles = {pid: role for role, pid in server.engines().items()}

limit = os.path.getsize(os.environ["ASHLAR_MODEL"]) / MIB + POOL_MIB + 64
emit(statistics.median(largest), largest, limit=limit, left=limit - max(largest),
     peak=max(one["VmHWM"] for one in each.values()), unit="MiB",
     processes={roles.get(pid, "router or supervisor"): round(one["VmRSS"], 1) for pid, one in each.items()})
