#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kv_transfer.py PROGRAM [--rounds N] [--sizes 6,16,32,64] [--only NAME,...]: KV pages from one process to another.

A round moves 64 MiB: the pages of 16 layers of one request, in blocks of the size at random places of two pools of
1 GiB each, which no one has touched for many rounds. All take turns, in the same two pools (a put of UCX without the
kernel goes into memory of UCX's own at the target), and the bytes are compared after each round. Ours is the whole
path: ticket, window, mover, CRC32C of every page. No peer computes a checksum.

Rates are GB/s from the moment the source begins until every byte has arrived (ours: and is verified). Peers are built
by bench/peers/kv_transfer_setup.py; one that is missing or fails is named and left out, and the figure is then short.
"""
import argparse
import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "build/peers"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench/peers"))
import kv_board  # noqa: E402

POOL_MIB = 1024
PATIENCE_S = 120


class Program:
    """A process that answers each line with a line."""

    running = []

    def __init__(self, name, *command, **environment):
        self.name = name
        more = {key: str(value) for key, value in environment.items()}
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        bufsize=0, env=os.environ | more)
        self.running.append(self)
        self.hello = self.hear().split()[1:]

    def say(self, text):
        try:
            self.process.stdin.write(text.encode() + b"\n")
        except OSError as reason:
            raise RuntimeError(f"{self.name} is gone: {reason}") from reason

    def hear(self):
        text = b""
        while not text.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                raise RuntimeError(f"{self.name} has said nothing for {PATIENCE_S} s")
            if not (more := os.read(self.process.stdout.fileno(), 4096)):
                raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
            text += more
        return text.decode().strip()

    def ask(self, text):
        self.say(text)
        return self.hear()

    @classmethod
    def end_all(cls):
        """The end of its input ends a program; one that does not listen is killed."""
        for each in cls.running:
            each.process.stdin.close()
        for each in cls.running:
            try:
                each.process.wait(5)
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
        cls.running.clear()


def together(text, programs):
    for program in programs:
        program.say(text)
    return [program.hear() for program in programs]


class Ours:
    """ashlar's mover over window, or over a provider of libfabric; it also makes the lists for everybody."""

    def __init__(self, program, board, size, *provider, pool_mib=POOL_MIB, **environment):
        self.board, self.pair = board, []
        for role in ("source", "target"):
            self.pair.append(Program(f"ashlar's {role}", program, role, board.path, size, pool_mib, *provider,
                                     **environment))
        self.pools = [one.hello[0] for one in self.pair]
        together("address", self.pair)
        together("connect", self.pair)

    def prepare(self):
        together("prepare", self.pair)

    def move(self):
        self.pair[1].ask("grant")
        together("run", self.pair)

    def wrong(self, of=None):
        self.board.name(1, self.pools[0])
        return int((of or self.pair[1]).ask("check"))

    def put_back(self):
        together("back", self.pair)


class Copies:
    """One core copies between two mappings, or asks the kernel to."""

    def __init__(self, how, program, board, ours):
        self.how, self.ours, source = how, ours, ours.pair[0]
        self.pair = [Program(how, program, "copies", board.path, *ours.pools, POOL_MIB, *source.hello[1:])]

    def move(self):
        self.pair[0].ask(self.how)

    def wrong(self):
        return self.ours.wrong()


class Peer:
    """A source and a target that connect; the source writes."""

    own_pool = False

    def __init__(self, name, board, ours, *command, **environment):
        self.name, self.board, self.ours, self.rounds, self.pair = name, board, ours, 0, []
        for role, pool in zip(("target", "source"), reversed(ours.pools)):
            words = [str(word).format(role=role, pool=pool) for word in command]
            self.pair.insert(0, Program(f"{name}'s {role}", *words, **environment))
        board.finish(0)
        if "address" in self.said_first:
            together("address", self.pair)
        together("connect", self.pair)

    said_first = ("address",)

    def move(self):
        self.rounds += 1
        self.board.finish(0)
        together(f"run {self.rounds}", self.pair)

    def wrong(self):
        return self.ours.wrong(self.pair[1] if self.own_pool else None)


class Compiled(Peer):
    said_first = ()


class OwnPool(Compiled):
    own_pool = True


def contenders(program, board, size, ours):
    """name -> (kind, how it is made). Kinds, for the bars: the yardstick; peers that copy once; those that copy through
    the kernel or twice; and what is only shown."""
    ucx = [PEERS / "kv_transfer_ucx", "{role}", board.path, POOL_MIB]
    ofi = [PEERS / "kv_transfer_ofi", "{role}", board.path, POOL_MIB, "shm", "{pool}"]
    debian, wheel = PEERS / "ucx-1.13.1/usr/lib/x86_64-linux-gnu", next(PEERS.glob("venv/lib/*/*/libucx/lib"), PEERS)

    def copies(how):
        return lambda: Copies(how, program, board, ours)

    def peer(kind, name, command, **environment):
        return lambda: kind(name, board, ours, *command, **environment)

    def script(name, *more):
        return peer(Peer, name, [PEERS / "venv/bin/python", ROOT / f"bench/peers/kv_transfer_{name}.py", "{role}",
                                 board.path, POOL_MIB, "{pool}", *more])

    return {
        "non-temporal copy": ("yardstick", copies("non-temporal")),
        "memcpy": ("shown", copies("memcpy")),
        "process_vm_readv": ("kernel", copies("process_vm_readv")),
        "ucx 1.13.1 put": ("once", peer(OwnPool, "ucx", [*ucx, "ours", "{pool}"], LD_LIBRARY_PATH=debian,
                                        UCX_TLS="sysv,self")),
        "ucx 1.22 put": ("once", peer(OwnPool, "ucx", [*ucx, "ours", "{pool}"], LD_LIBRARY_PATH=wheel,
                                      UCX_TLS="sysv,self")),
        "ucx 1.22 put by cma": ("kernel", peer(Compiled, "ucx", [*ucx, "theirs", "{pool}"], LD_LIBRARY_PATH=wheel,
                                               UCX_TLS="cma,sysv,self")),
        "libfabric 1.17 shm": ("kernel", peer(Compiled, "libfabric", ofi)),
        "libfabric 2.5.1 shm": ("kernel", peer(Compiled, "libfabric", ofi,
                                               LD_LIBRARY_PATH=ROOT / "build/libfabric-2.5.1")),
        "nixl 1.5.1": ("kernel", script("nixl", size)),
        "mooncake 0.3.13 tcp": ("kernel", script("mooncake")),
    }


def take_turns(board, ours, others, rounds, only):
    made, kinds, rates, left_out = {"ashlar": ours}, {}, {"ashlar": []}, 0
    for name, (kind, make) in others.items():
        if only and name not in only:
            continue
        try:
            made[name], kinds[name], rates[name] = make(), kind, []
        except (RuntimeError, OSError) as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
            left_out += 1
    names = list(made)
    for round_ in range(rounds + 1):
        for i in range(len(names)):
            name = names[(i + round_) % len(names)]
            ours.prepare()
            made[name].move()
            rate = board.rate()
            if (wrong := made[name].wrong()) >= 0:
                raise RuntimeError(f"{name}: block {wrong} is wrong")
            ours.put_back()
            if round_:  # the first warms up
                rates[name].append(rate)
    return rates, kinds, left_out


def measure(program, size, rounds, only):
    """name -> rates of all rounds, name -> kind, and how many peers could not be made; for one size of blocks."""
    print(f"{size >> 10} KiB: starting, {rounds} rounds", file=sys.stderr, flush=True)
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="kv_board.") as file:
        file.truncate(kv_board.BYTES)
        board = kv_board.Board(file.name)
        try:
            ours = Ours(program, board, size)
            return take_turns(board, ours, contenders(program, board, size, ours), rounds, only)
        finally:
            Program.end_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", default="6,16,32,64")
    parser.add_argument("--only", help="names of peers, with commas")
    want = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everybody is ended and nothing left behind
    subprocess.run([sys.executable, ROOT / "bench/peers/kv_transfer_setup.py"], stdout=sys.stderr, check=True)
    of_copy, over, missing, said, first = {}, {"once": [], "kernel": []}, 0, {}, None
    for kib in [int(text) for text in want.sizes.split(",")]:
        rates, kinds, left_out = measure(want.program, kib << 10, want.rounds, want.only and want.only.split(","))
        middle = {name: statistics.median(values) for name, values in rates.items()}
        for name, values in rates.items():
            of = [mine / rate for mine, rate in zip(rates["ashlar"], values)]
            print(f"{kib:3} KiB  {name:22}{middle[name]:6.2f} GB/s [{min(values):.2f}, {max(values):.2f}]  "
                  f"ashlar / it {middle['ashlar'] / middle[name]:.2f} [{min(of):.2f}, {max(of):.2f}]",
                  file=sys.stderr, flush=True)
            if kinds.get(name) in over:
                over[kinds[name]].append((middle["ashlar"] / middle[name], name))
            if kinds.get(name) == "yardstick" and kib >= 16:
                of_copy[kib] = middle["ashlar"] / middle[name]
                if first is None or of_copy[kib] <= first["ratio"]:
                    first = {"ours": middle["ashlar"], "peer": middle[name], "ratio": of_copy[kib], "min": min(of),
                             "max": max(of), "peer_name": f"{name}, {kib} KiB"}
        missing += left_out
        said[f"{kib}_KiB"] = {name: round(rate, 2) for name, rate in middle.items()}
    print(json.dumps({**first, "n": want.rounds, "unit": "GB/s", "of_copy": min(of_copy.values()),
                      **{f"over_{kind}": min(peers)[0] for kind, peers in over.items() if peers},
                      "closest": [min(peers)[1] for peers in over.values() if peers], "missing": missing,
                      "rates": said}))


if __name__ == "__main__":
    main()
