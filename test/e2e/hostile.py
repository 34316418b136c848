#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good: bytes that are no HTTP, JSON that is none, lies about lengths, limits overstepped, ends at
every state. Each gets a typed error or a closed connection; afterwards the server is alive and holds nothing."""
import json
import random
import socket
import struct
import time
import unittest
import urllib.parse

from server import Server

CHAT = "/v1/chat/completions"
GOOD = {"messages": [{"role": "user", "content": "Hello there, who are you and what do you do all day long?"}],
        "temperature": 0, "max_tokens": 300, "ignore_eos": True, "stream": True}


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "64", "--timeout", "60")
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        cls.at = urllib.parse.urlsplit(cls.server.url)
        cls.born = dict(cls.server.engines())
        cls.expected = cls.server.chat("Name a stone.", max_tokens=12)["choices"][0]["message"]["content"]

    def tearDown(self):
        """Alive, the same processes, the same answer, nothing held."""
        self.assertEqual(self.server.chat("Name a stone.", max_tokens=12)["choices"][0]["message"]["content"],
                         self.expected)
        self.assertEqual(self.server.engines(), self.born)
        self.server.wait_all_free()

    def raw(self, data, timeout=30):
        """Sends bytes as they are; returns all that comes back."""
        with socket.create_connection((self.at.hostname, self.at.port), timeout=timeout) as link:
            link.sendall(data)
            answer = b""
            try:
                while part := link.recv(65536):
                    answer += part
                    head, _, body = answer.partition(b"\r\n\r\n")
                    for line in head.split(b"\r\n"):
                        if line.lower().startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                            return answer
            except ConnectionResetError:
                pass
            return answer

    def request(self, path, body, more=""):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}"
                f"Content-Length: {len(data)}\r\n\r\n").encode() + data

    def refused(self, data, statuses):
        answer = self.raw(data)
        status = int(answer.split()[1])
        self.assertIn(status, statuses, answer[:300])
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        self.assertTrue(error["message"] and error["type"])
        return error

    def test_what_is_no_http(self):
        noise = random.Random(7)
        post = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n"
        for data in (b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01", b"POST " + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
                     post + b"Content-Length: -5\r\n\r\n",
                     post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
                     post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", noise.randbytes(5000) + b"\r\n\r\n"):
            with self.subTest(data[:40]):
                with socket.create_connection((self.at.hostname, self.at.port), timeout=30) as link:
                    try:
                        link.sendall(data)
                        link.shutdown(socket.SHUT_WR)
                        answer = link.recv(65536)
                    except (ConnectionResetError, BrokenPipeError):
                        answer = b""
                self.assertTrue(answer == b"" or int(answer.split()[1]) >= 400, answer[:200])

    def test_bodies_that_are_too_long_are_refused_unread(self):
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n".encode()
        self.refused(head, (400, 413))

    def test_json_that_is_none(self):
        whole = json.dumps({**GOOD, "stream": False}).encode()
        for body in (b"", b"{", whole[:-1], whole[:20], b"null", b"[]", b'"text"', b"{'a': 1}", b'{"messages": NaN}',
                     b"\xff\xfe\x00", b'{"prompt": "\xc3\x28"}', b'{"messages":[{"role":"user","content":"\\ud800"}]}',
                     b"[" * 100_000, b'{"a":' * 50_000, b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"):
            with self.subTest(body[:40]):
                self.refused(self.request(CHAT, body), (400, 413))

    def test_numbers_beyond_reason(self):
        short = {**GOOD, "stream": False}
        for field, value in {"n": 10**9, "max_tokens": 2**40, "temperature": 1e308, "top_k": -99, "seed": 2**70,
                             "top_logprobs": 10**6, "stop": ["x" * 10**6], "min_tokens": 10**9}.items():
            with self.subTest(field):
                error = self.refused(self.request(CHAT, {**short, field: value}), (400,))
                self.assertTrue(error["param"])
        for prompt in ([10**9], [-1], [[]], [], [[1], "a"], [1.5], {"a": 1}, "x " * 20_000, [[1]] * 10_000):
            with self.subTest(str(prompt)[:30]):
                self.refused(self.request("/v1/completions", {"prompt": prompt}), (400,))

    def test_paths_and_methods_that_are_not_there(self):
        for line, status in (("GET /v1/nothing", 404), ("GET " + CHAT, 405), ("DELETE /v1/models", 405),
                             ("GET /../../etc/passwd", 404), ("GET /%00", 404)):
            with self.subTest(line):
                self.refused(f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), (status, 400))

    def test_clients_that_leave_at_every_state(self):
        data = self.request(CHAT, GOOD)
        for sent in (1, 20, data.index(b"\r\n\r\n"), len(data) - 10):  # in the head, in the body
            with socket.create_connection((self.at.hostname, self.at.port)) as link:
                link.sendall(data[:sent])
        long = {**GOOD, "messages": [{"role": "user", "content": "stone " * 1500}]}
        for wait in (0, 0.01, 0.05, 0.2, 0.6, 1.2):  # waiting, in prefill, in the transfer, in decode
            for body in (GOOD, long):
                link = socket.create_connection((self.at.hostname, self.at.port))
                link.sendall(self.request(CHAT, body))
                time.sleep(wait)
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
                link.close()

    def test_a_client_that_does_not_read_holds_nobody_up(self):
        link = socket.create_connection((self.at.hostname, self.at.port))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        link.sendall(self.request(CHAT, {**GOOD, "logprobs": True, "top_logprobs": 20}))
        began = time.monotonic()
        self.server.chat("Name a stone.", max_tokens=12)
        self.assertLess(time.monotonic() - began, 30)
        link.close()

    def test_more_requests_than_the_queue_takes(self):
        with Server("--pool-mib", "64", "--request-limit", "4", "--queue-limit", "2") as small:
            links = []
            at = urllib.parse.urlsplit(small.url)
            for _ in range(12):
                link = socket.create_connection((at.hostname, at.port), timeout=60)
                link.sendall(self.request(CHAT, {**GOOD, "max_tokens": 64}))
                links.append(link)
            heads = [link.recv(4096) for link in links]
            statuses = [int(head.split()[1]) for head in heads]
            self.assertIn(200, statuses)
            self.assertIn(429, statuses)
            for head, status in zip(heads, statuses):
                self.assertIn(status, (200, 429))
                if status == 429:
                    self.assertIn(b"retry-after:", head.lower())
            for link in links:
                link.close()
            small.wait_all_free()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
