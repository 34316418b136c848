#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How answers are drawn: what penalties, biases and least lengths do over whole answers, that company in the batch does
not show in them, and that an answer whose engines are killed under it goes on as if nothing had happened."""
import concurrent.futures
import unittest

from server import Server

PROMPT = "one two three one two three one two"
ALL = {"prompt": PROMPT, "max_tokens": 96, "ignore_eos": True, "temperature": 0.9, "top_p": 0.95, "min_p": 0.02,
       "seed": 5, "repetition_penalty": 1.15, "frequency_penalty": 0.3, "presence_penalty": 0.4,
       "logit_bias": {"28": -2.5, "30": 1.5}, "min_tokens": 8, "logprobs": 0}


class Sampling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "64", "--hold", "--attempts", "8")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)

    def complete(self, **more):
        return self.server.post("/v1/completions", {"temperature": 0, **more})["choices"][0]

    def ids(self, text):
        return self.server.post("/tokenize", {"prompt": text})["tokens"]

    def test_a_strong_penalty_repeats_no_token(self):
        def drawn(**more):
            text = self.complete(prompt=PROMPT, max_tokens=64, ignore_eos=True, **more)["text"]
            return self.ids(PROMPT + text)[len(self.ids(PROMPT)):]
        plain, penalised = drawn(), drawn(repetition_penalty=100.0)
        self.assertLess(len(set(plain)), len(plain))
        self.assertEqual(len(set(penalised)), len(penalised))
        self.assertFalse(set(penalised) & set(self.ids(PROMPT)))

    def test_min_p_of_one_is_greedy(self):
        greedy = self.complete(prompt=PROMPT, max_tokens=16)["text"]
        self.assertEqual(self.complete(prompt=PROMPT, max_tokens=16, temperature=2, min_p=1, seed=3)["text"], greedy)

    def test_nothing_ends_an_answer_before_its_least_length(self):
        text = self.complete(prompt=PROMPT, max_tokens=40)["text"]
        comma = self.ids(text)[1]
        early = self.complete(prompt=PROMPT, max_tokens=40, stop_token_ids=[comma])
        self.assertEqual(early["finish_reason"], "stop")
        late = self.server.post("/v1/completions", {"prompt": PROMPT, "temperature": 0, "max_tokens": 40,
                                                    "stop_token_ids": [comma], "min_tokens": 20})
        self.assertGreater(late["usage"]["completion_tokens"], 20)
        self.assertNotIn(comma, self.ids(late["choices"][0]["text"])[:20])
        word = text.split()[1]
        cut = self.complete(prompt=PROMPT, max_tokens=40, stop=[word])
        self.assertNotIn(word, cut["text"])
        kept = self.complete(prompt=PROMPT, max_tokens=40, stop=[word], min_tokens=20)
        self.assertIn(word, kept["text"])  # a stop string before the least length is text

    def test_company_in_the_batch_does_not_show(self):
        asks = [{**ALL, "seed": k, "max_tokens": 24, "prompt": PROMPT + " three" * k} for k in range(5)]
        alone = [self.complete(**each) for each in asks]
        with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
            together = list(pool.map(lambda each: self.complete(**each), asks))
        self.assertEqual(together, alone)
        self.assertEqual(len({each["text"] for each in alone}), len(asks))

    def test_an_answer_goes_on_with_the_same_bits_after_its_engines_are_killed(self):
        whole = self.complete(**ALL)
        for role in ("decode", "prefill"):
            with self.subTest(role):
                text, chances, dead = "", [], None
                for event in self.server.stream("/v1/completions", ALL):
                    for choice in event["choices"]:
                        text += choice["text"]
                        chances += (choice["logprobs"] or {}).get("token_logprobs", [])
                    if dead is None and len(chances) >= 12:
                        dead, _ = self.server.kill(role)
                self.assertEqual((text, chances), (whole["text"], whole["logprobs"]["token_logprobs"]))
                self.server.wait_reborn(role, dead)
        self.server.wait_all_free()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
