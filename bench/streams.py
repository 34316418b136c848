# SPDX-License-Identifier: Apache-2.0
"""Streamed completions, many at a time, on one thread that does almost nothing: the client shares its cores with the
server that is measured. An event is counted by its line and not parsed; a stream without [DONE] is an error."""
import json
import selectors
import socket
import time
import urllib.parse


class Stream:
    """One answer under way: the moments at which its tokens came."""

    def __init__(self, url, body):
        at = urllib.parse.urlsplit(url)
        data = json.dumps({**body, "stream": True}).encode()
        self.socket = socket.create_connection((at.hostname, at.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = time.monotonic()
        self.socket.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        self.came, self.tail, self.done, self.head = [], b"", False, b""

    def read(self):
        """Takes what is there; true when the stream has ended."""
        data = self.socket.recv(1 << 16)
        now = time.monotonic()
        if not self.came and len(self.head) < 64:
            self.head += data[:64]
        *lines, self.tail = (self.tail + data).split(b"\n")
        for line in lines:
            if line.startswith(b'data: {"error"'):
                raise RuntimeError(line.decode())
            if line.startswith(b"data: [DONE]"):
                self.done = True
            elif line.startswith(b"data: {"):
                self.came.append(now)
        if data:
            return False
        self.socket.close()
        if not self.done:
            raise RuntimeError(f"a stream ended without [DONE]: {self.head!r}")
        return True


def run(open_streams, due=(), until=None):
    """Reads all streams to their ends, those that `due` = [(moment, make)] opens later among them; what is still open
    at the moment `until` is closed, as a client that leaves. Returns them in the order in which they were opened."""
    waiting = selectors.DefaultSelector()
    streams, later, live = [], sorted(due, key=lambda pair: pair[0]), 0

    def add(stream):
        streams.append(stream)
        waiting.register(stream.socket, selectors.EVENT_READ, stream)

    for stream in open_streams:
        add(stream)
        live += 1
    end = until or time.monotonic() + 600
    while live or later:
        now = time.monotonic()
        if now > end and not until:
            raise RuntimeError("streams did not end within 600 s")
        if now > end:
            for key in waiting.get_map().values():
                key.data.socket.close()
            break
        while later and later[0][0] <= now:
            add(later.pop(0)[1]())
            live += 1
        patience = min([end - now, 5.0] + [moment - now for moment, _ in later[:1]])
        for key, _ in waiting.select(max(0.0, patience)):
            if key.data.read():
                waiting.unregister(key.fileobj)
                live -= 1
    return streams
