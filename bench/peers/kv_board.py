# SPDX-License-Identifier: Apache-2.0
"""bench/kv_board.hpp for the peers of the figure kv.transfer that are driven from Python."""
import ctypes
import mmap
import os
import struct
import sys
import time

HUGE = 2 << 20
TICKET, LETTER = 48, 32 << 10
LETTERS = TICKET + LETTER
MOVES = LETTERS + 2 * LETTER
BYTES = 4 << 20


def mapped(path, size):
    """The address of a shared file's mapping on a 2 MiB boundary."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    room = libc.mmap(None, size + HUGE, 0, 0x4022, -1, 0)  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    at = (room + HUGE - 1) // HUGE * HUGE
    file = os.open(path, os.O_RDWR)
    if libc.mmap(at, size, 3, 0x11, file, 0) != at:  # MAP_SHARED | MAP_FIXED
        raise OSError(ctypes.get_errno(), path)
    os.close(file)
    libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(size), 23)  # MADV_POPULATE_WRITE
    return at


class Board:
    def __init__(self, path):
        self.path = path
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), BYTES)

    def __getitem__(self, word):
        return struct.unpack_from("<q", self.memory, 8 * word)[0]

    def rate(self):
        """GB/s of the last round."""
        return self[0] * self[1] / (self[4] - self[3])

    def finish(self, round_):
        struct.pack_into("<q", self.memory, 16, round_)

    def timed(self, begin, end):
        struct.pack_into("<qq", self.memory, 24, begin, end)

    def moves(self):
        return memoryview(self.memory)[MOVES:MOVES + 16 * self[1]].cast("Q")

    def name(self, side, path):
        """A path for C++."""
        at = LETTERS + side * LETTER
        self.memory[at:at + len(path) + 1] = path.encode() + b"\0"

    def put(self, side, text):
        struct.pack_into(f"<I{len(text)}sx", self.memory, LETTERS + side * LETTER, len(text), text)

    def get(self, side):
        at = LETTERS + side * LETTER
        return self.memory[at + 4:at + 4 + struct.unpack_from("<I", self.memory, at)[0]]


def serve(greeting, act):
    """Says `ready`, then answers each line of the standard input with what act(word, number) returns, or `ok`."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes elsewhere
    print("ready", greeting, file=out)
    for line in sys.stdin:
        word, *number = line.split()
        print(act(word, int(number[0]) if number else 0) or "ok", file=out)


now = time.monotonic_ns
