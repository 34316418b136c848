#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve_idle.py PROGRAM: CPU time that all processes of a server use in 10 s without requests, in percent of a
core. It has answered before, so every thread and connection is there."""
import os
import statistics

from serving import Server, emit, sleep

SECONDS, ROUNDS = 10, 7


def used(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


with Server() as server:
    server.chat("Say hello.", max_tokens=16)
    server.wait_all_free()
    sleep(2)
    percents = []
    for _ in range(ROUNDS):
        pids, before = server.pids(), used(server.pids())
        sleep(SECONDS)
        assert server.pids() == pids, "a process died while nothing happened"
        percents.append(100 * (used(pids) - before) / SECONDS)
emit(statistics.median(percents), percents, processes=len(pids), unit="% of a core")
