#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scheduler's logs of a live server and of one whose engines were killed, run again: the same actions, byte for
byte."""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from server import Refused, Server


class Replay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def load(self, server, clients):
        def ask(k):
            try:
                return server.chat(f"Write {k} words about stone. " + "Take your time. " * 20, max_tokens=24,
                                   n=1 + k % 2)
            except Refused as why:
                return why.error
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            return [pool.submit(ask, k) for k in range(clients)]

    def check(self, least):
        logs = glob.glob(self.folder + "/*.log")
        self.assertEqual(len(logs), 1)
        run = subprocess.run([os.environ["ASHLAR_REPLAY"], *logs], capture_output=True, text=True, timeout=60)
        print(run.stdout.strip(), flush=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("identical", run.stdout)
        self.assertGreater(int(run.stdout.split(" records")[0].split()[-1]), least)

    def test_a_live_log_replays(self):
        with Server("--pool-mib", "64", "--log-dir", self.folder) as server:
            for each in self.load(server, 6):
                each.result()
            gone = server.open("POST", "/v1/completions",
                               '{"prompt": "Once upon a time", "max_tokens": 200, "stream": true, "ignore_eos": true}')
            gone.read(200)
            gone.close()
            server.wait_all_free()
            self.check(100)  # while it runs

    def test_the_log_of_a_killed_engine_replays(self):
        with Server("--pool-mib", "64", "--log-dir", self.folder) as server:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                clients = pool.submit(self.load, server, 6)
                server.wait_for(lambda: server.metrics()["vllm:generation_tokens_total", "0"] >= 24, "tokens come")
                dead, _ = server.kill("decode")
                for each in clients.result():
                    each.result()
            server.wait_reborn("decode", dead)
            dead, _ = server.kill("prefill")
            server.wait_reborn("prefill", dead)
            server.chat("Hello.", max_tokens=4)
        self.check(60)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
