#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The openai Python client, unmodified, against the server with prefill and decode apart."""
import asyncio
import concurrent.futures
import unittest

import openai

from server import Server

KEY = "a-key-for-this-test"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "64", key=KEY, environment={"ASHLAR_API_KEY": KEY})
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.ai = openai.OpenAI(base_url=cls.server.url + "/v1", api_key=KEY, max_retries=0, timeout=120)
        cls.model = cls.ai.models.list().data[0].id

    def chat(self, **more):
        return self.ai.chat.completions.create(**{"model": self.model, "messages": QUESTION, "temperature": 0, **more})

    def complete(self, **more):
        return self.ai.completions.create(**{"model": self.model, "prompt": "The capital of France is",
                                             "temperature": 0, **more})

    def ids(self, text):
        return self.server.post("/tokenize", {"prompt": text})["tokens"]

    # ---- models

    def test_models_are_listed_and_retrieved(self):
        self.assertEqual(self.ai.models.retrieve(self.model).id, self.model)
        with self.assertRaises(openai.NotFoundError):
            self.ai.models.retrieve("gpt-4o")

    # ---- chat

    def test_chat_answers(self):
        answer = self.chat(max_tokens=64)
        choice = answer.choices[0]
        self.assertEqual((answer.object, choice.message.role), ("chat.completion", "assistant"))
        self.assertIn("Paris", choice.message.content)
        self.assertIn(choice.finish_reason, ("stop", "length"))
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_a_prompt_seen_before_is_cached(self):
        self.chat(max_tokens=4)
        again = self.chat(max_tokens=4).usage
        self.assertGreaterEqual(again.prompt_tokens_details.cached_tokens, 16)
        self.assertLess(again.prompt_tokens_details.cached_tokens, again.prompt_tokens)

    def test_a_prompt_of_many_choices_counts_once(self):
        self.chat(max_tokens=1)
        used = self.chat(max_tokens=1, n=3, temperature=1).usage
        self.assertEqual(used.completion_tokens, 3)
        self.assertGreaterEqual(used.prompt_tokens_details.cached_tokens, 16)
        self.assertLess(used.prompt_tokens_details.cached_tokens, used.prompt_tokens)

    def test_content_may_come_in_parts(self):
        parts = [{"role": "user", "content": [{"type": "text", "text": "What is the capital "},
                                              {"type": "text", "text": "of France?"}]}]
        self.assertEqual(self.chat(messages=parts, max_tokens=24).choices[0].message.content,
                         self.chat(max_tokens=24).choices[0].message.content)

    def test_a_stream_says_the_same_as_a_whole_answer(self):
        whole = self.chat(max_tokens=48)
        chunks = list(self.chat(max_tokens=48, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual([c.choices[0].finish_reason for c in chunks if c.choices][-1], whole.choices[0].finish_reason)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(len({c.id for c in chunks}), 1)
        self.assertGreater(len(chunks), 4)

    def test_a_stream_that_is_closed_early_frees_its_memory(self):
        with self.chat(max_tokens=400, stream=True) as stream:
            for _ in zip(range(3), stream):
                pass
        self.server.wait_all_free()

    def test_the_asynchronous_client_streams(self):
        async def run():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key=KEY, max_retries=0) as ai:
                stream = await ai.chat.completions.create(model=self.model, messages=QUESTION, temperature=0,
                                                          max_tokens=16, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream])
        self.assertEqual(asyncio.run(run()), self.chat(max_tokens=16).choices[0].message.content)

    def test_n_choices_differ_and_repeat_with_their_seed(self):
        def run(seed):
            choices = self.chat(n=3, temperature=1, seed=seed, max_tokens=24).choices
            self.assertEqual([c.index for c in choices], [0, 1, 2])
            return [c.message.content for c in choices]
        first = run(11)
        self.assertGreater(len(set(first)), 1)
        self.assertEqual(run(11), first)
        self.assertNotEqual(run(12), first)

    def test_n_choices_stream_side_by_side(self):
        texts = {}
        for chunk in self.chat(n=2, temperature=1, seed=3, max_tokens=16, stream=True):
            choice = chunk.choices[0]
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
        whole = self.chat(n=2, temperature=1, seed=3, max_tokens=16).choices
        self.assertEqual(texts, {c.index: c.message.content for c in whole})

    def test_stop_ends_before_its_string(self):
        whole = self.chat(max_tokens=40).choices[0].message.content
        cut = whole.split()[3]
        expected = whole[:whole.index(cut)]
        answer = self.chat(max_tokens=40, stop=[cut]).choices[0]
        self.assertEqual((answer.message.content, answer.finish_reason), (expected, "stop"))
        chunks = list(self.chat(max_tokens=40, stop=cut, stream=True))
        for choice in (chunk.choices[0] for chunk in chunks): # also while text waits that may begin the stop
            self.assertTrue(choice.delta.role or choice.delta.content or choice.finish_reason)
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks), expected)

    def test_chat_logprobs_spell_the_answer(self):
        choice = self.chat(max_tokens=12, logprobs=True, top_logprobs=3).choices[0]
        tokens = choice.logprobs.content
        spelled = b"".join(bytes(t.bytes) for t in tokens).decode()
        self.assertTrue(spelled.startswith(choice.message.content))
        for token in tokens:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.top_logprobs[0].token, token.token)  # greedy
            chances = [t.logprob for t in token.top_logprobs]
            self.assertEqual(chances, sorted(chances, reverse=True))

    def test_what_shares_the_batch_changes_nothing(self):
        def ask(k):
            return self.chat(messages=[{"role": "user", "content": f"Count from {k} to {k + 5}."}], max_tokens=24,
                             logprobs=True).choices[0]
        alone = [ask(k) for k in range(6)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            together = list(pool.map(ask, range(6)))
        self.assertEqual([c.message.content for c in together], [c.message.content for c in alone])
        self.assertEqual([[t.logprob for t in c.logprobs.content] for c in together],
                         [[t.logprob for t in c.logprobs.content] for c in alone])

    def test_penalties_and_biases_change_the_answer(self):
        plain = self.chat(max_tokens=24).choices[0].message.content
        first = self.ids(plain)[0]
        biased = self.chat(max_tokens=24, logit_bias={str(first): -100}).choices[0].message.content
        self.assertFalse(biased.startswith(plain[:3]), biased)
        forced = self.chat(max_tokens=4, logit_bias={str(self.ids(" stone")[0]): 100}, logprobs=True).choices[0]
        self.assertEqual(forced.message.content, " stone" * 4)
        self.assertLess(forced.logprobs.content[0].logprob, -1)  # what the model thought, before any bias
        for more in ({"frequency_penalty": 2}, {"presence_penalty": 2}, {"extra_body": {"repetition_penalty": 1.8}}):
            with self.subTest(more):
                long = {"prompt": "one two one two one two", "max_tokens": 24}
                plain_text = self.complete(**long).choices[0].text
                self.assertNotEqual(self.complete(**long, **more).choices[0].text, plain_text)
        neutral = self.chat(max_tokens=24, frequency_penalty=0, presence_penalty=0, logit_bias={},
                            extra_body={"repetition_penalty": 1.0, "min_p": 0.0})
        self.assertEqual(neutral.choices[0].message.content, plain)

    # ---- completions

    def test_completions_complete(self):
        answer = self.complete()
        self.assertEqual(answer.object, "text_completion")
        self.assertIn("Paris", answer.choices[0].text)
        self.assertLessEqual(answer.usage.completion_tokens, 16)  # OpenAI's default
        self.assertEqual("".join(c.choices[0].text for c in self.complete(stream=True)), answer.choices[0].text)

    def test_completions_logprobs_have_offsets(self):
        choice = self.complete(max_tokens=8, logprobs=2).choices[0]
        seen = choice.logprobs
        self.assertEqual(len(seen.tokens), len(seen.token_logprobs))
        self.assertEqual("".join(seen.tokens), choice.text)
        for token, offset, top in zip(seen.tokens, seen.text_offset, seen.top_logprobs):
            self.assertEqual(choice.text[offset:offset + len(token)], token)
            self.assertIn(token, top)

    def test_echo_gives_the_prompt_its_logprobs(self):
        prompt = "The capital of France is"
        choice = self.complete(prompt=prompt, max_tokens=1, logprobs=1, echo=True).choices[0]
        self.assertTrue(choice.text.startswith(prompt))
        self.assertIsNone(choice.logprobs.token_logprobs[0])
        self.assertTrue(all(x <= 0 for x in choice.logprobs.token_logprobs[1:]))
        self.assertEqual(len(choice.logprobs.tokens), len(self.ids(prompt)) + 1)
        again = self.complete(prompt=prompt, max_tokens=1, logprobs=1, echo=True).choices[0]
        self.assertEqual(again.logprobs.token_logprobs, choice.logprobs.token_logprobs)

    def test_a_prompt_is_scored_and_nothing_more(self):
        prompt = "The capital of France is"
        echoed = self.complete(prompt=prompt, max_tokens=0, logprobs=2, echo=True)
        choice = echoed.choices[0]
        self.assertEqual((choice.text, choice.finish_reason), (prompt, "length"))
        self.assertEqual(len(choice.logprobs.tokens), len(self.ids(prompt)))
        self.assertEqual(echoed.usage.completion_tokens, 0)
        scored = self.complete(prompt=[prompt, "Water boils at"], n=2, max_tokens=1,
                               extra_body={"prompt_logprobs": 2}).choices
        self.assertEqual([c.prompt_logprobs for c in scored[0:4:2]], [c.prompt_logprobs for c in scored[1:4:2]])
        first, *rest = scored[0].prompt_logprobs
        self.assertIsNone(first)
        for token, position, chance in zip(self.ids(prompt)[1:], rest, choice.logprobs.token_logprobs[1:]):
            self.assertEqual(position[str(token)]["logprob"], chance)
            self.assertIn(len(position), (2, 3))
            ranks = sorted(each["rank"] for each in position.values())
            self.assertEqual(ranks[:2], [1, 2])
            self.assertEqual(list(position)[0], str(token))
        chat = self.chat(max_tokens=1, extra_body={"prompt_logprobs": 0})
        self.assertEqual(len(chat.prompt_logprobs), chat.usage.prompt_tokens)

    def test_prompts_of_token_ids_come_in_batches(self):
        texts = ["The capital of France is", "Water boils at", "def fibonacci(n):"]
        alone = [self.complete(prompt=text, max_tokens=8).choices[0].text for text in texts]
        batch = self.complete(prompt=[self.ids(text) for text in texts], max_tokens=8)
        self.assertEqual([c.index for c in batch.choices], [0, 1, 2])
        self.assertEqual([c.text for c in batch.choices], alone)
        strings = self.complete(prompt=texts, max_tokens=8)
        self.assertEqual([c.text for c in strings.choices], alone)

    # ---- errors

    def refused(self, kind, **more):
        with self.assertRaises(kind) as caught:
            self.chat(**more)
        self.assertTrue(caught.exception.body["message"])
        return caught.exception

    def test_an_unknown_model_is_404(self):
        self.assertEqual(self.refused(openai.NotFoundError, model="gpt-4o").code, "model_not_found")

    def test_a_field_that_is_wrong_or_not_supported_is_named(self):
        for field, value in {"temperature": 9, "top_p": -1, "max_tokens": 0, "n": 100000, "logit_bias": {"5": 101},
                             "frequency_penalty": 2.5, "presence_penalty": -3, "top_logprobs": 5,
                             "stop": ["a"] * 9}.items():
            with self.subTest(field):
                self.assertEqual(self.refused(openai.BadRequestError, **{field: value}).param, field)
        with self.subTest("a field that nobody knows"):
            fault = self.refused(openai.BadRequestError, extra_body={"tempratur": 1})
            self.assertEqual(fault.param, "tempratur")

    def test_a_prompt_longer_than_the_context_is_400(self):
        fault = self.refused(openai.BadRequestError, messages=[{"role": "user", "content": "word " * 9000}])
        self.assertEqual(fault.code, "context_length_exceeded")

    def test_a_wrong_key_is_401(self):
        stranger = openai.OpenAI(base_url=self.server.url + "/v1", api_key="guess", max_retries=0)
        with self.assertRaises(openai.AuthenticationError):
            stranger.models.list()
        with self.assertRaises(openai.AuthenticationError):
            stranger.chat.completions.create(model=self.model, messages=QUESTION)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
