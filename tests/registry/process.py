"""The registry as a process of its own, to be killed, filled and looked at."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_SERVICE, Principal, TokenKey, TokenSigner

_PATIENCE_SECONDS = 60.0


def until(done: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does and says nothing of."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


async def eventually(done: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for something that a task in the background does and says nothing of."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not await done():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.01)


class RegistryProcess:
    """A registry on loopback, whose address outlives its crashes as it does under the supervisor."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self._key = TokenKey.load_or_create(folder / "token.key")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._log = (folder / "registry.log").open("ab")
        self._environment = {
            **os.environ,
            "MELON_DATA_DIR": str(self.data),
            "MELON_TOKENS__KEY_FILE": str(folder / "token.key"),
            "MELON_LISTEN__FD": str(self._listener.fileno()),
            "MELON_PARENT_PID": str(os.getpid()),
            "MELON_JANITOR__INTERVAL_SECONDS": "0.2",
            **environment,
        }
        self.start()

    def start(self) -> None:
        """Start the process; calls wait in the socket until it takes them."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "melonkube.registry"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(self._listener.fileno(),),
            env=self._environment,
        )

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def token(self) -> str:
        """A service's token."""
        principal = Principal("service:test", DEFAULT_WORKSPACE, frozenset({SCOPE_SERVICE}))
        return TokenSigner(self._key).sign(principal, "registry")

    def client(self) -> httpx.Client:
        """Return a client."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=_PATIENCE_SECONDS,
            trust_env=False,
        )

    def children(self) -> list[int]:
        """Return the processes it started: those that read files."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            found += [int(pid) for pid in (task / "children").read_text().split()]
        return found

    def peak_bytes(self) -> int:
        """Return the most memory it has held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def files(self) -> list[Path]:
        """Return the files of its store, those half-arrived too."""
        return [path for path in (self.data / "blobs").rglob("*") if path.is_file()]

    def kill(self) -> None:
        """End it as the kernel would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        self._listener.close()
        self._log.close()
