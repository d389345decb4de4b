"""The gateway as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from melonkube.kit.tokens import TokenKey


class GatewayProcess:
    """A gateway on a free port of loopback, before the given services."""

    module = "melonkube.gateway"
    greeting = ("/healthz", 200)
    """A path, and the status that shows that the process answers."""

    def __init__(self, folder: Path, peers: Mapping[str, str], **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.key = TokenKey.load_or_create(folder / "token.key")
        self.log_path = folder / "gateway.log"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        descriptor = self._listener.fileno()
        self._log = self.log_path.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", self.module],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(descriptor,),
            env={
                **os.environ,
                "MELON_LISTEN__FD": str(descriptor),
                "MELON_TOKENS__KEY_FILE": str(folder / "token.key"),
                "MELON_PARENT_PID": str(os.getpid()),
                **{f"MELON_PEERS__{name.upper()}": url for name, url in peers.items()},
                **environment,
            },
        )
        self.pid = self._process.pid
        self.http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)
        # The connection waits in the socket until the process takes it.
        path, status = self.greeting
        assert self.http.get(path, headers={"Host": f"localhost:{self.port}"}).status_code == status

    def connect(self, request: bytes = b"") -> socket.socket:
        """Return a raw connection on which ``request`` was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60.0)
        connection.sendall(request)
        return connection

    def ask(self, request: bytes) -> bytes:
        """Send raw bytes and return everything until the gateway closes the connection."""
        with self.connect(request) as connection:
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def log(self) -> str:
        """Return what it has logged."""
        return self.log_path.read_text(encoding="utf-8")

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.close()
        self._log.close()


class WorkerDoorProcess(GatewayProcess):
    """The door for workers."""

    module = "melonkube.gateway.worker_door"
    greeting = ("/", 404)


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what comes up to and with ``wanted``, and whatever came along."""
    got = b""
    while wanted not in got:
        piece = connection.recv(65536)
        assert piece, got
        got += piece
    return got
