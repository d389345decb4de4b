"""Closed-loop HTTP load from raw sockets: each connection sends its next request when its answer is complete."""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

_LENGTH = b"content-length: "
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: answers, how many a second, and the share of its core that the load itself used."""

    answers: int
    per_second: float
    busy: float


class _Connection:
    """One connection and what it has received of an answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def finished(self) -> bool:
        """Read what is there; return whether that completes an answer, which must be a success."""
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed a connection")
        if self.data:
            data = self.data + data
        end = data.find(_END)
        if end > 0:
            at = data.index(_LENGTH) + len(_LENGTH)
            if len(data) >= end + len(_END) + int(data[at : data.index(b"\r", at)]):
                if not data.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"not a success: {data[:400]!r}")
                self.data = b""
                return True
        self.data = data
        return False


def run_load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Send ``requests`` in turn over ``connections`` keep-alive connections for ``seconds``."""
    poller = select.epoll()
    open_ = {}
    for _ in range(connections):
        connection = _Connection(port)
        open_[connection.socket.fileno()] = connection
        poller.register(connection.socket, select.EPOLLIN)
    position, done, count = 0, 0, len(requests)
    began, used = time.perf_counter(), time.process_time()
    end = began + seconds
    for connection in open_.values():
        connection.socket.sendall(requests[position % count])
        position += 1
    while time.perf_counter() < end:
        for descriptor, _ in poller.poll(1.0):
            connection = open_[descriptor]
            if connection.finished():
                done += 1
                connection.socket.sendall(requests[position % count])
                position += 1
    took, used = time.perf_counter() - began, time.process_time() - used
    poller.close()
    for connection in open_.values():
        connection.socket.close()
    return Load(done, done / took, used / took)
