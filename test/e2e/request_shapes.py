#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The requests of load generators and of an evaluation harness, as each of them sends them (request_shapes.json says
which, in what version, from which file), and what each reads in the answer."""
import json
import pathlib
import unittest

from server import Server

SHAPES = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--role", "unified", "--pool-mib", "64")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.model = json.loads(cls.server.get("/v1/models")[1])["data"][0]["id"]

    def streamed(self, shape, body):
        """A chunk a token, and the usage that a load generator counts tokens by."""
        chunks = list(self.server.stream(shape["path"], body))
        chat = shape["path"].endswith("chat/completions")
        tokens = [c for c in chunks if c["choices"] and not c["choices"][0]["finish_reason"]]
        self.assertGreaterEqual(len(tokens), 8)
        for chunk in tokens:
            self.assertEqual(chunk["object"], "chat.completion.chunk" if chat else "text_completion")
            choice = chunk["choices"][0]
            self.assertIsInstance(choice["delta"].get("content", "") if chat else choice["text"], str)
        self.assertEqual(chunks[-1]["choices"], [])
        used = chunks[-1]["usage"]
        self.assertEqual(used["completion_tokens"], 8)
        self.assertGreater(used["prompt_tokens"], 0)
        if body["stream_options"].get("continuous_usage_stats"):
            counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(set(range(1, 9)), set(counts))
            self.assertEqual({chunk["usage"]["prompt_tokens"] for chunk in chunks}, {used["prompt_tokens"]})
        else:
            self.assertTrue(all(chunk["usage"] is None for chunk in chunks[:-1]))

    def whole(self, shape, body):
        answer = self.server.post(shape["path"], body)
        chat = shape["path"].endswith("chat/completions")
        prompts = body.get("prompt") if isinstance(body.get("prompt"), list) else [None]
        self.assertEqual([choice["index"] for choice in answer["choices"]], list(range(len(prompts))))
        for choice in answer["choices"]:
            self.assertIsInstance(choice["message"]["content"] if chat else choice["text"], str)
        self.assertGreater(answer["usage"]["completion_tokens"], 0)
        if body.get("min_tokens"):
            self.assertEqual(answer["usage"]["completion_tokens"], 8 * len(prompts))
        if shape.get("scores"):
            for prompt, choice in zip(prompts, answer["choices"]):
                chances, tops = choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"]
                self.assertEqual((len(chances), len(tops)), (len(prompt) + 1, len(prompt) + 1))
                for chance, top in list(zip(chances, tops))[1:]:  # the harness compares a token's with the best
                    self.assertIn(chance, top.values())
                    self.assertLessEqual(chance, max(top.values()))

    def test_every_shape(self):
        for shape in SHAPES:
            with self.subTest(shape["client"]):
                body = {**shape["body"], "model": self.model}
                (self.streamed if body.get("stream") else self.whole)(shape, body)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
