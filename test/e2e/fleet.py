#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A fleet: router, prefill and decode engines as programs that nobody supervises, which find each other by a peers file
over TCP and prove that they belong together by a key file. Here they share the loopback of one machine."""
import concurrent.futures
import functools
import os
import pathlib
import re
import secrets
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from server import ENVIRONMENT, HEARTBEAT_S, PATIENCE_S, Refused, Server

WIRE = pathlib.Path(__file__).resolve().parents[2] / "examples/serve/wire.hpp"
PROTOCOL = int(re.search(r"constexpr std::uint32_t version = (\d+);", WIRE.read_text(encoding="utf-8"))[1])

API_KEY = "sk-" + secrets.token_hex(8)
QUESTIONS = [f"Say {k} words about stone. " + "Think well before you speak. " * 12 for k in range(6)]


class Fleet(Server):
    """Named processes instead of a supervisor and its children."""

    # What silence does is tested elsewhere; here up to four engines share one machine's processors.
    # `hosts`: role -> address, of those that are not on the loopback; `under`: name -> words before the command's.
    def __init__(self, folder, *arguments, engines=("prefill", "decode"), start=True, heartbeat_s=8 * HEARTBEAT_S,
                 hosts=None, under=None):
        # pylint: disable=super-init-not-called
        self.folder, self.arguments, self.key, self.url = folder, arguments, API_KEY, None
        self.heartbeat_s, self.under = heartbeat_s, under or {}
        host = {"router": "127.0.0.1", "prefill": "127.0.0.1", "decode": "127.0.0.1", **(hosts or {})}
        self.peers, self.key_file = folder + "/peers", folder + "/key"
        control, self.port = free_port(), free_port()  # the next router listens where this one did
        with open(self.peers, "w", encoding="ascii") as peers:
            peers.write(f"router {host['router']}:{control}  # where engines find it\n")
            peers.writelines(f"{role} {host[role]}\n" for role in (name.split("-")[0] for name in engines))
        self.secret = secrets.token_hex(16)
        write_key(self.key_file, self.secret)
        self.processes, self.files, self.written = {}, {}, ""
        if start:
            try:
                for name in ("router", *engines):
                    self.start(name)
                self.wait_ready()
            except BaseException:
                print(self.log()[-6000:])
                self.__exit__(None, None, None)
                raise

    def start(self, name, *more, key_file=None):
        role = name.split("-")[0]
        out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.files.setdefault(name, []).append((out, err))
        client_side = ("--port", str(self.port)) if role == "router" else ()
        self.processes[name] = subprocess.Popen(
            [*self.under.get(name, ()), os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], "--role",
             role, "--peers", self.peers, "--fleet-key-file", key_file or self.key_file, "--pool-mib", "64",
             "--threads", "1", "--heartbeat-ms", str(int(1000 * self.heartbeat_s)), *client_side, *self.arguments,
             *more], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**ENVIRONMENT, "ASHLAR_API_KEY": API_KEY})
        return self.processes[name]

    @property
    def process(self):
        return self.processes["router"]

    def wait_ready(self):
        self.out = self.files["router"][-1][0]
        self.wait_for(self.look_for_url, "the fleet is ready")

    def log_of(self, name):
        return "".join(self.text_of(err) for _, err in self.files.get(name, []))

    def log(self):
        return self.log_of("router")

    def everything(self):
        return "".join(self.text_of(file) for files in self.files.values() for pair in files for file in pair)

    def pids(self):
        return [process.pid for process in self.processes.values()]

    def kill(self, role, number=signal.SIGKILL):
        process, when = self.processes[role], time.monotonic()
        process.send_signal(number)
        process.wait(30)
        return process.pid, when

    def restart(self, name):
        before = self.log().count("is up")
        self.start(name)
        self.wait_for(lambda: self.log().count("is up") > before and self.get("/health")[0] == 200, f"{name} is back")

    def __exit__(self, kind, value, trace):
        if kind:
            for name in self.files:
                print(f"---- {name}\n{self.log_of(name)[-3000:]}")
        ends = {}
        for name, process in self.processes.items():
            if process.poll() is None:
                process.terminate()
                try:
                    ends[name] = process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    ends[name] = process.wait()
        if not kind:
            assert all(status == 0 for status in ends.values()), f"after SIGTERM they ended with {ends}"

    def say(self, k):
        return self.chat(QUESTIONS[k], max_tokens=24)["choices"][0]["message"]["content"]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_key(path, digits, mode=0o600):
    with open(path, "w", encoding="ascii") as file:
        file.write(digits + "\n")
    os.chmod(path, mode)


@functools.cache
def expected():
    """What the supervised processes of one machine answer."""
    with Server("--pool-mib", "64") as server:
        return [server.chat(question, max_tokens=24)["choices"][0]["message"]["content"] for question in QUESTIONS]


class FleetTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def answers(self, fleet):
        with concurrent.futures.ThreadPoolExecutor(len(QUESTIONS)) as pool:
            return list(pool.map(fleet.say, range(len(QUESTIONS))))

    def tells_no_secret(self, fleet):
        text = fleet.everything().lower()
        for secret in (fleet.secret, fleet.secret[:16], fleet.secret[16:], API_KEY, QUESTIONS[0][:24],
                       expected()[0][:24]):
            self.assertNotIn(secret.lower(), text)
        for process in fleet.processes.values():
            if process.poll() is None:
                with open(f"/proc/{process.pid}/cmdline", "rb") as words:
                    line = words.read().decode()
                self.assertNotIn(fleet.secret, line)
                self.assertNotIn(API_KEY, line)

    def live_and_die(self, *arguments):
        with Fleet(self.folder, *arguments) as fleet:
            self.assertEqual(self.answers(fleet), expected())
            for name in ("prefill", "decode"):
                self.wave_of_death(fleet, name)
            dead, _ = fleet.kill("router")  # engines drop what they did and find the next one
            fleet.start("router")
            fleet.wait_ready()
            self.assertNotEqual(fleet.process.pid, dead)
            self.assertEqual(self.answers(fleet), expected())
            fleet.wait_all_free()
            self.tells_no_secret(fleet)

    def wave_of_death(self, fleet, name):
        """kill -9 under load: full answers or typed errors, none once it is back; no page stays lost."""
        with concurrent.futures.ThreadPoolExecutor(len(QUESTIONS)) as pool:
            clients = [pool.submit(fleet.say, k) for k in range(len(QUESTIONS))]
            fleet.wait_for(lambda: fleet.metrics()["vllm:num_requests_running", "0"] >= 3, "some run")
            fleet.kill(name)
            full = 0
            for k, client in enumerate(clients):
                try:
                    self.assertEqual(client.result(60), expected()[k])
                    full += 1
                except Refused as why:
                    self.assertEqual(why.status, 503)
                    self.assertIn(why.error["code"], ("engine_down", "unavailable"))
        print(f"{name} killed: {full} full answers of {len(clients)}", flush=True)
        self.assertEqual(fleet.get("/health")[0], 503)
        fleet.restart(name)
        self.assertEqual(self.answers(fleet), expected())
        fleet.wait_all_free(30)

    def test_over_libfabric(self):
        self.live_and_die("--fabric", "ofi")

    def test_over_shared_memory(self):  # processes of one user on one machine
        self.live_and_die("--fabric", "window")

    def test_two_engines_of_each_role(self):
        with Fleet(self.folder, engines=("prefill", "decode", "prefill-2", "decode-2")) as fleet:
            self.assertEqual(self.answers(fleet), expected())
            said = fleet.metrics()
            for name in ("prefill", "decode", "prefill-2", "decode-2"):
                self.assertGreater(said["ashlar_engine_batches_total", name], 0, f"{name} has done its share")
            with concurrent.futures.ThreadPoolExecutor(len(QUESTIONS)) as pool:
                clients = [pool.submit(fleet.say, k) for k in range(len(QUESTIONS))]
                fleet.wait_for(lambda: fleet.metrics()["vllm:num_requests_running", "0"] >= 4, "some run")
                fleet.kill("decode-2")
                # What ran there goes on at the other one: nobody notices.
                self.assertEqual([client.result(PATIENCE_S) for client in clients], expected())
            fleet.restart("decode-2")
            fleet.kill("prefill")
            self.assertEqual(self.answers(fleet), expected())
            fleet.restart("prefill")
            fleet.wait_all_free(30)
            self.tells_no_secret(fleet)

    def test_a_router_that_is_asked_to_end_leaves_the_engines_to_the_next(self):
        with Fleet(self.folder) as fleet:
            self.assertEqual(fleet.stop(), 0)
            fleet.start("router")
            fleet.wait_ready()
            self.assertEqual(self.answers(fleet), expected())

    # ---- keys

    def refusal(self, role, *arguments):
        command = [os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], "--role", role, *arguments]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 2, run.stderr)
        return run.stderr

    def test_without_a_sound_key_file_no_process_starts(self):
        fleet = Fleet(self.folder, start=False)
        for role in ("router", "prefill", "decode"):
            with self.subTest(role):
                said = self.refusal(role, "--peers", fleet.peers)
                self.assertIn(f"--role {role} needs --fleet-key-file FILE (make it with: openssl rand -hex 16 > FILE; "
                              "chmod 600 FILE)\n", said)
                self.assertIn(f"--role {role} needs --peers FILE, with the lines 'router HOST:PORT', 'prefill HOST', "
                              "'decode HOST'\n", self.refusal(role))
                bad = self.folder + "/bad"
                self.assertIn(f"cannot read the fleet key {bad}-none: No such file or directory\n",
                              self.refusal(role, "--peers", fleet.peers, "--fleet-key-file", bad + "-none"))
                write_key(bad, fleet.secret, 0o644)
                self.assertIn(f"others can read the fleet key {bad}; run: chmod 600 {bad}\n",
                              self.refusal(role, "--peers", fleet.peers, "--fleet-key-file", bad))
                write_key(bad, fleet.secret[:-1])
                said = self.refusal(role, "--peers", fleet.peers, "--fleet-key-file", bad)
                self.assertIn(f"{bad} must hold 32 hexadecimal digits; make one with: openssl rand -hex 16 > {bad}\n",
                              said)
                self.assertNotIn(fleet.secret[:-1], said)
                os.remove(bad)

    def test_a_stranger_is_not_let_in(self):
        with Fleet(self.folder) as fleet:
            other = self.folder + "/other"
            write_key(other, secrets.token_hex(16))
            stranger = fleet.start("prefill-2", key_file=other)
            fleet.wait_for(lambda: "an engine does not hold this fleet's key; closing its connection\n" in fleet.log(),
                           "the router refuses it")
            fleet.wait_for(lambda: "the router does not let this engine in" in fleet.log_of("prefill-2"), "it says so")
            time.sleep(1.5)
            self.assertLess(fleet.log().count("does not hold"), 12, "it asks less and less often")
            self.assertEqual(fleet.log_of("prefill-2").count("does not let"), 1, "and says so once")
            self.assertIsNone(stranger.poll())
            self.assertEqual(set(fleet.engines()), {"prefill", "decode"})
            self.assertEqual(self.answers(fleet), expected())  # the fleet does not mind
            self.tells_no_secret(fleet)

    def test_an_engine_obeys_no_router_that_cannot_prove_itself(self):
        fleet = Fleet(self.folder, start=False)
        with open(fleet.peers, encoding="ascii") as peers:
            port = int(peers.readline().split()[1].split(":")[1])
        with fleet, socket.create_server(("127.0.0.1", port)) as impostor:
            impostor.settimeout(PATIENCE_S)
            engine = fleet.start("decode")
            welcome, wrong_proof = b"\x02" + struct.pack("<II", 1, 250), b"\x01" + bytes(16)
            for frame in (welcome, wrong_proof, b"\x08"):  # the last one: shut down
                link, _ = impostor.accept()
                with link:
                    challenge = b"\x00" + struct.pack("<I", PROTOCOL) + bytes(16)
                    link.sendall(struct.pack("<I", len(challenge)) + challenge)
                    self.assertEqual(len(link.recv(4 + 1 + 32, socket.MSG_WAITALL)), 37)  # its proof and challenge
                    link.sendall(struct.pack("<I", len(frame)) + frame)
                    try:
                        self.assertEqual(link.recv(1), b"", "the engine hangs up")
                    except ConnectionResetError:
                        pass
            self.assertIn("the router does not hold this fleet's key; hanging up\n", fleet.log_of("decode"))
            self.assertIsNone(engine.poll())

    def test_bytes_at_the_control_port_are_nobody(self):
        with Fleet(self.folder) as fleet, open(fleet.peers, encoding="ascii") as peers:
            port = int(peers.readline().split()[1].split(":")[1])
            for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, os.urandom(4096), b"\x00" * 64):
                with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
                    link.sendall(data)
                    link.shutdown(socket.SHUT_WR)
                    while link.recv(4096):
                        pass
            self.assertEqual(fleet.say(0), expected()[0])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
