#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of an engine under load. Every client ends with its full answer or a typed error, nobody waits for nothing,
the dead process comes back, and then every pool is free to its last block."""
import concurrent.futures
import os
import time
import unittest

from server import HEARTBEAT_S, Ended, Refused, Server

CLIENTS, TOKENS = 8, 48
STORY = "The mason looked at the wall, chose the next block and said: the joint is what matters. " * 8


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


class Chaos(unittest.TestCase):
    def murder(self, role, delay):
        with Server("--pool-mib", "64", "--fabric", os.environ.get("ASHLAR_FABRIC", "ofi")) as server:
            expected = {k: ask(server, k)[0] for k in range(2)}
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                clients = [pool.submit(ask, server, k) for k in range(CLIENTS)]
                time.sleep(delay)
                dead, when = server.kill(role)
                ends = [client.result(timeout=180) for client in clients]
            full, errors = 0, 0
            for k, (text, reason, error, ended) in enumerate(ends):
                if error:
                    errors += 1
                    self.assertTrue(error["message"] and error["type"] and error["code"], error)
                    self.assertLess(ended - when, 2 * HEARTBEAT_S + 1.0, error)  # and a second for a busy machine
                else:
                    full += 1
                    self.assertEqual(reason, "length")
                    if k in expected:
                        self.assertEqual(text, expected[k], "an answer that goes on elsewhere is the same answer")
            server.wait_reborn(role, dead)
            last = max(ended for *_, ended in ends) - when
            print(f"{role} killed after {delay:.1f} s: {full} full answers, {errors} typed errors, "
                  f"the last client ended {last:.2f} s later", flush=True)
            self.assertEqual(ask(server, 0)[0], expected[0])
            server.wait_all_free()

    def test_prefill_dies(self):
        for delay in (0.2, 0.9):
            with self.subTest(delay=delay):
                self.murder("prefill", delay)

    def test_decode_dies(self):
        for delay in (0.4, 1.5):
            with self.subTest(delay=delay):
                self.murder("decode", delay)

    def test_both_die(self):
        with Server("--pool-mib", "64") as server:
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
