#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of an engine under load, and an engine that just stops. Every request that it had a part in ends in the very
step in which the scheduler learns of it, which is within two heartbeats; its client gets its full answer or a typed
error, nobody waits for nothing, the dead process comes back, and then every pool is free to its last block.

When things happen is read from the scheduler's own log, whose clock (CLOCK_MONOTONIC) is Python's."""
import concurrent.futures
import dataclasses
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from server import HEARTBEAT_S, Refused, Server, check_libfabric

CLIENTS, TOKENS = 8, 48
BOUND_S = 2 * HEARTBEAT_S
STORY = "The mason looked at the wall, chose the next block and said: the joint is what matters. " * 8
ROLE = {"prefill": "0", "decode": "1"}


def ask(server, k):
    """(text, finish reason or None, typed error or None, end)"""
    text, reason = "", None
    body = {"messages": [{"role": "user", "content": f"Story {k}: {STORY} What did the mason say?"}],
            "temperature": 0, "max_tokens": TOKENS, "ignore_eos": True}
    try:
        for event in server.stream("/v1/chat/completions", body):
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
    except Refused as why:
        return text, None, why.error, time.monotonic()
    return text, reason, None, time.monotonic()  # Ended goes through: that is a failure


def records(path):
    """(seconds, event, actions) of that log, each of them a list of words."""
    run = subprocess.run([os.environ["ASHLAR_REPLAY"], "--print", path], capture_output=True, text=True, timeout=60,
                         check=True)
    for line in run.stdout.splitlines():
        event, *actions = [part.split() for part in line.split(" | ")]
        yield int(event[0]) / 1e9, event[1:], actions


@dataclasses.dataclass(frozen=True)
class Loss:
    """The step in which the scheduler learned that an engine is gone."""
    instance: str
    role: str
    known: float
    learned: str  # instance_down: its connection ended; instance_lost: it was silent
    last_word: float
    timer: float  # set for it
    held: frozenset  # requests
    told: frozenset  # requests of which that step says how they end or go on


def losses(log):
    role, last_word, held, timer, gone = {}, {}, {}, None, set()
    for now, event, actions in log:
        speaker = (event[1] if event[0] in ("instance_up", "instance_down", "heartbeat", "batch_done") else
                   event[3] if event[0] not in ("arrive", "cancel", "stop", "tick", "drain") else None)
        if event[0] == "instance_up":
            role[speaker], held[speaker] = event[2], set()
        lost = [speaker] if event[0] == "instance_down" and speaker not in gone else []
        lost += [action[1] for action in actions if action[0] == "instance_lost"]
        for each in lost:
            gone.add(each)
            told = {action[1] for action in actions if action[0] in ("fail", "retry", "finish")}
            yield Loss(each, role[each], now, "instance_down" if each == speaker else "instance_lost", last_word[each],
                       timer, frozenset(held[each]), frozenset(told))
        if speaker is not None and event[0] != "instance_down":
            assert speaker not in gone, f"{now}: {event} of an engine that is gone"
            last_word[speaker] = now
        if event[0] == "reserve_failed":
            held[speaker].discard(event[1])
        for action in actions:
            if action[0] == "reserve":
                held[action[3]].add(action[1])
            elif action[0] in ("finish", "fail"):
                for each in held.values():
                    each.discard(action[1])
            elif action[0] == "release":
                held[action[3]].discard(action[1])
            elif action[0] == "set_timer":
                timer = int(action[1]) / 1e9


class Chaos(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def server(self):
        shutil.rmtree(self.folder)
        os.mkdir(self.folder)
        return Server("--pool-mib", "64", "--fabric", os.environ.get("ASHLAR_FABRIC", "ofi"), "--log-dir", self.folder)

    def strike(self, role, delay, number, learns):
        with self.server() as server:
            check_libfabric(server.pids())
            expected = {k: ask(server, k)[0] for k in range(2)}
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(ask, server, k) for k in range(CLIENTS)]
                time.sleep(delay)
                dead, when = server.kill(role, number)
                ends = [client.result(timeout=180) for client in clients]
            server.wait_reborn(role, dead)
            log, = glob.glob(self.folder + "/*.log")
            loss = next(one for one in losses(records(log))
                        if one.known > when and (one.role, one.learned) == (ROLE[role], learns))
            known = loss.known
            self.assertLessEqual(loss.held, loss.told, "every request that it held ends or goes on in that step")
            if number == signal.SIGKILL:
                self.assertLessEqual(known - when, BOUND_S)
            else:  # when it must be written off is exact; how late the machine lets that happen is not ours
                self.assertLessEqual(loss.timer - loss.last_word, BOUND_S + 1e-6)  # of a float
                self.assertGreaterEqual(known, loss.timer)
            errors = [(error, ended) for _, _, error, ended in ends if error]
            for k, (text, reason, error, _) in enumerate(ends):
                if error:
                    self.assertTrue(error["message"] and error["type"] and error["code"], error)
                else:
                    self.assertEqual(reason, "length")
                    if k in expected:
                        self.assertEqual(text, expected[k], "an answer that goes on elsewhere is the same answer")
            late = max((ended - known for _, ended in errors), default=0)
            # The clients are threads of one Python program that shares its processors with the server: a heartbeat.
            self.assertLess(late, HEARTBEAT_S)
            print(f"{role} hit by signal {int(number)} after {delay:.1f} s: known {known - when:.3f} s later, "
                  f"{len(loss.held)} requests held; {len(ends) - len(errors)} full answers, {len(errors)} typed "
                  f"errors, the last {late:.3f} s after that", flush=True)
            self.assertEqual(ask(server, 0)[0], expected[0])
            server.wait_all_free()

    def test_prefill_dies(self):
        for delay in (0.2, 0.9):
            with self.subTest(delay=delay):
                self.strike("prefill", delay, signal.SIGKILL, "instance_down")

    def test_decode_dies(self):
        for delay in (0.4, 1.5):
            with self.subTest(delay=delay):
                self.strike("decode", delay, signal.SIGKILL, "instance_down")

    def test_an_engine_that_hangs_is_written_off(self):
        for role in ("prefill", "decode"):
            with self.subTest(role):
                self.strike(role, 0.5, signal.SIGSTOP, "instance_lost")

    def test_both_die(self):
        with self.server() as server:
            expected = ask(server, 0)[0]
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(ask, server, k) for k in range(CLIENTS)]
                time.sleep(0.7)
                first, _ = server.kill("prefill")
                second, _ = server.kill("decode")
                for client in clients:
                    text, reason, error, _ = client.result(timeout=180)
                    self.assertTrue(reason == "length" or error["code"])
            server.wait_reborn("prefill", first)
            server.wait_reborn("decode", second)
            self.assertEqual(ask(server, 0)[0], expected)
            server.wait_all_free()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
