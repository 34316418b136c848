#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A fleet whose processes find each other in etcd: three members of its own on the loopback, which lose their leader,
stop for five seconds, forget a lease, and compact away what a watch has not heard, while clients ask and ask. No
request fails, no place has two owners at any revision, and the membership freezes and lives on under a new epoch."""
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from fleet import Fleet, expected, free_port
from server import PATIENCE_S


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """Three members; only they are ever signalled, each by its pid."""

    def __init__(self, folder):
        sockets = [socket.socket() for _ in range(6)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        self.folder, self.clients, self.peers = folder, ports[:3], ports[3:]
        self.members = [None] * 3
        self.past, self.told = [], 0  # every change of a key below /ashlar/, up to this revision
        for k in range(3):
            self.start(k)
        self.wait_for(lambda: self.leader() is not None, "etcd has a leader")

    def start(self, k):
        client, peer = (f"http://127.0.0.1:{ports[k]}" for ports in (self.clients, self.peers))
        cluster = ",".join(f"m{i}=http://127.0.0.1:{port}" for i, port in enumerate(self.peers))
        with open(f"{self.folder}/etcd-{k}.log", "a", encoding="utf-8") as log:
            self.members[k] = subprocess.Popen(
                ["etcd", "--name", f"m{k}", "--data-dir", f"{self.folder}/etcd-{k}", "--listen-client-urls", client,
                 "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", cluster, "--heartbeat-interval", "50", "--election-timeout", "500"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, k):
        self.members[k].kill()
        self.members[k].wait()

    def stop(self):
        for k in range(3):
            self.kill(k)

    @staticmethod
    def wait_for(happened, what):
        end = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < end, f"waited in vain until {what}"
            time.sleep(0.05)

    def call(self, path, body, member=None):
        """What any member answers; None when none does."""
        for k in range(3) if member is None else [member]:
            request = urllib.request.Request(f"http://127.0.0.1:{self.clients[k]}{path}", json.dumps(body).encode())
            try:
                with urllib.request.urlopen(request, timeout=2) as answer:
                    return json.load(answer)
            except (urllib.error.URLError, OSError):
                pass
        return None

    def leader(self):
        for k, member in enumerate(self.members):
            said = self.call("/v3/maintenance/status", {}, k) if member.poll() is None else None
            if said and said.get("leader", "0") == said["header"]["member_id"]:
                return k
        return None

    def lead_elsewhere(self, k):
        if self.leader() == k:
            other = self.call("/v3/maintenance/status", {}, (k + 1) % 3)["header"]["member_id"]
            self.call("/v3/maintenance/transfer-leadership", {"targetID": other}, k)
            self.wait_for(lambda: self.leader() not in (None, k), "another leads")

    def member_of(self, pid):
        """The member to which a process has its watch; None while it has none."""
        folder, own = f"/proc/{pid}/fd", set()
        for number in os.listdir(folder):
            try:
                own.add(os.readlink(f"{folder}/{number}"))
            except FileNotFoundError:
                pass  # closed in between
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
            for words in map(str.split, list(table)[1:]):
                port = int(words[2].split(":")[1], 16)
                if f"socket:[{words[9]}]" in own and port in self.clients:
                    return self.clients.index(port)
        return None

    def put(self, key, value=""):
        """Its revision."""
        said = self.call("/v3/kv/put", {"key": base64_of(key), "value": base64_of(value)})
        return int(said["header"]["revision"])

    def remember(self):
        """Adds what has happened since the last time to `past`."""
        last = self.put("/ashlar/remembered")
        watch = {"key": base64_of("/ashlar/"), "range_end": base64_of("/ashlar0"), "start_revision": self.told + 1}
        for member, port in zip(self.members, self.clients):
            if member.poll() is not None:
                continue
            seen = []
            try:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/v3/watch",
                                                 json.dumps({"create_request": watch}).encode())
                with urllib.request.urlopen(request, timeout=10) as answer:
                    for line in answer:
                        seen += [event["kv"] for event in json.loads(line)["result"].get("events", [])]
                        if seen and int(seen[-1]["mod_revision"]) >= last:
                            self.past, self.told = self.past + seen, int(seen[-1]["mod_revision"])
                            return
            except (urllib.error.URLError, OSError):
                pass
        raise AssertionError(f"no member tells what happened since revision {self.told}")

    def compact(self):
        """Up to the present, which is further than any member of a fleet has heard of."""
        self.put("/ashlar/remembered")  # no entry's revision: who goes on behind the last entry starts here at most
        self.remember()
        assert self.call("/v3/kv/compaction", {"revision": self.told, "physical": True}), "etcd does not compact"

    def entries(self, fleet):
        """name -> (lease, create revision), of everything below the fleet's prefix."""
        said = self.call("/v3/kv/range", {"key": base64_of(f"/ashlar/{fleet}/"),
                                          "range_end": base64_of(f"/ashlar/{fleet}0")})
        return said and {base64.b64decode(kv["key"]).decode().removeprefix(f"/ashlar/{fleet}/"):
                         (kv.get("lease"), int(kv["create_revision"])) for kv in said.get("kvs", [])}


class EtcdFleet(Fleet):
    def __init__(self, folder, etcd):
        super().__init__(folder, start=False)
        self.peers = "etcd://" + ",".join(f"127.0.0.1:{port}" for port in etcd.clients) + "/e2e"
        try:
            for name in ("router", "prefill", "decode"):
                self.start(name)
            self.wait_ready()
        except BaseException:
            for name in self.files:
                print(f"---- {name}\n{self.log_of(name)[-3000:]}")
            self.__exit__(None, None, None)
            raise

    def start(self, name, *more, key_file=None):
        address = "127.0.0.1:0" if name.startswith("router") else "127.0.0.1"
        if name == "router-2":
            self.port = free_port()
        return super().start(name, "--address", address, *more, key_file=key_file)


class Traffic:
    """Clients that ask until they are told to end; what went wrong is kept."""

    def __init__(self, fleet, clients=3):
        self.fleet, self.full, self.wrong, self.over = fleet, 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(k,)) for k in range(clients)]
        for each in self.threads:
            each.start()

    def ask(self, k):
        while not self.over.is_set():
            try:
                text = self.fleet.say(k)
                if text != expected()[k]:
                    self.wrong.append(text)
            except Exception as why:  # pylint: disable=broad-exception-caught
                self.wrong.append(repr(why))
            self.full += 1

    def end(self):
        self.over.set()
        for each in self.threads:
            each.join(PATIENCE_S)


class DirectoryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start_etcd(self):
        self.etcd = Etcd(self.folder)
        self.addCleanup(self.etcd.stop)

    def lines(self, fleet, pattern, name="router"):
        return re.findall(pattern, fleet.log_of(name))

    def test_what_etcd_does_no_client_notices(self):
        self.start_etcd()
        expected()
        with EtcdFleet(self.folder, self.etcd) as fleet:
            traffic = Traffic(fleet)
            self.addCleanup(traffic.end)
            engines = fleet.engines()
            self.leader_dies(fleet, traffic)
            self.lease_dies(fleet)
            self.all_stop(fleet, traffic)
            strangers = self.compacted(fleet)
            more = traffic.full + 3
            fleet.wait_for(lambda: traffic.full >= more, "they are answered")
            traffic.end()
            self.assertEqual(traffic.wrong, [], "no request fails")
            self.assertEqual(self.lines(fleet, r"engine \S+ \(pid \d+\) is down.*"), [])
            self.assertEqual(self.lines(fleet, r"member (\S+) left"), strangers)
            self.assertEqual(fleet.engines(), engines, "nobody had to come again")
            self.assertNotIn("this process is router", fleet.log_of("router-2"))
            print(f"{traffic.full} answers, all right", flush=True)
            # An engine that dies comes back under another name, and is let in.
            fleet.kill("decode")
            fleet.restart("decode")
            self.assertEqual(fleet.say(0), expected()[0])
            self.one_owner_each(fleet)

    def one_owner_each(self, fleet):
        """At every revision, of each name and of each process; and who says that it has a place has had it."""
        self.etcd.remember()
        owners, created = {}, set()
        for kv in self.etcd.past:
            name = base64.b64decode(kv["key"]).decode().removeprefix("/ashlar/e2e/")
            if name == "/ashlar/remembered":
                continue
            if "value" not in kv:
                del owners[name]
                continue
            self.assertNotIn(name, owners, f"two owners at revision {kv['mod_revision']}")
            owner = json.loads(base64.b64decode(kv["value"]))["incarnation"]
            self.assertNotIn(owner, owners.values(), f"two places at revision {kv['mod_revision']}")
            owners[name] = owner
            self.assertLessEqual(sum(each.startswith("router") for each in owners), 1)
            created.add((name, kv["mod_revision"]))
        claims = [claim for each in fleet.files
                  for claim in self.lines(fleet, r"this process is (\S+) in the directory, revision (\d+)", each)]
        self.assertGreaterEqual(len(claims), 3)
        self.assertEqual(len(claims), len(set(claims)), "two believe that they have the same place")
        self.assertLessEqual(set(claims), created)

    def leader_dies(self, fleet, traffic):
        dead = self.etcd.leader()
        self.etcd.kill(dead)
        at = traffic.full
        self.etcd.wait_for(lambda: self.etcd.leader() not in (None, dead), "etcd has another leader")
        self.etcd.wait_for(lambda: len(self.etcd.entries("e2e") or ()) == 3, "every member is in the directory")
        fleet.wait_for(lambda: traffic.full > at + 3, "requests are answered")
        self.etcd.start(dead)

    def lease_dies(self, fleet):
        for role in ("decode", "router"):
            name, (lease, created) = next(item for item in self.etcd.entries("e2e").items() if item[0].startswith(role))
            self.etcd.call("/v3/lease/revoke", {"ID": lease})
            self.etcd.wait_for(lambda: self.etcd.entries("e2e").get(name, (0, 0))[1] > created,
                               f"{role} has joined again")
            fleet.wait_for(lambda: self.lines(fleet, rf"member {name} joined anew"), "the router has heard of it")
            self.assertIn("lost its place in the directory; joining again\n", fleet.log_of(role))

    def all_stop(self, fleet, traffic):
        frozen = r"the membership is frozen at epoch (\d+) with 3 members"
        lives = r"the membership lives at epoch (\d+) with 3 members"
        before = {name: (len(self.lines(fleet, frozen, name)), len(self.lines(fleet, lives, name)))
                  for name in fleet.processes}
        at = traffic.full
        for each in self.etcd.members:
            each.send_signal(signal.SIGSTOP)
        time.sleep(5)
        for name, (count, _) in before.items():
            fleet.wait_for(lambda: len(self.lines(fleet, frozen, name)) > count, f"{name} is frozen")
        fleet.wait_for(lambda: traffic.full > at + 3, "requests are answered all the while")
        for each in self.etcd.members:
            each.send_signal(signal.SIGCONT)
        for name, (_, count) in before.items():
            fleet.wait_for(lambda: len(self.lines(fleet, lives, name)) > count, f"{name} lives")
            self.assertGreater(int(self.lines(fleet, lives, name)[-1]), int(self.lines(fleet, frozen, name)[-1]))
        self.etcd.wait_for(lambda: len(self.etcd.entries("e2e") or ()) == 3, "all three are in the directory")
        time.sleep(6)  # longer than the grace: who had not joined again would leave now

    def compacted(self, fleet):
        """Watches that are cut, and can go on only by a new list. Returns the members who came and went meanwhile."""
        fleet.start("router-2")
        fleet.wait_for(lambda: "is router in the directory; standing by" in fleet.log_of("router-2"),
                       "the second stands by")
        strangers = []
        for name in ("router-2", "router", "decode"):
            anew = "the directory has compacted what was not heard; listing anew"
            for _ in range(3):  # on a slow machine it may find that it has lost the directory, and list for that
                count = len(self.lines(fleet, anew, name))
                self.falls_behind(fleet, name, strangers)
                if len(self.lines(fleet, anew, name)) > count:
                    break
            else:
                self.fail(f"{name} has not listed anew")
        for each in fleet.processes:
            for name in strangers[:-1]:
                fleet.wait_for(lambda: self.lines(fleet, f"member {name} left", each), f"{each} knows that {name} left")
        return strangers[:-1]

    def falls_behind(self, fleet, name, strangers):
        idle, process = name == "router-2", fleet.processes[name]
        self.etcd.wait_for(lambda: self.etcd.member_of(process.pid) is not None, f"{name} watches")
        k = self.etcd.member_of(process.pid)
        self.etcd.lead_elsewhere(k)
        if idle:  # it may be stopped, shorter than what makes it lose the directory, and misses what happens
            process.send_signal(signal.SIGSTOP)
            self.etcd.kill(k)
        if strangers:
            self.etcd.call("/v3/kv/deleterange", {"key": base64_of("/ashlar/e2e/" + strangers[-1])})
        strangers.append(f"prefill/{len(strangers) + 1:016x}")
        value = {"address": "127.0.0.1", "incarnation": str(len(strangers))}
        self.etcd.put("/ashlar/e2e/" + strangers[-1], json.dumps(value))
        self.etcd.compact()
        if idle:
            process.send_signal(signal.SIGCONT)
        else:
            self.etcd.kill(k)
        for each in fleet.processes:
            fleet.wait_for(lambda: self.lines(fleet, f"member {strangers[-1]} joined", each),
                           f"{each} knows that {strangers[-1]} came")
        self.etcd.start(k)
        self.etcd.wait_for(lambda: int((self.etcd.call("/v3/maintenance/status", {}, k) or {}).get("leader", 0)),
                           f"member {k} is back")

    def test_one_router_at_a_time(self):
        self.start_etcd()
        with EtcdFleet(self.folder, self.etcd) as fleet:
            fleet.start("router-2")
            fleet.wait_for(lambda: "is router in the directory; standing by" in fleet.log_of("router-2"),
                           "the second stands by")
            self.assertEqual(fleet.say(0), expected()[0])
            first, pid = fleet.url, fleet.processes["router"]
            pid.send_signal(signal.SIGSTOP)  # longer than its lease: it is taken for dead
            out = fleet.files["router-2"][-1][0]
            url = fleet.wait_for(lambda: re.search(r"ready on (http://\S+)", fleet.text_of(out)), "the second serves")[1]
            pid.send_signal(signal.SIGCONT)
            fleet.wait_for(lambda: "another process is router in the directory; standing by" in fleet.log(),
                           "the first knows that it is none any more")
            fleet.wait_for(lambda: fleet.get("/health")[0] == 503, "and says so")
            fleet.url = url
            self.assertEqual(fleet.get("/health")[0], 200)
            self.assertEqual([fleet.say(k) for k in range(2)], expected()[:2])
            up = r"engine \S+ \(pid \d+\) is up"
            self.assertEqual(len(self.lines(fleet, up)), 2, "the first lets nobody in again")
            self.assertEqual(len(self.lines(fleet, up, "router-2")), 2)
            # Asked to end, the second gives its place back at once, and the first takes it.
            fleet.processes["router-2"].terminate()
            fleet.url = first
            fleet.wait_for(lambda: fleet.get("/health")[0] == 200, "the first serves again")
            self.assertEqual(fleet.say(1), expected()[1])
            self.one_owner_each(fleet)

    def test_the_fleet_key_decides_and_not_the_directory(self):
        self.start_etcd()
        with EtcdFleet(self.folder, self.etcd) as fleet:
            other = self.folder + "/other"
            with open(other, "w", encoding="ascii") as file:
                file.write("0" * 32 + "\n")
            os.chmod(other, 0o600)
            fleet.start("prefill-2", key_file=other)  # it may write to etcd, and be a member there
            fleet.wait_for(lambda: "an engine does not hold this fleet's key; closing its connection\n" in fleet.log(),
                           "the router refuses it")
            self.assertEqual(set(fleet.engines()), {"prefill", "decode"})
            self.assertEqual(fleet.say(2), expected()[2])

    def test_a_wrong_address_is_refused(self):
        def said(*arguments):
            run = subprocess.run([os.environ["ASHLAR_SERVE"], "--model", os.environ["ASHLAR_MODEL"], *arguments],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(run.returncode, 2, run.stderr)
            return run.stderr
        url = "etcd://127.0.0.1:1/x"
        self.assertIn("--role decode with --peers etcd://... needs --address HOST,",
                      said("--role", "decode", "--peers", url))
        for wrong in ("127.0.0.1", "0.0.0.0:9000", "127.0.0.1:"):
            self.assertIn("--role router with --peers etcd://... needs --address HOST:PORT,",
                          said("--role", "router", "--peers", url, "--address", wrong))
        self.assertIn("is not HOST:PORT; write etcd://HOST:PORT,HOST:PORT/FLEET",
                      said("--role", "decode", "--peers", "etcd://127.0.0.1", "--address", "127.0.0.1"))
        self.assertIn("needs --fleet-key-file FILE", said("--role", "decode", "--peers", url, "--address", "127.0.0.1"))


if __name__ == "__main__":
    if not shutil.which("etcd"):
        sys.exit("there is no etcd (Debian: etcd-server)")
    unittest.main(verbosity=2, warnings="ignore")
