#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NIXL's UCX backend on DRAM as a peer of the figure kv.transfer:
kv_transfer_nixl.py source|target BOARD MIB POOL BYTES

As vLLM's connector does, all blocks of both pools are prepared once; a round makes a request from two lists of indices,
posts it and polls until it is done. Uses the wheel's C++ bindings alone, so that no PyTorch is needed. See
bench/peers/kv_transfer_setup.py.
"""
import sys

import numpy

import kv_board
from nixl_cu12 import _bindings as nixl

role, path, mib, pool, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
board, bytes_ = kv_board.Board(path), mib << 20
at = kv_board.mapped(pool, bytes_)
agent = nixl.nixlAgent(role, nixl.nixlAgentConfig(False))
backend = agent.createBackend("UCX", {})
agent.registerMem(nixl.nixlRegDList(nixl.DRAM_SEG, [(at, bytes_, 0, "")]), [backend])
peer = "target" if role == "source" else "source"
lists = {}


def blocks(base):
    """All blocks of a pool, as one strided list: address, length, device, stride, count."""
    return numpy.array([[base, size, 0, size, bytes_ // size]], dtype=numpy.uint64)


def act(word, number):
    if word == "address":
        board.put(role == "source", at.to_bytes(8, "little") + agent.getLocalMD())
    elif word == "connect":
        text = board.get(role != "source")
        agent.loadRemoteMD(text[8:])
        if role == "source":
            agent.makeConnection(peer, [backend])
            board.finish(-1)
            lists["here"] = agent.prepXferDlist("", nixl.DRAM_SEG, blocks(at), [backend])
            lists["there"] = agent.prepXferDlist(peer, nixl.DRAM_SEG,
                                                 blocks(int.from_bytes(text[:8], "little")), [backend])
    elif word == "run" and role == "source":
        moves = numpy.frombuffer(board.moves(), dtype=numpy.uint64).reshape(-1, 2) // numpy.uint64(size)
        here, there = (numpy.ascontiguousarray(moves[:, i], dtype=numpy.int32) for i in (0, 1))
        begin = kv_board.now()
        request = agent.makeXferReq(nixl.NIXL_WRITE, lists["here"], here, lists["there"], there, "", [backend])
        status = agent.postXferReq(request)
        while status == nixl.NIXL_IN_PROG:
            status = agent.getXferStatus(request)
        board.timed(begin, kv_board.now())
        board.finish(number)
        if status != nixl.NIXL_SUCCESS:
            sys.exit(f"transfer: {status}")
        agent.releaseXferReq(request)
    if role == "target" and word in ("connect", "run"):  # gives progress while the source works
        while board[2] != (number if word == "run" else -1):
            agent.getNotifs({})


from importlib.metadata import version  # noqa: E402

kv_board.serve(version("nixl-cu12"), act)
