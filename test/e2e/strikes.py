#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""strikes.py [--strikes N] [--seed S] [--jobs N] [--fabric NAME] [--summary FILE]

kill -9 and SIGSTOP, shorter and longer than the deadline, of prefill, decode and router at random moments, while
clients ask without pause. Two worlds take turns: processes under a supervisor, and a fleet that nobody supervises, in
which a stopped engine that is written off wakes again. Counted, and each of them to be zero:

wrong  answers that are not the right one to the last byte, or do not begin as it does; errors without a type; a
       scheduler that hears an engine that it has written off; a scheduler's log that replays differently
hangs  requests without an end; typed errors later than two heartbeats after the scheduler's word; requests that an
       engine held when it was lost and of which that step says nothing; a router's death after which an open
       connection ends later than two heartbeats, or the next request is served later than 2 s (the time does not count
       in which a process of the server was ready to run and others had the processors)
leaks  blocks of a pool, processes, descriptors, segments of shared memory

Without --strikes it is a test of 24. --jobs: so many servers at a time, each with its share of the strikes. Without
--fabric they take turns over `ofi` and `window`.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import glob
import http.client
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("ASHLAR_HEARTBEAT_MS", "500")  # the clients and up to four engines share the processors
from chaos import losses, records  # noqa: E402
from fleet import Fleet  # noqa: E402
from load import Load, Questions  # noqa: E402
from server import HEARTBEAT_S, Refused, Server, alive, check_libfabric  # noqa: E402

CLIENTS, STRIKES_OF_A_WORLD = 4, 12
BOUND_S, SERVED_S = 2 * HEARTBEAT_S, 2.0
MIB = ("--pool-mib", "64")
KINDS = [(role, how) for role in ("prefill", "decode", "router") for how in ("kill", "short stop", "long stop")]


class Supervised(Server):
    SPARE_SOCKETS = 0

    def __init__(self, folder, fabric):
        super().__init__(*MIB, "--fabric", fabric, "--log-dir", folder)

    def process_of(self, role):
        for pid in self.pids():
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == f"ashlar-{role}"[:15]:  # as much as the kernel keeps
                    return pid
        return None

    def revive(self, role):
        """Its supervisor's work."""


class Unsupervised(Fleet):
    """Two engines of each role: what one of them held may go on at the other."""
    SPARE_SOCKETS = 2

    def __init__(self, folder, fabric):
        super().__init__(folder, "--fabric", fabric, "--log-dir", folder, heartbeat_s=HEARTBEAT_S,
                         engines=("prefill", "decode", "prefill-2", "decode-2"))

    def process_of(self, role):
        return self.processes[role].pid

    def revive(self, role):
        self.processes[role].wait(30)
        self.start(role)


def descriptors(pid):
    """How many descriptors of each kind a process holds."""
    kinds = collections.Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            to = os.readlink(f"/proc/{pid}/fd/{name}")
            kinds["file" if to.startswith("/") and "memfd:" not in to else to.partition(":")[0]] += 1
        except FileNotFoundError:
            pass  # of a connection that ends right now
    return kinds


def segments(pids):
    """Shared memory with a name: files in /dev/shm that those processes map or that are named after them, and System V
    segments that they made."""
    found = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
                found.update(line.split()[-1] for line in maps if "/dev/shm/" in line)
        except (FileNotFoundError, ProcessLookupError):
            pass
    found.update(path for path in glob.glob("/dev/shm/*") if set(re.findall(r"\d+", path)) & set(map(str, pids)))
    with open("/proc/sysvipc/shm", encoding="ascii") as lines:
        found.update("shmid " + words[1] for words in map(str.split, lines) if words[4] in map(str, pids))
    return found


def queued(pids):
    """process -> seconds that its unluckiest thread has been ready and has not run"""
    waits = {}
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path, encoding="ascii") as said:
                    waits[pid] = max(waits.get(pid, 0), int(said.read().split()[1]) / 1e9)
            except (FileNotFoundError, ProcessLookupError):
                pass
    return waits


@dataclasses.dataclass
class Strike:
    role: str
    how: str
    when: float
    whole: float = 0.0  # everything is up again
    served: float = 0.0  # the first whole answer to a request that came after it
    queued: float = 0.0  # until then: seconds in which the server's processes were ready and did not run


class Chaos:
    def __init__(self, seed, say=lambda text: None, fabrics=("ofi", "window")):
        self.chance, self.say, self.fabrics = random.Random(seed), say, fabrics
        self.findings = []  # (wrong, hang or leak; a sentence)
        self.strikes, self.outcomes, self.losses, self.questions = [], [], [], None
        self.kinds = itertools.chain.from_iterable(self.chance.sample(KINDS, len(KINDS)) for _ in itertools.count())

    def finding(self, kind, sentence):
        self.findings.append((kind, sentence))
        self.say(f"{kind}: {sentence}")

    # ---- one world

    def world(self, of, fabric, number):
        folder, before = tempfile.mkdtemp(), set(glob.glob("/dev/shm/*"))
        self.victims = set()
        try:
            with of(folder, fabric) as world:
                self.questions = self.questions or Questions(world)
                begun = self.at_rest(world)
                with Load(world, self.questions, CLIENTS, self.chance.random()) as load:
                    strikes = [self.strike(world) for _ in range(number)]
                pids = self.victims | set(world.pids())
                self.judge_clients(folder, load.outcomes, strikes)
                self.judge_rest(world, begun)
            left = [pid for pid in pids if alive(pid)]
            shared = segments(pids) - before
            if left or shared:
                self.finding("leak", f"processes {left}, shared memory {shared} of a server that has ended")
            self.replay(folder)
        finally:
            shutil.rmtree(folder)
        self.strikes += strikes
        self.outcomes += load.outcomes
        self.say(f"{of.__name__.lower()} over {fabric}: {number} strikes, {len(load.outcomes)} requests")

    def strike(self, world):
        role, how = next(self.kinds)
        if role != "router" and isinstance(world, Unsupervised) and self.chance.random() < 0.5:
            role += "-2"
        time.sleep(self.chance.uniform(0.05, 1.2))
        pid = world.process_of(role)
        self.victims.add(pid)
        victim = os.pidfd_open(pid)
        waits = queued([*world.pids(), os.getpid()])
        strike = Strike(role, how, time.monotonic())
        if how == "kill":
            signal.pidfd_send_signal(victim, signal.SIGKILL)
            world.revive(role)
        else:
            low, high = (0.1, 0.8) if how == "short stop" else (1.3, 2.5)
            signal.pidfd_send_signal(victim, signal.SIGSTOP)
            time.sleep(self.chance.uniform(low, high) * BOUND_S)
            try:
                signal.pidfd_send_signal(victim, signal.SIGCONT)
            except ProcessLookupError:
                pass  # fenced off by its supervisor, with the signal that also ends who is stopped
        os.close(victim)
        self.wait_whole(world, strike, waits)
        self.say(f"{role}, {how}: served after {strike.served - strike.when:.2f} s, whole after "
                 f"{strike.whole - strike.when:.2f} s")
        return strike

    def wait_whole(self, world, strike, waits):
        """Until a request is served and every engine is up, looked at without the load's luck: one that is short."""
        def happened():
            try:
                if not strike.served:
                    world.chat("Hello.", max_tokens=1)
                    strike.served = time.monotonic()
                    now = queued([*world.pids(), os.getpid()])
                    strike.queued = sum(wait - waits.get(pid, 0) for pid, wait in now.items())
                return world.get("/health")[0] == 200
            except (Refused, OSError, http.client.HTTPException):
                return False
        world.wait_for(happened, f"{strike.role} is back after a {strike.how}")
        strike.whole = time.monotonic()

    # ---- what came of it

    def judge_clients(self, folder, outcomes, strikes):
        words, losses_here = [], []
        for path in glob.glob(folder + "/*.log"):
            try:
                log = list(records(path))
                losses_here += losses(log)
                words += [now for now, _, actions in log for action in actions if action[0] in ("fail", "reject")]
            except AssertionError as why:
                self.finding("wrong", str(why))
        for loss in losses_here:
            if loss.held - loss.told:
                self.finding("hang", f"nothing is said of requests {set(loss.held - loss.told)} of a lost engine")
            if loss.learned == "instance_lost" and loss.timer - loss.last_word > BOUND_S + 1e-6:
                self.finding("hang", f"a silent engine is given {loss.timer - loss.last_word:.3f} s")
        self.losses += losses_here

        deaths = [one for one in strikes if (one.role, one.how) == ("router", "kill")]
        for one in deaths:
            if one.served - one.when - one.queued > SERVED_S:
                self.finding("hang", f"the first answer {one.served - one.when:.2f} s after a router's death, of which "
                                     f"its processes waited {one.queued:.2f} s for a processor")
        # An error has a word of the scheduler of its own, at most two heartbeats old.
        words = collections.deque(sorted(words))
        for each in sorted(outcomes, key=lambda one: one.ended):
            if each.kind == "wrong" or each.kind == "hang":
                self.finding(each.kind, each.what)
            elif each.kind == "error":
                while words and words[0] < each.ended - BOUND_S:
                    words.popleft()
                if not words or words.popleft() > each.ended:
                    self.finding("hang", f"an error ({each.what}) comes late or from nowhere, after "
                                         f"{each.ended - each.began:.2f} s")
            elif each.kind == "cut":
                if not any(each.began <= one.when <= each.ended <= one.when + BOUND_S or
                           "Refused" in each.what and one.when <= each.ended <= one.whole for one in deaths):
                    self.finding("hang", f"a connection ended by itself: {each.what}")

    def at_rest(self, world):
        world.wait_all_free(60)
        self.wait_served(world)  # who talks to another one has done so
        world.wait_all_free()
        check_libfabric(world.pids())
        return {role: descriptors(world.process_of(role)) for role in self.roles(world)}

    @staticmethod
    def wait_served(world):
        def happened():
            try:
                return world.chat("Hello.", max_tokens=2)
            except (Refused, OSError, http.client.HTTPException):
                return None
        world.wait_for(happened, "a request is served")

    @staticmethod
    def roles(world):
        return list(getattr(world, "processes", None) or ("supervisor", "router", "prefill", "decode"))

    def judge_rest(self, world, begun):
        try:
            now = self.at_rest(world)
            expected = sorted(filter(None, map(world.process_of, self.roles(world))))
            world.wait_for(lambda: sorted(world.pids()) == expected, "no process is left over", 10)
        except AssertionError as why:
            return self.finding("leak", str(why))
        end = time.monotonic() + 10
        # Engines connect when they first have KV for each other, which at first not all of them had.
        spare = {role: collections.Counter(socket=world.SPARE_SOCKETS * (role not in ("router", "supervisor")))
                 for role in begun}
        while any(now[role] - begun[role] - spare[role] for role in begun) and time.monotonic() < end:
            time.sleep(0.2)
            now = {role: descriptors(world.process_of(role)) for role in begun}
        for role in begun:
            if now[role] - begun[role] - spare[role]:
                self.finding("leak", f"descriptors of {role}: {dict(now[role])}, at first {dict(begun[role])}")

    def replay(self, folder):
        logs = glob.glob(folder + "/*.log")
        run = subprocess.run([os.environ["ASHLAR_REPLAY"], *logs], capture_output=True, text=True, timeout=300)
        if run.returncode:
            self.finding("wrong", f"a log replays differently: {run.stdout}{run.stderr}")

    # ---- all of it

    def run(self, strikes):
        order = list(itertools.product((Supervised, Unsupervised), self.fabrics))
        order = order[::3] + order[1:3] if len(order) == 4 else order  # two are enough to see both worlds and fabrics
        each = min(STRIKES_OF_A_WORLD, (strikes + 1) // 2)
        for of, fabric in itertools.cycle(order):
            if strikes <= 0:
                return
            self.world(of, fabric, min(strikes, each))
            strikes -= each

    def counts(self):
        found = collections.Counter(kind for kind, _ in self.findings)
        return {name + "s" * (name != "wrong"): found[name] for name in ("wrong", "hang", "leak")}

    def summary(self):
        """Lines."""
        counts, ends = self.counts(), collections.Counter(one.kind for one in self.outcomes)
        codes = collections.Counter(one.what for one in self.outcomes if one.kind == "error")
        yield f"strikes   {len(self.strikes)}, heartbeat {1000 * HEARTBEAT_S:.0f} ms, {CLIENTS} clients without pause"
        for role, how in KINDS:
            these = [one for one in self.strikes if (one.role.partition("-")[0], one.how) == (role, how)]
            served = sorted(one.served - one.when for one in these)
            if these:
                yield (f"  {role:8} {how:10} {len(these):4}: the next request served after {median(served):.2f} s "
                       f"in the median, {served[-1]:.2f} s at most")
        down = sum(one.learned == "instance_down" for one in self.losses)
        yield f"losses    {down} engines by the end of their connection, {len(self.losses) - down} by their silence"
        yield (f"requests  {len(self.outcomes)}: {ends['full']} full and right, {ends['error']} typed errors "
               f"({', '.join(f'{n} {code}' for code, n in sorted(codes.items())) or 'none'}), {ends['cut']} cut by a "
               "router's death")
        yield "found     " + ", ".join(f"{number} {name}" for name, number in counts.items())
        yield from (f"  {kind}: {sentence}" for kind, sentence in self.findings)


def median(values):
    return values[len(values) // 2]


def conditions():
    """Lines: what was measured, where."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    git = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty=+", "--exclude=*"], capture_output=True,
                         text=True)
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    yield f"commit    {git.stdout.strip() or 'unknown'}"
    yield f"processor {name}, {os.cpu_count()} threads; load average {os.getloadavg()[2]:.1f} at the end"


def one_job(seed, strikes, fabrics, began):
    def say(text):
        print(f"{time.monotonic() - began:6.1f} s  {seed}: {text}", file=sys.stderr, flush=True)

    chaos = Chaos(seed, say, fabrics)
    try:
        chaos.run(strikes)
    except Exception as why:  # it could not go on: that counts, and the other jobs' strikes count, too
        chaos.finding("hang", f"{type(why).__name__}: {why}")
    return chaos.findings, chaos.strikes, chaos.outcomes, chaos.losses


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--strikes", type=int, default=24)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--fabric", help="this one only, as ashlar-serve takes it")
    options.add_argument("--summary", metavar="FILE")
    asked = options.parse_args()
    began = time.monotonic()
    chaos = Chaos(asked.seed)
    fabrics = (asked.fabric,) if asked.fabric else chaos.fabrics
    share, rest = divmod(asked.strikes, asked.jobs)
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        for part in [pool.submit(one_job, asked.seed + job, share + (job < rest), fabrics, began)
                     for job in range(asked.jobs)]:
            for all_of_them, these in zip((chaos.findings, chaos.strikes, chaos.outcomes, chaos.losses), part.result()):
                all_of_them += these
    lines = [f"command   test/e2e/strikes.py --strikes {asked.strikes} --seed {asked.seed} --jobs {asked.jobs}"
             + (f" --fabric {asked.fabric}" if asked.fabric else ""),
             *conditions(), f"took      {time.monotonic() - began:.0f} s", *chaos.summary()]
    if asked.summary:
        with open(asked.summary, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 1 if chaos.findings else 0


if __name__ == "__main__":
    sys.exit(main())
