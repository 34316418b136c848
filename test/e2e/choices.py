#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The choices of one request: their prompt is computed once, to the token, split or unified; they say what they say
where nothing is cached; and they are let in or refused together."""
import concurrent.futures
import http.client
import json
import time
import unittest
import urllib.parse

from server import HEARTBEAT_S, Refused, Server

COMPLETIONS = "/v1/completions"
BLOCK = 16
DRAWN = {"temperature": 0.9, "seed": 7, "ignore_eos": True, "logprobs": 3}
ROLES = {"split": ("--role", "all"), "unified": ("--role", "unified"),
         "uncached": ("--role", "unified", "--no-prefix-cache")}


def prompt_of(count, first):
    """So many tokens, no two of these prompts with the same beginning."""
    return [first, *(100 + (7 * k) % 9000 for k in range(count - 1))]


def said(answer):
    return [(each["text"], each["finish_reason"], each["logprobs"]) for each in answer["choices"]]


class Choices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = {}
        for name, arguments in ROLES.items():
            cls.servers[name] = Server("--pool-mib", "64", "--batch-tokens", "64", "--attempts", "8", "--hold",
                                       *arguments)
            cls.addClassCleanup(cls.servers[name].__exit__, None, None, None)

    def counted(self, server, body):
        """The answer, and by how much each counter has grown with it, all engines together."""
        def counters():
            server.wait_all_free()
            time.sleep(2 * HEARTBEAT_S)  # engines have told
            found = {}
            for (name, _), value in server.metrics().items():
                found[name] = found.get(name, 0) + value
            return found
        before = counters()
        answer = server.post(COMPLETIONS, body)
        after = counters()
        return answer, lambda name: after.get(name, 0) - before.get(name, 0)

    def test_a_prompt_is_computed_once_to_the_token(self):
        for k, (role, length, n) in enumerate((role, length, n) for role in ("split", "unified")
                                              for length, n in ((101, 4), (96, 3), (17, 2))):
            with self.subTest((role, length, n)):
                answer, grown = self.counted(self.servers[role], {"prompt": prompt_of(length, 2000 + k), "n": n,
                                                                  "max_tokens": 5, **DRAWN})
                found = (length - 1) // BLOCK * BLOCK  # whole blocks; the last token is always computed
                self.assertEqual(grown("ashlar_engine_tokens_total"), length + (n - 1) * (length - found) + n * 4)
                self.assertEqual(grown("vllm:prefix_cache_hits_total"), (n - 1) * found)
                self.assertEqual(answer["usage"], {"prompt_tokens": length, "completion_tokens": 5 * n,
                                                   "total_tokens": length + 5 * n,
                                                   "prompt_tokens_details": {"cached_tokens": 0}})

    def test_what_the_decode_engine_has_is_not_sent_again(self):
        server, length = self.servers["split"], 101
        sent = "ashlar_kv_blocks_sent_total"
        _, alone = self.counted(server, {"prompt": prompt_of(length, 3000), "max_tokens": 2, **DRAWN})
        _, four = self.counted(server, {"prompt": prompt_of(length, 3001), "max_tokens": 2, "n": 4, **DRAWN})
        blocks = -(-length // BLOCK)
        layers, rest = divmod(alone(sent), blocks)
        self.assertEqual((rest, four(sent)), (0, layers * (blocks + 3)))  # of each other one its last block

    def test_each_prompt_has_its_own_first_choice(self):
        for role in ("split", "unified"):
            with self.subTest(role):
                body = {"prompt": [prompt_of(100, 4000), prompt_of(50, 4001)], "n": 3, "max_tokens": 4, **DRAWN}
                answer, grown = self.counted(self.servers[role], body)
                self.assertEqual([each["index"] for each in answer["choices"]], list(range(6)))
                self.assertEqual(grown("ashlar_engine_tokens_total"), 100 + 2 * 4 + 50 + 2 * 2 + 6 * 3)

    def test_choices_are_what_they_are_without_any_cache(self):
        for more in ({}, {"echo": True}, {"echo": True, "max_tokens": 0}, {"prompt_logprobs": 2}, {"max_tokens": 1}):
            with self.subTest(more):
                body = {"prompt": [prompt_of(70, 5000), prompt_of(9, 5001)], "n": 3, "max_tokens": 8, **DRAWN, **more}
                expected = self.servers["uncached"].post(COMPLETIONS, body)
                for role in ("split", "unified"):
                    self.assertEqual(said(self.servers[role].post(COMPLETIONS, body)), said(expected))
                if more.get("max_tokens") != 0:
                    self.assertEqual(len({text for text, _, _ in said(expected)[:3]}), 3)
                if "echo" in more:
                    chances = [logprobs["token_logprobs"][:70] for _, _, logprobs in said(expected)[:3]]
                    self.assertEqual(len(chances[0]), 70)
                    self.assertEqual(chances, [chances[0]] * 3)

    def test_an_echoed_prompt_is_scored_once(self):
        body = {"prompt": prompt_of(100, 6000), "n": 3, "max_tokens": 4, "echo": True, **DRAWN}
        for _ in range(2):  # the second time it is in the cache, and computed all the same
            _, grown = self.counted(self.servers["unified"], body)
            self.assertEqual(grown("ashlar_engine_tokens_total"), 100 + 2 * 4 + 3 * 3)
        _, grown = self.counted(self.servers["uncached"], body)
        self.assertEqual(grown("ashlar_engine_tokens_total"), 3 * 100 + 3 * 3)

    def test_they_go_on_with_the_same_bits_when_an_engine_dies_under_them(self):
        server = self.servers["split"]
        for k, role in enumerate(("prefill", "decode")):
            with self.subTest(role), concurrent.futures.ThreadPoolExecutor(1) as pool:
                body = {"prompt": prompt_of(400, 7000 + k), "n": 3, "max_tokens": 8, **DRAWN}
                expected = said(self.servers["unified"].post(COMPLETIONS, body))
                answer = pool.submit(server.post, COMPLETIONS, body)
                server.wait_for(lambda: server.metrics()["vllm:num_requests_waiting", "0"] == 2, "two wait")
                dead, _ = server.kill(role)
                self.assertEqual(said(answer.result()), expected)
                server.wait_reborn(role, dead)
        server.wait_all_free()

    def test_a_client_that_goes_takes_all_along(self):
        server = self.servers["split"]
        at = urllib.parse.urlsplit(server.url)
        before = server.metrics()["vllm:request_success_total", "0"]
        client = http.client.HTTPConnection(at.hostname, at.port)
        client.request("POST", COMPLETIONS, json.dumps({"prompt": prompt_of(2000, 8000), "n": 4, "max_tokens": 500}))
        server.wait_for(lambda: server.metrics()["vllm:num_requests_waiting", "0"] == 3, "three wait for the first")
        client.close()
        server.wait_all_free()
        self.assertEqual(server.metrics()["vllm:request_success_total", "0"], before + 4)  # "abort", each


class Admission(unittest.TestCase):
    def test_those_that_wait_for_a_prompt_hold_their_places(self):
        with Server("--pool-mib", "256", "--queue-limit", "4", "--attempts", "8", "--hold") as server, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            body = {"prompt": prompt_of(800, 100), "max_tokens": 4, "ignore_eos": True}
            first = pool.submit(server.open, "POST", COMPLETIONS, {**body, "n": 4, "stream": True})
            server.wait_for(lambda: server.metrics()["vllm:num_requests_waiting", "0"] == 3, "three wait for the first")
            for stream in (False, True):
                answer = server.open("POST", COMPLETIONS, {"prompt": "a", "n": 2, "max_tokens": 1, "stream": stream})
                self.assertEqual((answer.status, answer.headers["Content-Type"]), (429, "application/json"))
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
                self.assertEqual(json.loads(answer.read())["error"]["code"], "overloaded")
            self.assertEqual(server.metrics()["vllm:num_requests_waiting", "0"], 3, "the refusals came in time")
            with self.assertRaises(Refused) as caught:
                server.post(COMPLETIONS, {**body, "n": 5})
            self.assertEqual((caught.exception.status, caught.exception.error["param"]), (400, "n"))
            events = first.result().read().decode()
            self.assertEqual(events.count('"finish_reason":"length"'), 4)
            self.assertIn("data: [DONE]", events)
            server.wait_all_free()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
