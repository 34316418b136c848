#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tools through the openai Python client, unmodified, against a server with prefill and decode apart: calls that must
come, that may come and that must not; whole and streamed; a round trip with a result. And calls of tiny models that
have the words and the templates of Qwen2.5 and Llama 3.1."""
import json
import os
import pathlib
import tempfile
import unittest

import jsonschema
import openai

from server import Server
from tiny_models import TinyModel

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Tells today's weather in a city.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"], "additionalProperties": False}}}
DICE = {"type": "function", "function": {
    "name": "roll-dice", "strict": True,
    "parameters": {"type": "object", "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 20}},
                   "required": ["sides"]}}}
NOW = {"type": "function", "function": {"name": "now"}}
TOOLS = [WEATHER, DICE, NOW]
SCHEMAS = {tool["function"]["name"]: tool["function"].get("parameters", {"maxProperties": 0}) for tool in TOOLS}
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


def said(choice):
    """Whether a chunk has anything to say."""
    return choice.delta.role or choice.delta.content or choice.delta.tool_calls or choice.finish_reason


class Calls:
    """What every model does."""
    MOST = 120  # tokens

    @classmethod
    def start(cls, *arguments):
        cls.server = Server(*arguments)
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.ai = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="none", max_retries=0, timeout=120)
        cls.model = cls.ai.models.list().data[0].id

    def chat(self, **more):
        return self.ai.chat.completions.create(**{"model": self.model, "messages": QUESTION, "temperature": 0,
                                                  "tools": TOOLS, "max_tokens": self.MOST, **more})

    def check(self, calls):
        for call in calls:
            self.assertEqual(call.type, "function")
            jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])
        self.assertEqual(len({call.id for call in calls}), len(calls))

    def streamed(self, **more):
        """(content, calls as (id, name, arguments), finish_reason), put together as clients do."""
        content, calls, reason, chunks = "", {}, None, 0
        for chunk in self.chat(stream=True, **more):
            choice = chunk.choices[0]
            self.assertTrue(said(choice), chunk)
            reason = choice.finish_reason or reason
            content += choice.delta.content or ""
            for part in choice.delta.tool_calls or []:
                chunks += 1
                call = calls.setdefault(part.index, [None, None, ""])
                if part.id:
                    self.assertEqual(call, [None, None, ""])
                    call[:2] = part.id, part.function.name
                call[2] += part.function.arguments or ""
        return content, [tuple(calls[i]) for i in sorted(calls)], reason, chunks

    def test_a_call_that_must_come_comes_and_is_valid(self):
        for more in ({}, {"temperature": 1.5, "seed": 3}, {"temperature": 1, "seed": 4, "n": 2}):
            with self.subTest(**more):
                for choice in self.chat(tool_choice="required", parallel_tool_calls=False, **more).choices:
                    self.assertEqual(choice.finish_reason, "tool_calls")
                    self.assertIsNone(choice.message.content)
                    self.assertEqual(len(choice.message.tool_calls), 1)
                    self.check(choice.message.tool_calls)

    def test_a_named_tool_is_the_one_that_is_called(self):
        for name in SCHEMAS:
            choice = self.chat(tool_choice={"type": "function", "function": {"name": name}}).choices[0]
            self.assertEqual(choice.finish_reason, "tool_calls")
            self.assertEqual([call.function.name for call in choice.message.tool_calls], [name])
            self.check(choice.message.tool_calls)

    def test_streamed_it_is_the_same(self):
        for more in ({"tool_choice": "required", "seed": 9, "temperature": 1}, {"tool_choice": "auto"},
                     {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}):
            with self.subTest(**more):
                whole = self.chat(**more).choices[0]
                content, calls, reason, chunks = self.streamed(**more)
                self.assertEqual(content, whole.message.content or "")
                self.assertEqual([call[1:] for call in calls],
                                 [(c.function.name, c.function.arguments) for c in whole.message.tool_calls or []])
                self.assertEqual(reason, whole.finish_reason)
                if calls:
                    self.assertGreater(chunks, 2 * len(calls))  # the arguments come as they are written


class Tools(Calls, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start("--pool-mib", "96")

    def test_what_may_be_called_may_also_be_answered(self):
        answer = self.chat(messages=[{"role": "user", "content": "Say hello."}]).choices[0]
        self.assertIn(answer.finish_reason, ("stop", "length", "tool_calls"))
        if answer.finish_reason == "tool_calls":
            self.check(answer.message.tool_calls)
        else:
            self.assertTrue(answer.message.content)
        # Whoever begins a call has to end it: the model is led to the brink.
        brink = [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "get_weather",
                                                         "arguments": '{"city": "Rome", "unit": "celsius"}'}}]},
                 {"role": "tool", "tool_call_id": "1", "content": "22"},
                 {"role": "user", "content": "And in Paris? Call the tool again."}]
        for seed in range(4):
            choice = self.chat(messages=brink, temperature=0.7, seed=seed).choices[0]
            if choice.finish_reason == "tool_calls":
                self.check(choice.message.tool_calls)

    def test_none_means_none(self):
        answer = self.chat(tool_choice="none", max_tokens=16)
        self.assertIsNone(answer.choices[0].message.tool_calls)
        without = self.ai.chat.completions.create(model=self.model, messages=QUESTION, temperature=0, max_tokens=16)
        self.assertEqual(answer.choices[0].message.content, without.choices[0].message.content)
        self.assertEqual(answer.usage.prompt_tokens, without.usage.prompt_tokens)

    def test_a_result_goes_back(self):
        call = self.chat(tool_choice="required", parallel_tool_calls=False).choices[0].message
        turns = [*QUESTION, call.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "It rains."}]
        answer = self.chat(messages=turns, tool_choice="none", max_tokens=24)
        self.assertTrue(answer.choices[0].message.content)
        told = self.server.post("/tokenize", {"messages": turns, "return_token_strs": True})
        text = "".join(told["token_strs"])
        self.assertIn("<tool_call>\n{\"name\": \"" + call.tool_calls[0].function.name + "\"", text)
        self.assertIn("<tool_response>\nIt rains.\n</tool_response>", text)
        self.assertEqual(answer.usage.prompt_tokens, told["count"])

    def test_calls_end_within_max_tokens(self):
        named = {"type": "function", "function": {"name": "get_weather"}}
        for seed in range(3):
            answer = self.chat(tool_choice=named, max_tokens=64, temperature=1.8, seed=seed)
            self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
            self.assertLessEqual(answer.usage.completion_tokens, 64)
            self.check(answer.choices[0].message.tool_calls)

    def test_an_answer_that_is_cut_says_length(self):
        story = self.chat(messages=[{"role": "user", "content": "Tell me a long story."}], max_tokens=8)
        self.assertEqual((story.choices[0].finish_reason, story.usage.completion_tokens), ("length", 8))
        choice = self.chat(tool_choice={"type": "function", "function": {"name": "get_weather"}},
                           max_tokens=3).choices[0]
        self.assertEqual(choice.finish_reason, "length")

    def test_what_cannot_be_is_refused_by_its_field(self):
        for field, more in {"tools[1].function.name": {"tools": [NOW, NOW]},
                            "tools[0].function.parameters": {"tools": [{"type": "function", "function": {
                                "name": "f", "parameters": {"type": "object", "not": {}}}}]},
                            "tool_choice.function.name": {"tool_choice": {"type": "function",
                                                                          "function": {"name": "g"}}},
                            "tools": {"response_format": {"type": "json_object"}},
                            "functions": {"functions": [{"name": "f", "parameters": {}}]}}.items():
            with self.subTest(field), self.assertRaises(openai.BadRequestError) as caught:
                self.chat(**more)
            self.assertEqual(caught.exception.param, field)


class TinyCalls(Calls):
    """Weights drawn at random know no format: it is the grammar that makes calls of what they say."""
    MOST = 400  # of a vocabulary that has few words longer than a byte

    @classmethod
    def start_tiny(cls, shape, template, *words):
        folder, kept = tempfile.TemporaryDirectory(), os.environ["ASHLAR_MODEL"]
        cls.addClassCleanup(folder.cleanup)
        TinyModel(shape, template=template.read_text(encoding="utf-8"), more=words).write_folder(folder.name)
        try:
            os.environ["ASHLAR_MODEL"] = folder.name
            cls.start("--pool-mib", "16", "--context", "4096", "--threads", "1", "--fabric", "window")
        finally:
            os.environ["ASHLAR_MODEL"] = kept

    def prompt(self, *turns):
        told = self.server.post("/tokenize", {"messages": [*QUESTION, *turns], "tools": TOOLS,
                                              "return_token_strs": True})
        return told["token_strs"]

    def round_trip(self):
        """The prompt that a call and its result make, as its tokens' texts."""
        call = self.chat(tool_choice="required", parallel_tool_calls=False).choices[0].message
        turns = [call.model_dump(exclude_none=True),
                 {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "It rains."}]
        answer = self.chat(messages=[*QUESTION, *turns], max_tokens=4)
        prompt = self.prompt(*turns)
        self.assertEqual(answer.usage.prompt_tokens, len(prompt))
        return prompt


class Qwen(TinyCalls, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start_tiny("qwen2", GOLDEN / "templates/qwen2.5.jinja", "<tool_call>", "</tool_call>")

    def test_its_own_template_tells_of_the_tools(self):
        prompt = self.round_trip()
        text = "".join(prompt)
        self.assertEqual(prompt[:1], ["<|im_start|>"])
        self.assertIn("You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
                      '{"type": "function", "function": {"name": "get_weather"', text)
        self.assertRegex(text, r'<\|im_start\|>assistant\n<tool_call>\n\{"name": "[\w-]+", "arguments": \{.*\}\}\n'
                               r"</tool_call><\|im_end\|>\n<\|im_start\|>user\n<tool_response>\nIt rains\.\n"
                               r"</tool_response><\|im_end\|>\n<\|im_start\|>assistant\n$")


class Llama(TinyCalls, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.start_tiny("llama", pathlib.Path(os.environ["ASHLAR_TEMPLATES"], "llama3.1.jinja"), "<|start_header_id|>",
                       "<|end_header_id|>", "<|eot_id|>")

    def test_its_template_is_told_of_the_tools_in_words(self):
        prompt = self.round_trip()
        text = "".join(prompt)
        self.assertEqual(prompt[:2], ["<|begin_of_text|>", "<|start_header_id|>"])
        self.assertIn("# Tools\n\nYou can call these functions.", text[:text.index("<|eot_id|>")])
        self.assertRegex(text, r"assistant<\|end_header_id\|>\n\n<tool_call>\n"
                               r'\{"name": "[\w-]+", "arguments": \{.*\}\}\n'
                               r"</tool_call><\|eot_id\|><\|start_header_id\|>user<\|end_header_id\|>\n\n"
                               r"<tool_response>\nIt rains\.\n</tool_response><\|eot_id\|>")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
