#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A full queue is 429 at once, with the time after which to come back, and costs those that run nothing. An answer that
takes too long ends in an error. SIGTERM lets running answers finish, refuses new ones, and ends within its bound
whatever clients do."""
import concurrent.futures
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import unittest
import urllib.parse

from server import PATIENCE_S, Refused, Server

CHAT = "/v1/chat/completions"
DRAIN_S = 3
END_S = 3  # after the last answer: two for its last bytes, half of one for the engines, the rest for processes' ends


def question(k, tokens):
    return {"messages": [{"role": "user", "content": f"Tell me {k} things about stone."}], "temperature": 0,
            "max_tokens": tokens, "ignore_eos": True}


def text_of(events):
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def answer_of(server, k):
    return server.post(CHAT, question(k, 200))["choices"][0]["message"]["content"]


class FullQueue(unittest.TestCase):
    def test_a_full_queue_is_429_and_those_that_run_finish(self):
        # One request holds a place on the engines, one waits, any other is one too many.
        with Server("--pool-mib", "64", "--sequences", "1", "--queue-limit", "1") as server:
            expected = [answer_of(server, k) for k in range(2)]
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                running = pool.submit(lambda: text_of(server.stream(CHAT, question(0, 200))))
                server.wait_for(lambda: server.metrics()["vllm:num_requests_running", "0"] == 1, "one runs")
                waiting = pool.submit(lambda: text_of(server.stream(CHAT, question(1, 200))))
                server.wait_for(lambda: server.metrics()["vllm:num_requests_waiting", "0"] == 1, "one waits")
                for body in (question(2, 4), {**question(2, 4), "stream": True}):
                    answer = server.open("POST", CHAT, body)
                    error = json.loads(answer.read())["error"]
                    self.assertEqual(answer.status, 429)
                    self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
                    self.assertEqual((error["type"], error["code"], error["param"]),
                                     ("rate_limit_error", "overloaded", None))
                    self.assertTrue(error["message"])
                self.assertFalse(running.done(), "the refusals came while the queue was full")
                self.assertEqual([running.result(), waiting.result()], expected)
            server.wait_all_free()
            self.assertEqual(answer_of(server, 0), expected[0])

    def test_a_group_that_can_never_be_let_in_is_400_not_429(self):
        with Server("--pool-mib", "64", "--queue-limit", "3") as server:
            for more, param in (({"n": 4}, "n"), ({"prompt": ["a", "b", "c", "d"]}, "prompt")):
                with self.assertRaises(Refused) as caught:
                    server.post("/v1/completions", {"prompt": "a", "max_tokens": 1, **more})
                self.assertEqual((caught.exception.status, caught.exception.error["param"]), (400, param))
            answer = server.post("/v1/completions", {"prompt": "a", "n": 3, "max_tokens": 1})
            self.assertEqual(len(answer["choices"]), 3)
            server.wait_all_free()


class Deadline(unittest.TestCase):
    def test_an_answer_that_takes_too_long_is_504_or_ends_in_an_error_event(self):
        with Server("--pool-mib", "128", "--timeout", "2") as server:
            with self.assertRaises(Refused) as caught:
                server.post(CHAT, question(0, 3000))
            self.assertEqual((caught.exception.status, caught.exception.error["code"]), (504, "timed_out"))
            answer = server.open("POST", CHAT, {**question(0, 3000), "stream": True})
            self.assertEqual(answer.status, 200)
            with self.assertRaises(http.client.IncompleteRead) as cut:  # the connection ends before its last chunk
                answer.read()
            events = cut.exception.partial.decode().strip().split("\n\n")
            self.assertGreater(len(events), 1)
            self.assertEqual(json.loads(events[-1].removeprefix("data: "))["error"]["code"], "timed_out")
            self.assertNotIn("[DONE]", events[-1] + events[-2])
            server.wait_all_free()


class Memory(unittest.TestCase):
    def test_a_router_that_runs_out_of_memory_is_started_again(self):
        with Server("--pool-mib", "64") as server:
            router, = set(server.pids()[1:]) - set(server.engines().values())
            with open(f"/proc/{router}/statm", encoding="ascii") as statm:
                room = int(statm.read().split()[0]) * resource.getpagesize() + (64 << 20)
            resource.prlimit(router, resource.RLIMIT_AS, (room, room))
            at = urllib.parse.urlsplit(server.url)
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n".encode()
            links = []
            while router in server.pids() and len(links) < 60:
                links.append(socket.create_connection((at.hostname, at.port), timeout=2))
                try:
                    links[-1].sendall(head + b" " * 7_900_000)
                except OSError:
                    pass  # it is gone, or has no room for this one
            for link in links:
                link.close()
            server.wait_for(lambda: router not in server.pids() and server.get("/health")[0] == 200, "another serves")
            answer_of(server, 0)


class Log(unittest.TestCase):
    def test_the_server_outlives_whoever_read_its_log(self):
        reader, writer = os.pipe()
        process = subprocess.Popen([os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], "--port", "0",
                                    "--pool-mib", "64"], stdout=subprocess.PIPE, stderr=writer, start_new_session=True)
        os.close(writer)
        try:
            at = urllib.parse.urlsplit(re.search(r"http://\S+", process.stdout.readline().decode())[0])
            os.close(reader)
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
                before = children.read().split()
            os.kill(int(before[-1]), signal.SIGKILL)  # the supervisor and the router say so

            def reborn():
                with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
                    now = children.read().split()
                if now == before or len(now) < len(before):
                    return False
                connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            end = time.monotonic() + PATIENCE_S
            while not reborn():
                self.assertIsNone(process.poll())
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)
        finally:
            process.terminate()
            status = process.wait(60)
            process.stdout.close()
        self.assertEqual(status, 0)


class Clients(unittest.TestCase):
    """Those that send too slowly, too much, or come too many at a time."""
    CONNECTIONS, PATIENCE_S = 12, 2

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--pool-mib", "64", "--connections", str(cls.CONNECTIONS), "--client-timeout",
                            str(cls.PATIENCE_S))
        cls.addClassCleanup(cls.server.__exit__, None, None, None)
        at = urllib.parse.urlsplit(cls.server.url)
        cls.address, body = (at.hostname, at.port), json.dumps(question(0, 4)).encode()
        cls.head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        cls.whole = cls.head + body
        cls.expected = answer_of(cls.server, 0)

    def tearDown(self):
        self.assertEqual(answer_of(self.server, 0), self.expected)
        self.server.wait_all_free()

    def connect(self, data=b""):
        link = socket.create_connection(self.address, timeout=60)
        self.addCleanup(link.close)
        link.sendall(data)
        return link

    def refusal(self, link):
        """(status, head) of a whole refusal, after which the connection ends."""
        answer = b""
        try:
            while part := link.recv(65536):
                answer += part
        except ConnectionResetError:  # what was sent and not read
            pass
        head, _, body = answer.partition(b"\r\n\r\n")
        error = json.loads(body)["error"]
        self.assertTrue(error["message"] and error["type"], error)
        return int(head.split()[1]), head.lower()

    def test_who_sends_slowly_has_so_long_in_all_and_holds_nobody_up(self):
        sent, began = len(self.head) - 30, time.monotonic()
        silent = [self.connect(self.whole[:end]) for end in (1, 20, len(self.head), len(self.whole) - 1)]
        trickle = self.connect(self.whole[:sent])
        trickle.setblocking(False)
        answer = b""
        while not answer:  # one byte at a time, which is no reason to wait longer
            self.assertLess(time.monotonic() - began, 60)
            trickle.sendall(self.whole[sent:sent + 1])
            sent += 1
            self.assertTrue(self.server.get("/metrics"))
            time.sleep(0.05)
            try:
                answer = trickle.recv(65536)
            except BlockingIOError:
                pass
        self.assertEqual(int(answer.split()[1]), 408, answer)
        self.assertGreater(time.monotonic() - began, 0.9 * self.PATIENCE_S)
        for link in silent:
            status, head = self.refusal(link)
            self.assertEqual(status, 408)
            self.assertIn(b"connection: close", head)

    def test_connections_have_a_limit_and_come_back(self):
        slow = [self.connect(self.whole[:10]) for _ in range(self.CONNECTIONS)]
        self.server.wait_for(lambda: self.refused_now(), "the limit is reached")
        for link in slow:
            self.assertEqual(self.refusal(link)[0], 408)
            link.close()
        self.server.wait_for(lambda: not self.refused_now(), "there is room again")

    def refused_now(self):
        link = self.connect()
        link.settimeout(0.3)
        try:
            status, head = self.refusal(link)
        except TimeoutError:  # it may speak
            return False
        finally:
            link.close()
        self.assertEqual(status, 503)
        self.assertIn(b"retry-after:", head)
        return True

    def test_connections_that_nobody_uses_keep_nobody_out(self):
        unused = [self.connect() for _ in range(2 * self.CONNECTIONS)]
        self.assertEqual(answer_of(self.server, 0), self.expected)
        ended = 0
        for link in unused:
            link.setblocking(False)
            try:
                ended += link.recv(1) == b""
            except BlockingIOError:
                pass
        self.assertGreater(ended, self.CONNECTIONS)

    def test_heads_and_bodies_have_limits(self):
        post = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n".encode()
        for what, data, expected in (
                ("one long line", post + b"a: " + b"b" * (16 << 10) + b"\r\n\r\n", 431),
                ("many lines", post + b"a: b\r\n" * 4000 + b"\r\n", 431),
                ("a long path", b"GET /" + b"a" * (16 << 10) + b" HTTP/1.1\r\n\r\n", 431),
                ("an announced length", post + b"Content-Length: %d\r\n\r\n" % ((8 << 20) + 1), 413),
                ("chunks", post + b"Transfer-Encoding: chunked\r\n\r\n" +
                 (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 9, 413)):
            with self.subTest(what):
                link = socket.create_connection(self.address, timeout=60)
                self.addCleanup(link.close)
                try:
                    link.sendall(data)
                except ConnectionError:  # it does not read to the end
                    pass
                self.assertEqual(self.refusal(link)[0], expected)


class Drain(unittest.TestCase):
    def ended(self, server, began, bound):
        status = server.process.wait(bound + 10)
        took = time.monotonic() - began
        print(f"ended {took:.2f} s after SIGTERM, bound {bound} s", flush=True)
        self.assertEqual(status, 0, server.log()[-2000:])
        self.assertLess(took, bound)
        self.assertNotIn("the router is gone", server.log(), "engines are told to go, not left behind")

    def test_running_answers_finish_and_new_ones_are_503(self):
        with Server("--pool-mib", "64", "--drain", "60") as server:
            expected = answer_of(server, 0)
            at = urllib.parse.urlsplit(server.url)
            kept = http.client.HTTPConnection(at.hostname, at.port, timeout=60)  # a connection from before
            kept.request("GET", "/health")
            self.assertEqual(kept.getresponse().read(), b'{"status":"ok"}')
            stream = server.stream(CHAT, question(0, 200))
            text = text_of([next(stream)])
            server.process.send_signal(signal.SIGTERM)
            server.wait_for(lambda: server.get("/health")[0] == 503, "it says that it drains")
            kept.request("POST", CHAT, json.dumps(question(1, 4)), {"Content-Type": "application/json"})
            answer = kept.getresponse()
            self.assertEqual(answer.status, 503)
            self.assertEqual(json.loads(answer.read())["error"]["code"], "shutting_down")
            self.assertEqual(answer.headers["Connection"], "close")
            with self.assertRaises(Refused) as caught:  # and a new connection
                answer_of(server, 1)
            self.assertEqual((caught.exception.status, caught.exception.error["code"]), (503, "shutting_down"))
            self.assertEqual(text + text_of(stream), expected)
            self.ended(server, time.monotonic(), END_S)

    def test_answers_that_take_too_long_get_an_error_and_the_bound_holds(self):
        with Server("--pool-mib", "128", "--drain", str(DRAIN_S)) as server:
            stream = server.stream(CHAT, question(0, 3000))
            next(stream)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            with self.assertRaises(Refused) as caught:
                text_of(stream)
            self.assertEqual(caught.exception.error["code"], "shutting_down")
            self.ended(server, began, DRAIN_S + END_S)

    def test_who_waits_for_a_grammar_is_told_that_the_server_goes(self):
        def slow(k):  # some tenths of a second each, and refused then
            return "root ::= " + " ".join(f'("a{k}" | "b" [a-z]{{0,20}} "{i}" | [0-9a-f]{{1,12}})' for i in range(700))

        with Server("--pool-mib", "64", "--drain", "60") as server:
            at = urllib.parse.urlsplit(server.url)
            asked = [http.client.HTTPConnection(at.hostname, at.port, timeout=60) for _ in range(12)]
            for k, each in enumerate(asked):
                each.request("POST", "/v1/completions", json.dumps(
                    {"prompt": "x", "max_tokens": 2, "grammar": slow(k)}), {"Content-Type": "application/json"})
            server.wait_for(lambda: server.get("/health")[0] == 200, "it has heard all")
            server.process.send_signal(signal.SIGTERM)
            codes = []
            for each in asked:
                answer = each.getresponse()
                codes.append((answer.status, json.loads(answer.read())["error"]["code"]))
                each.close()
            self.assertLessEqual(set(codes), {(503, "shutting_down"), (400, "unsupported_grammar")})
            self.assertEqual(codes[-1], (503, "shutting_down"))
            self.ended(server, time.monotonic(), END_S)

    def test_a_signal_to_all_its_processes_is_one_signal(self):
        # So do a terminal at Ctrl-C, and systemd.
        with Server("--pool-mib", "64", "--drain", "60") as server:
            expected = answer_of(server, 0)
            stream = server.stream(CHAT, question(0, 200))
            text = text_of([next(stream)])
            for number in (signal.SIGHUP, signal.SIGINT):  # the first, of a terminal that closes, is nothing
                for pid in server.pids():
                    os.kill(pid, number)
            self.assertEqual(text + text_of(stream), expected)
            self.ended(server, time.monotonic(), END_S)

    def test_clients_that_hang_do_not_hold_it_up(self):
        with Server("--pool-mib", "128", "--drain", str(DRAIN_S)) as server:
            at = urllib.parse.urlsplit(server.url)
            body = json.dumps({**question(0, 3000), "stream": True, "logprobs": True, "top_logprobs": 20}).encode()
            whole = (f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
            stuck = []
            for sent in (whole, whole[:30], whole[:-5], b""):  # reads nothing; half a head; half a body; silent
                link = socket.socket()
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                link.connect((at.hostname, at.port))
                link.sendall(sent)
                stuck.append(link)
            server.wait_for(lambda: server.metrics()["vllm:num_requests_running", "0"] == 1, "one runs")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.ended(server, began, DRAIN_S + END_S)
            for link in stuck:
                link.close()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
