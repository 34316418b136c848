#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API's edges as a newcomer and as a careless client meet them: addresses and keys, methods and types, bodies in
chunks, requests in a pipeline, clients that leave or only end what they send, too many connections, and what the pages
beside the answers hold."""
import json
import os
import re
import socket
import subprocess
import time
import unittest
import urllib.parse

from server import PATIENCE_S, Server

KEY = "a-key-for-this-test"
COMPLETIONS = "/v1/completions"
ASK = {"prompt": "The capital of France is", "temperature": 0, "max_tokens": 4}


class Answer:
    def __init__(self, head, body):
        line, *lines = head.decode().split("\r\n")
        self.status, self.body = int(line.split()[1]), body
        self.headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}

    def json(self):
        return json.loads(self.body)


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "64", key=KEY, environment={"ASHLAR_API_KEY": KEY})
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.at = urllib.parse.urlsplit(cls.server.url)
        cls.text = cls.server.post(COMPLETIONS, ASK)["choices"][0]["text"]

    def connect(self):
        link = socket.create_connection((self.at.hostname, self.at.port), timeout=60)
        self.addCleanup(link.close)
        return link

    def read(self, file, head_only=False):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            self.assertTrue(line, "the connection ended within a head")
            head += line
        if head.startswith(b"HTTP/1.1 100 "):
            return self.read(file, head_only)
        answer = Answer(head[:-4], b"")
        if head_only:
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            while size := int(file.readline(), 16):
                answer.body += file.read(size)
                self.assertEqual(file.read(2), b"\r\n")
            file.readline()
        elif "content-length" in answer.headers:
            answer.body = file.read(int(answer.headers["content-length"]))
        else:
            answer.body = file.read()
        return answer

    def bytes_of(self, method, path, body=b"", version="1.1", more=(), key=KEY):
        lines = [f"{method} {path} HTTP/{version}", "Host: x", *more]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        if body is not None and not any(each.startswith("Transfer-Encoding") for each in more):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")

    def ask(self, *arguments, **more):
        link = self.connect()
        link.sendall(self.bytes_of(*arguments, **more))
        return self.read(link.makefile("rb"), head_only=arguments[0] == "HEAD")

    def error_of(self, answer, status):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json()["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        self.assertTrue(error["message"] and error["type"])
        return error

    # ---- addresses and keys

    def objection(self, *arguments):
        run = subprocess.run([os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], *arguments],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                             env={name: value for name, value in os.environ.items() if name != "ASHLAR_API_KEY"})
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        return run.stderr

    def test_a_public_address_wants_a_key(self):
        for host in ("0.0.0.0", "::", "192.0.2.1"):
            with self.subTest(host):
                said = self.objection("--host", host)
                self.assertIn(f"{host} can be reached from other machines: set --api-key KEY (or ASHLAR_API_KEY), or "
                              "say --insecure\n", said)
                for more in (("--insecure",), ("--api-key", "k")):  # then the next objection is another one
                    self.assertIn("--fabric is ofi, ofi:PROVIDER or window, not 'smoke'",
                                  self.objection("--host", host, *more, "--fabric", "smoke"))
        for host in ("127.0.0.1", "::1", "localhost"):
            self.assertIn("--fabric is", self.objection("--host", host, "--fabric", "smoke"))

    def test_the_help_says_where_it_listens(self):
        said = subprocess.run([os.environ["ASHLAR_SERVE"], "--help"], capture_output=True, text=True, timeout=60).stdout
        self.assertRegex(said, r"--host TEXT\W*127\.0\.0\.1\b")
        self.assertRegex(said, r"--port [\w:]+\W*8000\b")

    def test_a_taken_port_is_said_in_a_sentence(self):
        said = self.objection("--port", str(self.at.port))
        self.assertIn(f"cannot listen for clients: 127.0.0.1:{self.at.port}: Address already in use (choose another "
                      "with --host and --port)\n", said)

    def test_a_key_is_asked_for_where_it_matters(self):
        for method, path in (("GET", "/v1/models"), ("POST", COMPLETIONS), ("POST", "/v1/chat/completions"),
                             ("POST", "/tokenize"), ("POST", "/detokenize"), ("GET", "/tokenizer_info")):
            for key in (None, "wrong", KEY[:-1], KEY + "x", ""):
                with self.subTest((path, key)):
                    answer = self.ask(method, path, json.dumps(ASK).encode(), key=key)
                    self.assertEqual(self.error_of(answer, 401)["code"], "invalid_api_key")
                    self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        for path in ("/health", "/metrics", "/version"):
            self.assertEqual(self.ask("GET", path, key=None).status, 200)
        answer = self.ask("GET", "/v1/models", more=(f"Authorization: bearer {KEY}",), key=None)
        self.assertEqual(answer.status, 200, "a scheme's name has no case (RFC 9110, section 11.1)")

    # ---- methods, types, framing

    def test_methods(self):
        whole = self.ask("GET", "/v1/models")
        head = self.ask("HEAD", "/v1/models", body=None)
        self.assertEqual((head.status, head.headers["content-length"]), (200, str(len(whole.body))))
        for method, path, allow in (("OPTIONS", COMPLETIONS, "POST"), ("PUT", COMPLETIONS, "POST"),
                                    ("GET", COMPLETIONS, "POST"), ("POST", "/v1/models", "GET, HEAD"),
                                    ("BREW", "/health", "GET, HEAD")):
            with self.subTest((method, path)):
                answer = self.ask(method, path)
                self.assertEqual(self.error_of(answer, 405)["code"], "method_not_allowed")
                self.assertEqual(answer.headers["allow"], allow)
        self.assertEqual(self.ask("HEAD", COMPLETIONS, body=None).status, 405)
        self.error_of(self.ask("GET", "/" + "x" * 8000), 404)

    def test_the_body_is_json_whatever_its_type_says(self):
        body = json.dumps(ASK).encode()
        for more in ((), ("Content-Type: text/plain",), ("Content-Type: application/x-www-form-urlencoded",)):
            self.assertEqual(self.ask("POST", COMPLETIONS, body, more=more).json()["choices"][0]["text"], self.text)
        for wrong in (b"prompt=hello", b"--b\r\nContent-Disposition: form-data; name=prompt\r\n\r\nx\r\n--b--",
                      b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b'{"prompt": "\xff"}', b"\xef\xbb\xbf" + b"nonsense"):
            self.assertIn("not valid JSON", self.error_of(self.ask("POST", COMPLETIONS, wrong), 400)["message"])

    def test_a_body_in_chunks(self):
        body = json.dumps(ASK).encode()
        chunks = b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part)
                          for part in (body[:1], body[1:9], body[9:])) + b"0\r\nTrailer: x\r\n\r\n"
        answer = self.ask("POST", COMPLETIONS, chunks, more=("Transfer-Encoding: chunked",))
        self.assertEqual(answer.json()["choices"][0]["text"], self.text)

    def test_requests_in_a_pipeline_are_answered_in_order(self):
        stream = json.dumps({**ASK, "stream": True}).encode()
        link = self.connect()
        link.sendall(self.bytes_of("POST", COMPLETIONS, stream) + self.bytes_of("GET", "/nothing") +
                     self.bytes_of("POST", COMPLETIONS, b"{}") + self.bytes_of("GET", "/version") +
                     self.bytes_of("POST", COMPLETIONS, json.dumps(ASK).encode(), more=("Connection: close",)))
        file = link.makefile("rb")
        events = self.read(file)
        self.assertEqual(events.headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertTrue(events.body.endswith(b"data: [DONE]\n\n"))
        self.error_of(self.read(file), 404)
        self.assertEqual(self.error_of(self.read(file), 400)["param"], "prompt")
        self.assertIn("version", self.read(file).json())
        self.assertEqual(self.read(file).json()["choices"][0]["text"], self.text)
        self.assertEqual(file.read(), b"")

    def test_who_ends_what_it_sends_gets_all_its_answers(self):
        whole, stream = (json.dumps({**ASK, **more}).encode() for more in ({}, {"stream": True}))
        link = self.connect()
        link.sendall(self.bytes_of("POST", COMPLETIONS, whole) + self.bytes_of("GET", "/version") +
                     self.bytes_of("POST", COMPLETIONS, stream) + self.bytes_of("POST", COMPLETIONS, whole)[:-1])
        link.shutdown(socket.SHUT_WR)
        file = link.makefile("rb")
        self.assertEqual(self.read(file).json()["choices"][0]["text"], self.text)
        self.assertIn("version", self.read(file).json())
        self.assertTrue(self.read(file).body.endswith(b"data: [DONE]\n\n"))
        self.assertEqual(file.read(), b"")  # of the half request nothing

    def aborted(self):
        page = self.ask("GET", "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in page.splitlines()
                   if line.startswith("vllm:request_success") and 'finished_reason="abort"' in line)

    def test_who_leaves_has_its_request_cancelled_streamed_or_not(self):
        for more in ({}, {"stream": True}):
            with self.subTest(**more):
                before = self.aborted()
                link = self.connect()
                link.sendall(self.bytes_of("POST", COMPLETIONS, json.dumps(
                    {**ASK, **more, "max_tokens": 1500, "ignore_eos": True}).encode()))
                if more:
                    self.assertTrue(link.recv(1 << 16))
                else:
                    time.sleep(0.2)
                link.close()  # with nothing to read this is no reset but the end of what it sends, and no more
                end = time.monotonic() + PATIENCE_S
                while self.aborted() == before:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.05)

    def test_http_1_0_gets_its_stream_until_the_end_of_the_connection(self):
        answer = self.ask("POST", COMPLETIONS, json.dumps({**ASK, "stream": True}).encode(), version="1.0")
        self.assertNotIn("transfer-encoding", answer.headers)
        self.assertTrue(answer.body.endswith(b"data: [DONE]\n\n"))

    def test_heads_that_are_too_large(self):
        for more in ([f"X-{i}: y" for i in range(5000)], ["X: " + "y" * 100_000]):
            self.error_of(self.ask("GET", "/health", more=more), 431)

    def test_request_ids_come_back(self):
        self.assertEqual(self.ask("GET", "/health", more=("X-Request-Id: mine-7",)).headers["x-request-id"], "mine-7")
        odd = self.ask("GET", "/health", more=("X-Request-Id: " + "a b\t<" * 100,)).headers["x-request-id"]
        self.assertRegex(odd, r"^[!-~]{128}$")
        ids = {self.ask("GET", "/health").headers["x-request-id"] for _ in range(3)}
        self.assertEqual(len(ids), 3)

    # ---- pages

    def test_tokens_there_and_back(self):
        text = "Stone 1234,\tcafé 👩‍👩‍👧 <|im_start|>"
        said = self.ask("POST", "/tokenize", json.dumps({"prompt": text, "return_token_strs": True}).encode()).json()
        self.assertEqual(said["count"], len(said["tokens"]))
        self.assertEqual(said["count"], len(said["token_strs"]))
        back = self.ask("POST", "/detokenize", json.dumps({"tokens": said["tokens"]}).encode()).json()
        self.assertEqual(back["prompt"], text)
        for path, body, param in (("/tokenize", {}, "prompt"), ("/tokenize", {"prompt": 5}, "prompt"),
                                  ("/detokenize", {"tokens": [10**9]}, "tokens"), ("/detokenize", {}, "tokens")):
            self.assertEqual(self.error_of(self.ask("POST", path, json.dumps(body).encode()), 400)["param"], param)

    def test_what_a_tokenizer_s_client_must_know(self):
        said = self.ask("GET", "/tokenizer_info").json()
        self.assertEqual(said["eos_token"], "<|im_end|>")
        self.assertIn("<|im_start|>", said["chat_template"])
        ids = self.ask("POST", "/tokenize", json.dumps({"prompt": said["eos_token"],
                                                        "add_special_tokens": False}).encode()).json()["tokens"]
        self.assertEqual(len(ids), 1)

    def test_the_models_page(self):
        listed = self.ask("GET", "/v1/models").json()
        self.assertEqual(listed["object"], "list")
        model = listed["data"][0]
        self.assertEqual((model["object"], model["max_model_len"]), ("model", 4096))
        self.assertEqual(self.ask("GET", "/v1/models/" + model["id"]).json(), model)
        self.assertEqual(self.error_of(self.ask("GET", "/v1/models/other"), 404)["code"], "model_not_found")
        wrong = self.ask("POST", COMPLETIONS, json.dumps({**ASK, "model": "other"}).encode())
        self.assertEqual(self.error_of(wrong, 404)["param"], "model")

    def test_the_metrics_page_has_vllms_names_and_ours(self):
        page = self.ask("GET", "/metrics").body.decode()
        kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", page, re.MULTILINE))
        for kind, names in {
                "gauge": ("vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc "
                          "vllm:cache_config_info ashlar_kv_blocks_total ashlar_kv_blocks_free "
                          "ashlar_kv_blocks_quarantined ashlar_kv_blocks_leased"),
                "counter": ("vllm:prefix_cache_queries_total vllm:prefix_cache_hits_total vllm:num_preemptions_total "
                            "vllm:prompt_tokens_total vllm:generation_tokens_total vllm:request_success_total "
                            "ashlar_kv_bytes_sent_total ashlar_kv_bytes_received_total ashlar_kv_transfers_total "
                            "ashlar_kv_transfers_failed_total ashlar_kv_checksum_failures_total "
                            "ashlar_kv_tickets_refused_total ashlar_kv_epoch_mismatches_total"),
                "histogram": ("vllm:time_to_first_token_seconds vllm:inter_token_latency_seconds "
                              "vllm:e2e_request_latency_seconds vllm:request_queue_time_seconds "
                              "vllm:request_inference_time_seconds vllm:request_prefill_time_seconds "
                              "vllm:request_decode_time_seconds vllm:request_prompt_tokens "
                              "vllm:request_generation_tokens vllm:request_params_n vllm:request_params_max_tokens "
                              "vllm:request_max_num_generation_tokens vllm:iteration_tokens_total "
                              "ashlar_kv_transfer_exposed_seconds")}.items():
            for name in names.split():
                self.assertEqual(kinds.get(name), kind, name)
        self.assertNotIn(ASK["prompt"], page)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
