#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mooncake's transfer engine on DRAM as a peer of the figure kv.transfer:
kv_transfer_mooncake.py source|target BOARD MIB POOL

A round is one batch_transfer_sync_write of the list, over the transport that runs on any host: tcp. See
bench/peers/kv_transfer_setup.py.
"""
import sys
from importlib.metadata import version

import kv_board
from mooncake.engine import TransferEngine

BATCH = int(sys.argv[5]) if len(sys.argv) > 5 else 512
role, path, mib, pool = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
board, bytes_ = kv_board.Board(path), mib << 20
at = kv_board.mapped(pool, bytes_)
engine = TransferEngine()
if engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") != 0:
    sys.exit("initialize failed")
if engine.register_memory(at, bytes_) != 0:
    sys.exit("register_memory failed")
there = {}


def act(word, number):
    if word == "address":
        board.put(role == "source", at.to_bytes(8, "little") + f"127.0.0.1:{engine.get_rpc_port()}".encode())
    elif word == "connect":
        text = board.get(role != "source")
        there["base"], there["name"] = int.from_bytes(text[:8], "little"), text[8:].decode()
    elif word == "run" and role == "source":
        moves = board.moves().tolist()
        here, target = [at + m for m in moves[::2]], [there["base"] + m for m in moves[1::2]]
        sizes = [board[0]] * len(here)
        begin = kv_board.now()
        for i in range(0, len(here), BATCH):
            part = slice(i, i + BATCH)
            if engine.batch_transfer_sync_write(there["name"], here[part], target[part], sizes[part]) != 0:
                sys.exit("transfer failed")
        board.timed(begin, kv_board.now())


kv_board.serve(version("mooncake-transfer-engine-non-cuda"), act)
