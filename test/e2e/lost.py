#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an engine can be without that lives on: its neighbour in the fabric, its router, its model file."""
import concurrent.futures
import os
import shutil
import signal
import socket
import tempfile
import time
import unittest
import unittest.mock

import server as servers
from fleet import Fleet
from server import Refused, Server

FABRIC_WAITS_S = 10  # ofi::options::stall_max
STORY = "The mason looked at the wall, chose the next block and said: the joint is what matters. " * 30


def tell(server, k):
    return server.chat(f"Story {k}: {STORY} What did the mason say?", max_tokens=8)["choices"][0]


class Lost(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_a_neighbour_that_stands_still(self):
        """For longer than the fabric waits, while the router waits even longer: then both live, and are connected no
        more. They find each other again by themselves, nobody is restarted, no page stays lost."""
        with unittest.mock.patch.object(servers, "HEARTBEAT_S", 20), Server("--pool-mib", "64") as server:
            expected, pids = tell(server, 0), server.engines()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                clients = [pool.submit(tell, server, k) for k in range(1, 5)]
                server.wait_for(lambda: server.metrics()["vllm:num_requests_running", "0"] >= 4, "they run")
                os.kill(pids["decode"], signal.SIGSTOP)
                time.sleep(FABRIC_WAITS_S + 6)
                os.kill(pids["decode"], signal.SIGCONT)
                for client in clients:
                    try:
                        client.result(servers.PATIENCE_S)
                    except Refused as why:
                        self.assertEqual(why.error["code"], "engine_down")
            self.assertEqual(server.get("/health")[0], 200)
            self.assertEqual(tell(server, 0), expected)
            server.wait_all_free(60)
            self.assertEqual(server.engines(), pids)
            self.assertGreater(sum(value for (name, _), value in server.metrics().items()
                                   if name == "ashlar_kv_fabric_reopenings_total"), 0)

    def test_a_router_that_does_not_answer(self):
        """An engine that is told to end while it tries to connect ends."""
        fleet = Fleet(self.folder, start=False)
        with open(fleet.peers, encoding="ascii") as peers:
            port = int(peers.readline().split()[1].split(":")[1])
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            silent.bind(("127.0.0.1", port))
            silent.listen(0)
            callers = [socket.socket() for _ in range(4)]  # a full queue answers nobody
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            engine = fleet.start("decode")
            fleet.wait_for(lambda: syn_sent(engine.pid, port), "it waits for an answer")
            engine.terminate()
            start = time.monotonic()
            self.assertEqual(engine.wait(30), 0)
            self.assertLess(time.monotonic() - start, 2.5)  # less than it would wait
            for caller in callers:
                caller.close()

    def test_a_model_file_that_is_damaged_or_another(self):
        """The server lives on, says what is wrong, and is whole again when the file is."""
        model = self.folder + "/stone.gguf"
        good, new = os.environ["ASHLAR_MODEL"], model + ".new"
        shutil.copyfile(good, model)

        def replace(change):
            shutil.copyfile(good, new)
            with open(new, "r+b") as file:
                change(file)
            os.replace(new, model)  # who has it open keeps what was there

        def rename(file):
            head = file.read(1 << 12)
            at = head.index(b"general.name") + len(b"general.name") + 4 + 8
            file.seek(at)
            file.write(b"X")

        with unittest.mock.patch.dict(os.environ, ASHLAR_MODEL=model), \
                unittest.mock.patch.object(servers, "HEARTBEAT_S", 2), Server("--pool-mib", "64") as server:
            expected = tell(server, 0)
            for role, change, said in (("decode", lambda file: file.truncate(os.path.getsize(good) // 2), model + ": "),
                                       ("prefill", rename, "serves another model file than the router (--model "
                                        + model + ")")):
                replace(change)
                begun = len(server.log())
                dead, _ = server.kill(role)
                server.wait_for(lambda: f"the {role} engine cannot start" in server.get("/health")[1],
                                "the server says that it cannot start")
                self.assertIn(said, server.log()[begun:])
                self.assertEqual(server.get("/health")[0], 503)
                replace(lambda file: None)
                server.wait_reborn(role, dead)
                self.assertEqual(tell(server, 0), expected)


def syn_sent(pid, port):
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        inodes = {line.split()[9] for line in list(table)[1:]
                  if line.split()[3] == "02" and line.split()[2].endswith(f":{port:04X}")}
    wanted = {f"socket:[{inode}]" for inode in inodes}

    def link_of(fd):
        try:
            return os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:  # closed meanwhile
            return None

    return any(link_of(fd) in wanted for fd in os.listdir(f"/proc/{pid}/fd"))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
