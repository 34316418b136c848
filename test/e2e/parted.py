#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A prefill engine on another network: two network namespaces, joined by a link that is slow, and that is cut and
comes back. A cut shorter than the deadline is a pause. A longer one ends requests in typed errors while it lasts, and
the service is whole again by itself when the link is back: no process is started again.

Needs root, or a machine that gives its users network namespaces; where it may not make one, it says so and is skipped.
"""
import ctypes
import json
import os
import subprocess
import tempfile
import time
import unittest

from fleet import Fleet
from load import Load, Questions, ask
from server import Server

HERE, THERE, MASK = "10.77.0.1", "10.77.0.2", "/30"
NEAR, FAR = "ashlar-near", "ashlar-far"  # the two ends of the link
HEARTBEAT_S = 1.0
RATE_MBIT = 200
RECOVERY_S = 60  # what a link's return may take: connections back off while it is cut
CLIENTS = 3
NAMESPACE = 0x40000000  # CLONE_NEWNET


def command(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, timeout=30)


def beyond():
    """The words that run a command in the other namespace."""
    return ("nsenter", f"--net=/proc/{setUpModule.holder.pid}/ns/net")


def setUpModule():
    if ctypes.CDLL(None, use_errno=True).unshare(NAMESPACE):
        raise unittest.SkipTest(f"no network namespaces here: {os.strerror(ctypes.get_errno())}")
    command("ip", "link", "set", "lo", "up")
    setUpModule.holder = subprocess.Popen(["unshare", "--net", "sleep", "600"], stdin=subprocess.DEVNULL)
    unittest.addModuleCleanup(setUpModule.holder.wait)
    unittest.addModuleCleanup(setUpModule.holder.kill)
    own, end = os.readlink("/proc/self/ns/net"), time.monotonic() + 30
    while os.readlink(f"/proc/{setUpModule.holder.pid}/ns/net") == own:
        assert setUpModule.holder.poll() is None and time.monotonic() < end, "the second namespace is not there"
        time.sleep(0.01)
    command("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", str(setUpModule.holder.pid))
    command("ip", "address", "add", HERE + MASK, "dev", NEAR)
    command("ip", "link", "set", NEAR, "up")
    for words in (("address", "add", THERE + MASK, "dev", FAR), ("link", "set", FAR, "up"),
                  ("link", "set", "lo", "up")):
        command(*beyond(), "ip", *words)
    command(*beyond(), "tc", "qdisc", "add", "dev", FAR, "root", "tbf", "rate", f"{RATE_MBIT}mbit", "burst", "64kb",
            "latency", "400ms")


class Parted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Server("--pool-mib", "64") as undisturbed:
            cls.questions = Questions(undisturbed)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.fleet = Fleet(folder.name, heartbeat_s=HEARTBEAT_S, under={"prefill": beyond()},
                          hosts={"router": HERE, "decode": HERE, "prefill": THERE})
        cls.addClassCleanup(lambda: cls.fleet.__exit__(None, None, None))
        cls.pids = cls.fleet.pids()

    def tearDown(self):
        self.assertEqual([process.poll() for process in self.fleet.processes.values()], [None] * 3)
        self.assertEqual(self.fleet.pids(), self.pids)

    def cut(self, seconds):
        command("ip", "link", "set", NEAR, "down")
        time.sleep(seconds)
        command("ip", "link", "set", NEAR, "up")

    def through_a_cut(self, seconds):
        """Outcomes of clients that ask without pause before, during and after it; when the link was back."""
        with Load(self.fleet, self.questions, CLIENTS, seconds) as load:
            self.fleet.wait_for(lambda: self.fleet.metrics()["vllm:num_requests_running", "0"] >= 2, "some run")
            time.sleep(0.5)
            self.cut(seconds)
            back = time.monotonic()
            self.fleet.wait_for(lambda: any(one.kind == "full" and one.began > back for one in load.outcomes),
                                "a request that came after the link was back has its answer", RECOVERY_S)
            print(f"cut for {seconds:.1f} s: served {time.monotonic() - back:.1f} s after it", flush=True)
        self.assertEqual({one.kind for one in load.outcomes} - {"full", "error"}, set(),
                         [one for one in load.outcomes if one.kind not in ("full", "error")])
        self.fleet.wait_all_free(RECOVERY_S)
        self.assertEqual(ask(self.fleet, 0), ("full", "length", self.questions.answers[0]))
        return load.outcomes

    def test_1_slow_link(self):
        """The KV goes over it, and the answers are the same."""
        def received():
            said = subprocess.run(["ip", "-json", "-stats", "link", "show", NEAR], capture_output=True, check=True)
            return json.loads(said.stdout)[0]["stats64"]["rx"]["bytes"]
        before, began = received(), time.monotonic()
        for k, answer in enumerate(self.questions.answers):
            self.assertEqual(ask(self.fleet, k), ("full", "length", answer))
        moved = received() - before
        print(f"{moved / 2**20:.1f} MiB over the link in {time.monotonic() - began:.1f} s", flush=True)
        self.assertGreater(moved, 8 << 20)
        self.fleet.wait_all_free()

    def test_2_cut_shorter_than_the_deadline(self):
        outcomes = self.through_a_cut(0.5 * HEARTBEAT_S)
        self.assertIn("full", {one.kind for one in outcomes})

    def test_3_cut_longer_than_the_deadline(self):
        silent = self.fleet.log().count("is silent")
        outcomes = self.through_a_cut(5 * HEARTBEAT_S)
        self.assertGreater(self.fleet.log().count("is silent"), silent)
        self.assertIn("error", {one.kind for one in outcomes})


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
