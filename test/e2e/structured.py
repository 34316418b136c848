#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that follow a schema or a grammar, of a server with prefill and decode apart: valid by jsonschema, the same
whether streamed or whole, and the same after a decode engine dies; what cannot be followed is refused by name."""
import json
import pathlib
import threading
import unittest

import jsonschema

from server import Refused, Server

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden/json_schemas.json"
SCHEMAS = {each["from"]: each["schema"] for each in json.loads(GOLDEN.read_text(encoding="utf-8"))["schemas"]}


def formatted(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


class Structured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "128", "--hold")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)

    def ask(self, schema, question="Answer in JSON.", **more):
        answer = self.server.chat(question, response_format=formatted(schema), max_tokens=300, **more)
        choice = answer["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    def test_answers_are_what_their_schemas_say(self):
        names = ["ours: a verdict", "ours: a shape, one of two", "ours: a telephone number", "ours: a server",
                 "enum: enum with escaped characters", "properties: properties with escaped characters",
                 "ref: property named $ref, containing an actual $ref", "anyOf: anyOf complex types"]
        for name in names:
            for more in ({}, {"temperature": 1.5, "seed": 7}):
                with self.subTest(name, **more):
                    text, reason = self.ask(SCHEMAS[name], **more)
                    self.assertEqual(reason, "stop")
                    jsonschema.validate(json.loads(text), SCHEMAS[name])

    def test_an_answer_ends_by_itself_when_its_grammar_does(self):
        choice = self.server.post("/v1/completions", {
            "prompt": "Is stone hard? ", "temperature": 0, "max_tokens": 50, "min_tokens": 20,
            "grammar": 'root ::= "yes" | "no"'})["choices"][0]
        self.assertIn(choice["text"], ("yes", "no"))
        self.assertEqual(choice["finish_reason"], "stop")

    def test_an_answer_ends_within_max_tokens(self):
        for name, most in (("ours: a person", 60), ("ours: an order", 90), ("ours: an event", 100)):
            for more in ({}, {"temperature": 1.8, "seed": 5}):
                with self.subTest(name, **more):
                    answer = self.server.chat("Answer in JSON, at great length.", max_tokens=most,
                                              response_format=formatted(SCHEMAS[name]), **more)
                    self.assertEqual(answer["choices"][0]["finish_reason"], "stop")
                    self.assertLessEqual(answer["usage"]["completion_tokens"], most)
                    jsonschema.validate(json.loads(answer["choices"][0]["message"]["content"]), SCHEMAS[name])

    def test_min_tokens_gives_way_to_the_end_of_the_text(self):
        for most in (1, 2, 7, 12):
            answer = self.server.post("/v1/completions", {
                "prompt": "Stones: ", "max_tokens": most, "min_tokens": most,
                "grammar": 'root ::= "a" [a-z ]* "." | ""', "temperature": 1.5, "seed": 2})
            text = answer["choices"][0]["text"]
            self.assertRegex(text, r"^(a[a-z ]*\.|)$")
            self.assertEqual(answer["choices"][0]["finish_reason"], "stop")

    def test_an_answer_that_is_cut_says_length(self):
        choice = self.server.post("/v1/completions", {"prompt": "Stones: ", "temperature": 0, "max_tokens": 5,
                                                      "grammar": "root ::= [a-z ]{400} \".\""})["choices"][0]
        self.assertRegex(choice["text"], "^[a-z ]+$")
        self.assertEqual(choice["finish_reason"], "length")

    def test_any_object(self):
        text = self.server.chat("Describe a stone as JSON.", response_format={"type": "json_object"},
                                max_tokens=200)["choices"][0]
        self.assertEqual(text["finish_reason"], "stop")
        self.assertIsInstance(json.loads(text["message"]["content"]), dict)

    def test_streamed_it_is_the_same_also_when_an_engine_dies(self):
        essay = {"type": "object", "properties": {"essay": {"type": "string"}, "title": {"type": "string"}},
                 "required": ["essay", "title"]}
        for schema, most in ((SCHEMAS["ours: an event"], 300), (essay, 40)):  # the second one's budget ends it
            body = {"messages": [{"role": "user", "content": "What happens next?"}], "temperature": 0,
                    "max_tokens": most, "response_format": formatted(schema)}
            choice = self.server.post("/v1/chat/completions", body)["choices"][0]
            self.assertEqual(choice["finish_reason"], "stop")
            whole = choice["message"]["content"]
            jsonschema.validate(json.loads(whole), schema)
            for kill in (False, True):
                text, count = "", 0
                for event in self.server.stream("/v1/chat/completions", body):
                    text += event["choices"][0]["delta"].get("content") or ""
                    count += 1
                    if kill and count == 10:
                        pid, _ = self.server.kill("decode")
                self.assertEqual(text, whole)
            self.server.wait_reborn("decode", pid)

    def test_several_at_once_keep_apart(self):
        names = ["ours: a verdict", "ours: an address", "ours: a person", "ours: an order"]
        alone = {name: self.ask(SCHEMAS[name], seed=3, temperature=0.8) for name in names}
        together = {}

        def one(name):
            together[name] = self.ask(SCHEMAS[name], seed=3, temperature=0.8)

        threads = [threading.Thread(target=one, args=(name,)) for name in names]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(together, alone)

    def test_what_cannot_be_followed_is_refused_by_name(self):
        nested = "{}"
        for _ in range(9):
            nested = '{"anyOf":[' + nested + "," + nested + "]}"
        for field, more, part in (
                ("response_format.json_schema.schema", {"response_format": formatted({"not": {}})}, "'not'"),
                ("response_format.json_schema.schema", {"response_format": formatted(json.loads(nested))},
                 "alternatives"),
                ("response_format.json_schema", {"response_format": {"type": "json_schema"}}, "schema"),
                ("response_format.type", {"response_format": {"type": "xml"}}, "json_schema"),
                ("grammar", {"grammar": "root ::= a"}, "'a'"),
                ("grammar", {"grammar": "root ::= root \"x\" | \"y\""}, "left"),
                ("grammar", {"grammar": "root ::= [ab]* \"a\" [ab]{30}"}, "states"),
                ("grammar", {"grammar": "root ::= \"x\"", "response_format": {"type": "json_object"}}, "both"),
                ("ignore_eos", {"grammar": "root ::= \"x\"", "ignore_eos": True}, "ignore_eos")):
            with self.subTest(field, part=part), self.assertRaises(Refused) as caught:
                self.server.chat("Hello", **more)
            self.assertEqual(caught.exception.status, 400)
            self.assertEqual(caught.exception.error["param"], field)
            self.assertIn(part, caught.exception.error["message"])

    def test_what_gets_too_ambiguous_ends_in_an_error(self):
        for grammar in ('root ::= a | b\na ::= "x" a "y" | "x" b "z" | "x"{9}\nb ::= "x" a "z" | "x" b "y" | "x"{9}',
                        'root ::= a{1,40}\na ::= "x" a | "x" b | [a-z ]{1,8}\nb ::= "x" b | a "z" | [a-z ]{1,6}'):
            with self.subTest(grammar), self.assertRaises(Refused) as caught:
                self.server.post("/v1/completions", {"prompt": "xxxxxxxx", "grammar": grammar, "max_tokens": 100})
            self.assertEqual(caught.exception.error["code"], "unsupported_grammar")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
