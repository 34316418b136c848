# SPDX-License-Identifier: Apache-2.0
"""A server under test: started on a free port of the loopback, asked over plain HTTP, stopped with all its processes.

    with Server("--fabric", "window") as server:
        text = server.chat("Say hello.")["choices"][0]["message"]["content"]
        server.kill("decode")

Programs and files come from the environment: ASHLAR_SERVE (the program), ASHLAR_MODEL (a GGUF file), ASHLAR_REPLAY.
Only processes that were started here are ever signalled, each by its pid. Python's standard library only.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

# The server's default. A build with sanitizers may need longer for one layer, after which an engine speaks again.
HEARTBEAT_S = int(os.environ.get("ASHLAR_HEARTBEAT_MS", "250")) / 1000
# libfabric keeps some of what it allocates.
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": "suppressions=" + os.path.dirname(__file__) + "/lsan.supp"}
PATIENCE_S = 120  # for what takes as long as the machine wants: loading a model on a busy one


class Ended(Exception):
    """A stream that ended without [DONE]."""


class Refused(Exception):
    """A typed error: `status` 200 when it came inside of a stream."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body['error']['message']}")
        self.status, self.error = status, body["error"]


class Server:
    def __init__(self, *arguments, key=None, environment=None):
        for name in ("ASHLAR_SERVE", "ASHLAR_MODEL"):
            if not os.path.exists(os.environ.get(name, "")):
                sys.exit(f"{name}={os.environ.get(name, '')} does not exist (test/run sets it)")
        self.key, self.url = key, None
        self.out, self.err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        command = [os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], "--port", "0",
                   "--heartbeat-ms", str(int(HEARTBEAT_S * 1000)), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        start_new_session=True, env={**ENVIRONMENT, **(environment or {})})
        try:
            self.wait_for(lambda: self.look_for_url(), "the server is ready")
        except BaseException:
            self.process.kill()
            self.process.wait()
            sys.stderr.write(self.log()[-4000:])
            raise

    def look_for_url(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}")
        found = re.search(r"ready on (http://\S+)", self.text_of(self.out))
        self.url = found and found[1]
        return found

    @staticmethod
    def text_of(file):
        return os.pread(file.fileno(), 1 << 26, 0).decode(errors="replace")

    def log(self):
        return self.text_of(self.err)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        pids = self.pids()
        status = self.stop()
        if kind:
            sys.stderr.write("---- the server's log\n" + self.log()[-6000:])
        else:
            assert status == 0, f"after SIGTERM the server ended with {status}\n{self.log()[-3000:]}"
            left = [pid for pid in pids if alive(pid)]
            assert not left, f"processes {left} outlived their supervisor"

    def stop(self, patience=30):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return "SIGKILL: it did not end by itself"
        return self.process.returncode

    def wait_for(self, happened, what, patience=PATIENCE_S):
        end = time.monotonic() + patience
        while True:
            value = happened()
            if value:
                return value
            assert time.monotonic() < end, f"waited {patience} s in vain until {what}"
            time.sleep(0.02)

    # ---- processes

    def engines(self):
        """role -> pid of its latest incarnation, as the server's log tells."""
        return {name: int(pid) for name, pid in re.findall(r"engine (\S+) \(pid (\d+)\) is up", self.log())}

    def pids(self):
        """The supervisor and its children; none when it has ended."""
        if self.process.poll() is not None:
            return []
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            return [self.process.pid, *map(int, children.read().split())]

    def kill(self, role, number=signal.SIGKILL):
        """Returns (pid, when)."""
        pid = self.engines()[role]
        assert pid in self.pids(), f"{pid} is no child of this server"
        now = time.monotonic()
        os.kill(pid, number)
        return pid, now

    def wait_reborn(self, role, dead, patience=PATIENCE_S):
        self.wait_for(lambda: self.engines().get(role, dead) != dead and self.get("/health")[0] == 200,
                      f"{role} is back", patience)

    # ---- requests

    def open(self, method, path, body=None, timeout=PATIENCE_S):
        at = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        connection.request(method, path, body if body is None or isinstance(body, (bytes, str)) else json.dumps(body),
                           headers)
        return connection.getresponse()

    def get(self, path):
        answer = self.open("GET", path)
        return answer.status, answer.read().decode()

    def post(self, path, body):
        answer = self.open("POST", path, body)
        text = answer.read()
        if answer.status != 200:
            raise Refused(answer.status, json.loads(text))
        return json.loads(text)

    def chat(self, question, **more):
        return self.post("/v1/chat/completions",
                         {"messages": [{"role": "user", "content": question}], "temperature": 0, **more})

    def stream(self, path, body, timeout=PATIENCE_S):
        """Yields the events of a stream. Raises Refused for a typed error, Ended for a stream that just stops."""
        answer = self.open("POST", path, {**body, "stream": True}, timeout)
        if answer.status != 200:
            raise Refused(answer.status, json.loads(answer.read()))
        try:
            for line in answer:
                if line.strip() == b"data: [DONE]":
                    return
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if "error" in event:
                        raise Refused(200, event)
                    yield event
        except (http.client.HTTPException, OSError) as why:
            raise Ended(repr(why)) from why
        raise Ended("no [DONE]")

    # ---- what it says about itself

    def metrics(self):
        """(name, engine or None) -> value; other labels are added up."""
        status, text = self.get("/metrics")
        assert status == 200
        found = {}
        for name, labels, value in re.findall(r"^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$", text, re.MULTILINE):
            engine = re.search(r'\bengine="([^"]*)"', labels)
            key = (name, engine[1] if engine else None)
            found[key] = found.get(key, 0) + float(value)
        return found

    def wait_all_free(self, patience=20):
        """Nothing runs, nothing is leased or quarantined, free = total in every pool."""
        last = {}

        def free():
            said = self.metrics()
            last.clear()
            last.update({key: value for key, value in said.items() if key[0].startswith(("ashlar_kv_b", "vllm:num"))})
            pools = [engine for name, engine in said if name == "ashlar_kv_blocks_total"]
            live = sum(value for (name, _), value in said.items() if re.fullmatch(r"vllm:num_requests_\w+", name))
            return pools and live == 0 and all(
                said["ashlar_kv_blocks_free", pool] == said["ashlar_kv_blocks_total", pool]
                and said["ashlar_kv_blocks_quarantined", pool] == said["ashlar_kv_blocks_leased", pool] == 0
                for pool in pools)
        try:
            self.wait_for(free, "all pools are free again", patience)
        except AssertionError as why:
            raise AssertionError(f"{why}: {last}") from None


def check_libfabric(pids):
    """Where LD_LIBRARY_PATH leads to another libfabric than the system's, these processes have that one alone."""
    folder = os.path.realpath(os.environ.get("LD_LIBRARY_PATH", "."))
    for pid in pids if os.path.exists(folder + "/libfabric.so.1") else ():
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            found = {line.split()[-1] for line in maps if "/libfabric.so" in line}
        assert found and all(os.path.dirname(path) == folder for path in found), f"process {pid} has {found}"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
