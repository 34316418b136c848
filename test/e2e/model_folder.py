#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models as Hugging Face's tools save them: a server answers from a folder, in one file or in shards, split or not,
as it answers from a GGUF of the same numbers. The shapes are those of Llama 3.1, Qwen2.5 and Qwen3."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from server import Refused, Server
from tiny_models import SHAPES, TinyModel

PROMPTS = ["The wall of stone, 12345 steps and 7 towers.", "I'll say: naïve don’t 日本語\r\n\r\n  x = 1;", "a",
           "x" * 150 + " the end of a prompt that takes several chunks, and then some more of it."]


class ModelFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def server(self, path, *arguments):
        environment = os.environ.get("ASHLAR_MODEL")
        os.environ["ASHLAR_MODEL"] = str(path)
        try:
            return Server("--pool-mib", "4", "--context", "512", "--batch-tokens", "64", "--threads", "1", *arguments)
        finally:
            os.environ["ASHLAR_MODEL"] = environment

    def objection(self, path):
        run = subprocess.run([os.environ["ASHLAR_SERVE"], "--model", path, "--port", "0", "--role", "unified"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertNotEqual(run.returncode, 0)
        return run.stderr

    def answers(self, server):
        """Everything that the model decides: tokens, and how likely each was to the last bit that is shown."""
        said = []
        for prompt in PROMPTS:
            for more in ({"temperature": 0}, {"temperature": 1, "seed": 7}):
                said.append(server.post("/v1/completions", {
                    "prompt": prompt, "max_tokens": 24, "ignore_eos": True, "logprobs": 2, **more})["choices"])
        said.append(server.chat("Why?", max_tokens=12, ignore_eos=True)["choices"])
        said.append(server.post("/v1/completions", {"prompt": "[", "max_tokens": 8, "temperature": 0,
                                                    "grammar": 'root ::= "a" [0-9]+'})["choices"])
        for text in (*PROMPTS, "e\u0301 n\u0303o \u1e9b\u0323[tool]<|im_end|>"):
            for add in (True, False):
                said.append(server.post("/tokenize", {"prompt": text, "add_special_tokens": add})["tokens"])
        info = json.loads(server.get("/tokenizer_info")[1])
        said.append([info.get(key) for key in ("bos_token", "eos_token", "chat_template")])
        return said

    def test_a_folder_answers_as_the_gguf_of_the_same_numbers(self):
        for name in SHAPES:
            with self.subTest(name):
                tiny = TinyModel(name)
                tiny.write_gguf(self.path / f"{name}.gguf")
                tiny.write_folder(self.path / name)
                tiny.write_folder(self.path / f"{name}-2.5-shards", shards=3)
                with self.server(self.path / f"{name}.gguf", "--role", "unified") as server:
                    expected = self.answers(server)
                    self.assertGreater(len({str(each) for each in expected[:len(PROMPTS) * 2]}), len(PROMPTS))
                with self.server(self.path / name, "--fabric", "window") as server:
                    self.assertEqual(self.answers(server), expected)
                with self.server(self.path / f"{name}-2.5-shards/", "--role", "unified") as server:
                    self.assertEqual(self.answers(server), expected)
                    self.assertEqual(json.loads(server.get("/v1/models")[1])["data"][0]["id"], f"{name}-2.5-shards")

    def test_llama_3_texts_begin_with_a_token_unless_they_are_not_to(self):
        tiny = TinyModel("llama")
        tiny.write_folder(self.path / "llama")
        begin = tiny.count() - 1
        with self.server(self.path / "llama", "--role", "unified") as server:
            def tokens(**more):
                return server.post("/tokenize", {"prompt": "the wall", **more})["tokens"]
            plain = tokens(add_special_tokens=False)
            self.assertEqual(tokens(), [begin, *plain])
            self.assertEqual(tokens(prompt="<|begin_of_text|>the wall", add_special_tokens=False), [begin, *plain])
            chat = server.post("/tokenize", {"messages": [{"role": "user", "content": "the wall"}]})["tokens"]
            self.assertNotIn(begin, chat)  # this template writes none
            ask = {"prompt": "the wall", "max_tokens": 1, "temperature": 0}
            for more, count in (({}, len(plain) + 1), ({"add_special_tokens": False}, len(plain))):
                self.assertEqual(server.post("/v1/completions", {**ask, **more})["usage"]["prompt_tokens"], count)

    def test_the_ends_that_the_folder_names_end_an_answer(self):
        tiny = TinyModel("qwen2")
        tiny.write_folder(self.path / "all")
        (self.path / "all/generation_config.json").write_text(json.dumps({"eos_token_id": list(range(tiny.rows))}))
        with self.server(self.path / "all", "--role", "unified") as server:
            choice = server.post("/v1/completions", {"prompt": "the", "max_tokens": 9})["choices"][0]
            self.assertEqual((choice["finish_reason"], choice["text"]), ("stop", ""))

    def test_a_template_that_is_not_understood_is_named_at_start_and_refuses_chats_only(self):
        template = "{% for m in messages %}\n{% macro say(m) %}{% endmacro %}{% endfor %}"
        TinyModel("qwen2", template=template).write_folder(self.path / "m")
        with self.server(self.path / "m", "--role", "unified") as server:
            self.assertRegex(server.log(), "this server does not chat: .*line 2: the tag 'macro' is not supported")
            with self.assertRaises(Refused) as caught:
                server.chat("Hello.")
            self.assertEqual((caught.exception.status, caught.exception.error["code"]), (400, "chat_format_unknown"))
            self.assertIn("macro", caught.exception.error["message"])
            said = server.post("/v1/completions", {"prompt": "a", "max_tokens": 3, "ignore_eos": True})
            self.assertEqual(said["usage"]["completion_tokens"], 3)

    def test_what_is_wrong_is_said_with_the_file_and_the_field(self):
        folder = self.path / "m"
        TinyModel("qwen3").write_folder(folder, shards=2)
        shard = "model-00001-of-00002.safetensors"

        def spoil(name, change):
            kept = (folder / name).read_bytes()
            value = json.loads(kept)
            change(value)
            (folder / name).write_text(json.dumps(value))
            said = self.objection(folder)
            (folder / name).write_bytes(kept)
            return said

        for name, change, *wanted in (
                ("config.json", lambda c: c.update(model_type="mamba"), "config.json", "'mamba'"),
                ("config.json", lambda c: c.update(rope_scaling={"rope_type": "yarn", "factor": 4.0}), "config.json",
                 "'yarn'"),
                ("config.json", lambda c: c.update(hidden_size=32), shard, "config.json asks for"),
                ("config.json", lambda c: c.update(vocab_size=100), "config.json asks for 100 x 64"),
                ("model.safetensors.index.json", lambda i: i["weight_map"].update(x="../../x.safetensors"),
                 "model.safetensors.index.json", "no safetensors file of the folder"),
                ("model.safetensors.index.json", lambda i: i["weight_map"].update({"model.norm.weight": shard}),
                 "model.norm.weight", "does not put there"),
                ("tokenizer.json", lambda t: t["model"].update(type="Unigram"), "tokenizer.json", "no BPE"),
                ("tokenizer_config.json", lambda t: t.update(eos_token="</s>"), "tokenizer_config.json", "'</s>'"),
                ("generation_config.json", lambda g: g.update(eos_token_id=10**6), "generation_config.json",
                 "eos_token_id")):
            with self.subTest(wanted):
                said = spoil(name, change)
                for each in wanted:
                    self.assertIn(each, said)
        for name, wanted in ((shard, shard), ("tokenizer.json", "has no tokenizer.json"),
                             ("config.json", "has no config.json")):
            with self.subTest(f"{name} is missing"):
                (folder / name).rename(self.path / "away")
                self.assertIn(wanted, self.objection(folder))
                (self.path / "away").rename(folder / name)
        with self.subTest("a shard alone"):
            self.assertIn("name its folder", self.objection(folder / shard))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
