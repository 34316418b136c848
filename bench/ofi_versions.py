#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ofi_versions.py [--page FILE.md] [--rounds N] PROGRAM: two versions of libfabric side by side, provider by provider.

The system's libfabric and the one of build/libfabric-2.5.1 serve the same programs, which were built against the
system's headers. For each provider that needs no special hardware: the fabric's contract kit and the tests around it,
split against unified bit for bit (the tiny model), and strikes under load; then, all interleaved, the handover of KV
pages between two processes (the mover, CRC32C of every page), the same blocks by bare libfabric without a checksum,
a message of 64 bytes, and the time to the first token of 512 prompt tokens against one engine that does everything.

--page writes the table between the two comments that it finds in that page.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile

from serving import ROOT, Server, first_token, in_turns, sleep
from kv_transfer import PEERS, Compiled, Ours, Program, kv_board, together
from strikes import conditions

FOLDER = ROOT / "build/libfabric-2.5.1"
SYSTEM = subprocess.check_output(["pkg-config", "--modversion", "libfabric"], text=True).strip()
VERSIONS = {SYSTEM: {}, "2.5.1": {"LD_LIBRARY_PATH": str(FOLDER)}}
COLUMNS = [("net", SYSTEM), ("tcp", "2.5.1"), ("tcp;ofi_rxm", SYSTEM), ("tcp;ofi_rxm", "2.5.1"), ("shm", SYSTEM),
           ("shm", "2.5.1")]
SIZES, POOL_MIB, PINGS, STRIKES, PROMPT = (16, 64), 256, 2000, 9, 512
BEGIN, END = "<!-- made by bench/run ofi.versions -->\n", "<!-- end -->\n"


def say(text):
    print(f"ofi_versions: {text}", file=sys.stderr, flush=True)


def environment(column):
    provider, version = column
    return {**VERSIONS[version], "ASHLAR_EXPECT_LIBFABRIC": version, "ASHLAR_OFI_PROVIDERS": provider}


def outcome(column, pattern, *command):
    """What a test says, by a pattern, or that it fails."""
    say(" ".join(map(str, (*column, *command))))
    try:
        run = subprocess.run(list(map(str, command)), env=os.environ | environment(column), capture_output=True,
                             text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "**hangs**"
    found = re.search(pattern, run.stdout)
    if run.returncode or not found:
        print((run.stdout + run.stderr)[-3000:], file=sys.stderr)
        return "**crashes**" if run.returncode == -signal.SIGSEGV else "**fails**"
    return found[1]


def tests(bin_):
    assertions = r"assertions:\s+\d+ \|\s+(\d+ passed)"
    table = {"the fabric's contract, assertions": {}, "split as unified to the bit, assertions": {},
             f"{STRIKES} strikes under load": {}}
    for column in COLUMNS:
        contract, split, strikes = table.values()
        contract[column] = outcome(column, assertions, bin_ / "ashlar-test-ofi")
        split[column] = outcome(column, assertions, bin_ / "ashlar-split", "--test-case=*tiny*",
                                "--subcase-exclude=window")
        if column[0] == "shm":
            strikes[column] = "not run"
            continue
        os.environ["ASHLAR_REPLAY"] = str(bin_ / "ashlar-replay")
        strikes[column] = outcome(column, r"found +(.*)", sys.executable, "-B", ROOT / "test/e2e/strikes.py",
                                  "--strikes", STRIKES, "--fabric", "ofi:" + column[0])
    return table


class Contender:
    """One provider of one version: ours and bare libfabric, which share two pools."""

    def __init__(self, program, column, size, stack):
        self.file = stack.enter_context(tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="kv_board."))
        self.file.truncate(kv_board.BYTES)
        board, more = kv_board.Board(self.file.name), environment(column)
        self.ours = Ours(program, board, size, column[0], pool_mib=POOL_MIB, **more)
        self.bare = Compiled(" ".join(column), board, self.ours, PEERS / "kv_transfer_ofi", "{role}", board.path,
                             POOL_MIB, column[0], "{pool}", **more)

    def ping(self):
        return int(together(f"ping {PINGS}", self.ours.pair)[0]) / 1e3  # us

    def move(self, by):
        self.ours.prepare()
        by.move()
        rate, wrong = self.ours.board.rate(), by.wrong()
        self.ours.put_back()
        if wrong >= 0:
            raise RuntimeError(f"{by.pair[0].name}: block {wrong} of {self.ours.board[1]} is wrong")
        return rate  # GB/s


def transfers(program, rounds):
    rows = {}
    for kib in SIZES:
        say(f"{kib} KiB, {rounds} rounds")
        with contextlib.ExitStack() as stack:
            stack.callback(Program.end_all)
            all_ = {column: Contender(program, column, kib << 10, stack) for column in COLUMNS}
            if kib == SIZES[0]:
                row = rows["message of 64 bytes, one way, us"] = {column: [] for column in COLUMNS}
                for round_ in range(rounds + 1):
                    for column, each in all_.items():
                        one = each.ping()
                        if round_:  # the first connects
                            row[column].append(one)
            whole = rows[f"KV pages of {kib} KiB, verified, GB/s"] = {column: [] for column in COLUMNS}
            bare = rows[f"{kib} KiB by bare libfabric, no checksum, GB/s"] = {column: [] for column in COLUMNS}
            for round_ in range(rounds + 1):
                for column, each in all_.items():
                    one, other = each.move(each.ours), each.move(each.bare)
                    if round_:  # the first warms up
                        whole[column].append(one)
                        bare[column].append(other)
    return rows


def first_tokens(rounds):
    """Split over each column / unified, of the same round."""
    say(f"time to the first token, {rounds} rounds")
    noise, seconds = random.Random(5), {}
    with contextlib.ExitStack() as stack:
        servers = {None: stack.enter_context(Server("--role", "unified", "--batch-tokens", str(PROMPT)))}
        for column in COLUMNS:
            servers[column] = stack.enter_context(Server("--fabric", "ofi:" + column[0], "--batch-tokens", str(PROMPT),
                                                         environment=environment(column)))
        for round_ in range(rounds + 1):
            for column, server in in_turns(servers, round_):
                one = first_token(server, PROMPT, noise)
                if round_:  # the first touches their memory
                    seconds.setdefault(column, []).append(one)
                sleep(0.05)
    unified = seconds.pop(None)
    return {f"TTFT of {PROMPT} tokens, split / unified": {
        column: [one / other for one, other in zip(values, unified)] for column, values in seconds.items()}}


def short(number):
    return f"{number:.2f}" if number < 100 else f"{number:.0f}"


def cell(values):
    return f"{short(statistics.median(values))} [{short(min(values))}, {short(max(values))}]"


def table(passed, measured):
    lines = ["| | " + " | ".join(f"`{provider}` {version}" for provider, version in COLUMNS) + " |",
             "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(row[column] for column in COLUMNS) + " |" for what, row in passed.items()]
    lines += [f"| {what} | " + " | ".join(cell(row[column]) for column in COLUMNS) + " |"
              for what, row in measured.items()]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("program", type=pathlib.Path)
    want = parser.parse_args()
    if not (FOLDER / "libfabric.so.1").exists():
        sys.exit(f"no libfabric in {FOLDER}: test/run puts it there")
    subprocess.run([sys.executable, ROOT / "bench/peers/kv_transfer_setup.py"], stdout=sys.stderr, check=True)
    passed = tests(want.program.parent)
    measured = {**transfers(want.program.with_name("ashlar-bench-kv-transfer"), want.rounds),
                **first_tokens(want.rounds)}
    text = table(passed, measured)
    print(text, file=sys.stderr)
    if want.page:
        page = want.page.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        where = "; ".join(" ".join(line.split()) for line in conditions())
        where = f"\nMedians of {want.rounds} interleaved rounds and their spread; {datetime.date.today()}; {where}.\n"
        want.page.write_text(head + BEGIN + text + where + END + rest.partition(END)[2], encoding="utf-8")
    whole = measured[f"KV pages of {SIZES[-1]} KiB, verified, GB/s"]
    ratios = [new / old for new, old in zip(whole[COLUMNS[1]], whole[COLUMNS[0]])]
    # shm is never picked, so that what it breaks is shown and not counted
    failed = sum("*" in row[column] for row in passed.values() for column in COLUMNS if column[0] != "shm")
    print(json.dumps({"ours": statistics.median(whole[COLUMNS[1]]), "peer": statistics.median(whole[COLUMNS[0]]),
                      "peer_name": f"libfabric {SYSTEM}, net", "unit": "GB/s", "min": min(ratios), "max": max(ratios),
                      "ratio": statistics.median(whole[COLUMNS[1]]) / statistics.median(whole[COLUMNS[0]]),
                      "n": want.rounds, "failed": failed,
                      **{what: {" ".join(column): statistics.median(values) for column, values in row.items()}
                         for what, row in measured.items()}}))


if __name__ == "__main__":
    main()
