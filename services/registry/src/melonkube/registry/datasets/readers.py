"""The processes that read files: kept warm, replaced when they die, ended with the service."""

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from melonkube.registry.datasets.job import Task, encode


class ReaderDied(Exception):
    """The process that read a file ended before it answered: killed, or out of memory."""


class ReaderPool:
    """Reads files in ``size`` processes. Thread-safe, and tied to no event loop.

    A process waits for work, so that a small file is not delayed by its start; it ends by itself when the service
    does, however that ends, because its input then closes.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[str]] = []
        self._busy: set[subprocess.Popen[str]] = set()
        self._closed = False

    def warm(self) -> None:
        """Have one process ready."""
        with self._lock:
            if not self._closed and not self._idle:
                self._idle.append(_spawn())

    async def read(self, task: Task) -> dict[str, Any]:
        """Have a file read.

        Returns:
            What :func:`melonkube.registry.datasets.job.run` gives.

        Raises:
            ReaderDied: The process died; the file may be tried again.
        """
        return await asyncio.to_thread(self._read, task)

    def _read(self, task: Task) -> dict[str, Any]:
        with self._free:
            process = self._take()
            try:
                answer = _ask(process, task)
            except BaseException:
                process.kill()
                _end(process)
                raise
            finally:
                with self._lock:
                    self._busy.discard(process)
            with self._lock:
                if not self._closed:
                    self._idle.append(process)
                    return answer
            _end(process)
            return answer

    def _take(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise ReaderDied("the service is stopping")
            process = self._idle.pop() if self._idle else _spawn()
            if process.poll() is not None:
                _end(process)
                process = _spawn()
            self._busy.add(process)
            return process

    def close(self) -> None:
        """End all processes, those at work too."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for process in busy:
            process.kill()
        for process in idle:
            _end(process)


def _spawn() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "melonkube.registry.datasets.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=False,
    )


def _ask(process: subprocess.Popen[str], task: Task) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(encode(task))
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError as error:
        raise ReaderDied(f"the reading process ended with {process.wait()}") from error
    if not line.endswith("\n"):
        raise ReaderDied(f"the reading process ended with {process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
