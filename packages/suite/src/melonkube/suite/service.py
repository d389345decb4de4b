"""One service under supervision: started, watched, started again, ended."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable

import httpx

from melonkube.suite.console import Console
from melonkube.suite.logfile import Notice, RotatingFile, ServiceLog
from melonkube.suite.plan import WORKER_DOOR
from melonkube.suite.restarts import RestartPolicy

_PIECE = 1 << 16
_READY_POLL_SECONDS = 0.1

_SIGNS_OF_LIFE = {"gateway": ("/healthz", 200), WORKER_DOOR: ("/", 404)}
"""Path and status that show a service to be ready, where that is not ``/readyz``: the gateway's own readiness is
everybody's, and the door for workers has nothing to show."""


class Hopeless(Exception):
    """A service cannot start, and trying again does not help. The message is for a person."""


class ProcessGroup:
    """The process group of all services: apart from the terminal's, so that Ctrl-C reaches the supervisor alone."""

    def __init__(self) -> None:
        self._members: set[Process] = set()
        self._id = 0
        self._one_at_a_time = asyncio.Lock()

    async def start(self, *command: str, environment: dict[str, str], output: int, keep: int) -> Process:
        """Start a process in the group.

        Args:
            command: Program and arguments.
            environment: All of its environment.
            output: Descriptor for its standard output and error.
            keep: Descriptor that it inherits.
        """
        async with self._one_at_a_time:
            group = self._id if any(member.returncode is None for member in self._members) else 0
            try:
                process = await self._spawn(group, command, environment, output, keep)
            except PermissionError:
                # The last member left between the look and the start: the group is gone, and a new one begins.
                process = await self._spawn(0, command, environment, output, keep)
                group = 0
            if group == 0:
                self._id = process.pid
            self._members.add(process)
            return process

    @staticmethod
    async def _spawn(
        group: int, command: tuple[str, ...], environment: dict[str, str], output: int, keep: int
    ) -> Process:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=(keep,),
            process_group=group,
        )

    def left(self, process: Process) -> None:
        """Forget a process that ended."""
        self._members.discard(process)

    def kill(self) -> None:
        """End every process of the group at once, the workers too."""
        if any(member.returncode is None for member in self._members):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._id, signal.SIGKILL)


class SupervisedService:
    """Keeps one service running until it is told to stop. To be used within one event loop.

    Args:
        name: Its name.
        module: What it runs.
        listener: Its socket; the supervisor's, so that connections wait in it while the service restarts.
        address: Where it answers.
        environment: Makes its environment of the descriptor it inherits.
        group: Where it is started.
        log_file: Where its lines go.
        console: Where its restarts and warnings are told.
        policy: When it is started again.
    """

    def __init__(
        self,
        name: str,
        *,
        module: str,
        listener: socket.socket,
        address: str,
        environment: Callable[[int], dict[str, str]],
        group: ProcessGroup,
        log_file: RotatingFile,
        console: Console,
        policy: RestartPolicy,
    ) -> None:
        self.name = name
        self._module = module
        self._listener = listener
        self._address = address
        self._environment = environment
        self._group = group
        self._console = console
        self._policy = policy
        self._log = ServiceLog(log_file, self._notice)
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while the service says that it is ready."""

    async def run(self) -> None:
        """Keep the service running until :meth:`stop`.

        Raises:
            Hopeless: It cannot start.
        """
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reader, self._drain, reader)
        try:
            while not self._stopping.is_set():
                wait = await self._run_once(writer)
                if wait is None or self._stopping.is_set():
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
            if not self._stopping.is_set():
                self._drain(reader)
                raise Hopeless(f"The {self.name} service cannot start: {self._log.last_words()}")
        finally:
            loop.remove_reader(reader)
            self._drain(reader)
            os.close(reader)
            os.close(writer)
            self._log.close()

    async def _run_once(self, output: int) -> float | None:
        descriptor = self._listener.fileno()
        began = time.monotonic()
        process = await self._group.start(
            sys.executable,
            "-P",
            "-m",
            self._module,
            environment=self._environment(descriptor),
            output=output,
            keep=descriptor,
        )
        self._process = process
        if self._stopping.is_set():
            process.terminate()
        watch = asyncio.create_task(self._watch_ready())
        try:
            code = await process.wait()
        finally:
            was_ready = self.ready.is_set()
            watch.cancel()
            self.ready.clear()
            self._process = None
            self._group.left(process)
        wait = self._policy.ended(uptime=time.monotonic() - began, ready=was_ready, by_signal=code < 0)
        if wait is None or self._stopping.is_set():
            return None
        wait *= random.uniform(0.5, 1.0)  # noqa: S311 - only spreads restarts
        self._console.say(f"{self.name} {_ending(code)}; starting it again.", level="warning")
        return wait

    async def _watch_ready(self) -> None:
        path, status = _SIGNS_OF_LIFE.get(self.name, ("/readyz", 200))
        host = f"localhost:{self._listener.getsockname()[1]}"
        async with httpx.AsyncClient(timeout=None, trust_env=False) as client:  # noqa: S113 - it may wait for a start
            while True:
                # The connection waits in the socket until the service takes it: the first answer comes at once.
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get(self._address + path, headers={"Host": host})
                    if answer.status_code == status:
                        self.ready.set()
                        return
                await asyncio.sleep(_READY_POLL_SECONDS)

    async def stop(self, seconds: float) -> None:
        """Ask the service to end, and end it when it has not after ``seconds``. :meth:`run` returns then."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._console.say(f"{self.name} did not end within {seconds:g} seconds and is killed.", level="warning")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def give_up(self) -> None:
        """Never start the service again."""
        self._stopping.set()

    def _drain(self, reader: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(reader, _PIECE):
                self._log.feed(piece)

    def _notice(self, notice: Notice) -> None:
        self._console.warn(f"{self.name}: {notice.event}")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
