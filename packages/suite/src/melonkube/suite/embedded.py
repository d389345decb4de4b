"""A suite for a program or a test: the same supervisor, as a child process that ends with it."""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from melonkube.suite.datadir import DataDir
from melonkube.suite.plan import MODULES

START_SECONDS = 120.0
STOP_SECONDS = 90.0
WORKER_MODULE = "melonkube.trainer.worker"


class SuiteFailed(RuntimeError):
    """The suite did not start, or ended by itself. The message holds what it said."""


class Suite:
    """The services and their workers, run beside the caller.

        with Suite(folder, workers=2) as suite:
            httpx.get(suite.url)

    Args:
        data_dir: The data directory; made when it is missing.
        workers: Trials at once.
        port: The public port; 0 takes any free one, None 8080 or the next free one.
        environment: Added to this process's environment for the suite.
    """

    def __init__(
        self,
        data_dir: Path | str,
        workers: int | None = 2,
        port: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).absolute()
        self._workers = workers
        self._port = port
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._state: dict[str, Any] = {}

    def start(self) -> None:
        """Start everything; returns when every service is ready.

        Raises:
            SuiteFailed: It ended before, or took too long.
        """
        if self._process is not None:
            raise RuntimeError("the suite runs already")
        folder = DataDir(self.data_dir)
        reader, writer = os.pipe()
        command = [sys.executable, "-P", "-m", "melonkube.suite", "up", "--data", str(self.data_dir)]
        command += ["--ready-fd", str(writer), "--parent-pid", str(os.getpid())]
        command += [] if self._port is None else ["--port", str(self._port)]
        command += [] if self._workers is None else ["--workers", str(self._workers)]
        with self._console_path.open("ab") as console:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env={**os.environ, **self._environment},
                    pass_fds=(writer,),
                    # Apart from the terminal's, so that Ctrl-C reaches the caller alone, which ends the suite.
                    process_group=0,
                )
            finally:
                os.close(writer)
        try:
            self._wait_ready(reader)
        except BaseException:
            self.kill()
            raise
        self._state = folder.read_state()

    def _wait_ready(self, reader: int) -> None:
        with os.fdopen(reader, "rb") as ready:
            # The end of file comes when the supervisor ends: nobody else holds the other end.
            said = ready.read1() if select.select([ready], [], [], START_SECONDS)[0] else None
        if not said:
            reason = "ended before it was ready" if said == b"" else f"was not ready after {START_SECONDS:g} seconds"
            if said == b"":
                self._running().wait(STOP_SECONDS)
            raise SuiteFailed(f"The suite {reason}. It said:\n{self.console()}")

    @property
    def _console_path(self) -> Path:
        return self.data_dir / "logs" / "console.txt"

    def console(self) -> str:
        """Return what the supervisor has told people so far."""
        with contextlib.suppress(OSError):
            return self._console_path.read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def url(self) -> str:
        """Address of the public port."""
        return str(self._state["url"])

    def service_url(self, name: str) -> str:
        """Return the address of one service, which answers only calls that carry a token."""
        return str(self._state["services"][name])

    @property
    def token_key_file(self) -> Path:
        """The key with which the services sign."""
        return DataDir(self.data_dir).key_file

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._running().pid

    def pids(self) -> dict[str, int]:
        """Return the id of each process below the supervisor: ``gateway``, ..., and ``worker-<pid>`` for workers.

        A service that is being started again is missing for that while.
        """
        found: dict[str, int] = {}
        for child in _children(self._running().pid):
            name = next((name for name, module in MODULES.items() if module in _command(child)), None)
            if name is not None:
                found[name] = child.pid
        for child in _children(found["tuner"]) if "tuner" in found else ():
            if WORKER_MODULE in _command(child):
                found[f"worker-{child.pid}"] = child.pid
        return found

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the suite does not run")
        return self._process

    def stop(self) -> None:
        """End everything in order; does nothing where nothing runs.

        Raises:
            SuiteFailed: It had ended by itself, with an error, or did not end in time.
        """
        if self._process is None:
            return
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise SuiteFailed(f"The suite did not end in time. It said:\n{self.console()}") from None
        self._process = None
        if code != 0:
            raise SuiteFailed(f"The suite ended with code {code}. It said:\n{self.console()}")

    def kill(self) -> None:
        """End the supervisor as a crash would; returns when nothing of the suite is left."""
        process = self._running()
        try:
            below = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            below = []
        process.kill()
        process.wait()
        self._process = None
        _, alive = psutil.wait_procs(below, timeout=STOP_SECONDS)
        if alive:
            raise SuiteFailed(f"Processes outlived their supervisor: {alive}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
