"""Workers as processes of this machine: children of the tuner, in its process group, dead when it is."""

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from melonkube.contracts.experiments import Cause, ExecutorInfo
from melonkube.contracts.ids import new_id
from melonkube.contracts.workload import ContainerSpec, WorkerSpec
from melonkube.kit.logs import get_logger
from melonkube.tuner.executors.exits import explain, oom_kills
from melonkube.tuner.executors.protocol import CannotStart, OnChange, OnExit, Plight, WorkerExit, WorkerOrder
from melonkube.tuner.settings import Settings

log = get_logger("melonkube.tuner.local")

_TAIL_LINES = 50
_LINE_BYTES = 64 << 10
_DRAIN_SECONDS = 1.0
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "SSL_CERT_FILE", "VIRTUAL_ENV")


@dataclass
class _Worker:
    order: WorkerOrder
    process: Process
    on_exit: OnExit
    oom_before: int
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    asked_to_end: bool = False


class LocalExecutor:
    """N slots on this machine. Ids of workers tell the replica and its incarnation: those before are dead."""

    name: ClassVar[str] = "local"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        replica = hashlib.sha256(settings.replica_name.encode()).hexdigest()[:12]
        self._replica = f"local-{replica}-"
        self.prefix = f"{self._replica}{new_id()[-12:]}-"
        self._workers: dict[str, _Worker] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    outlives: ClassVar[bool] = False
    parallelism: ClassVar[int | None] = None

    @property
    def slots(self) -> int | None:
        """How many workers may run at once."""
        return self._settings.slots

    async def open(self, _on_exit: OnExit, _on_change: OnChange) -> None:
        """Begin: there are no workers yet."""

    def name_worker(self, experiment_id: str, epoch: int, number: int) -> str:
        """Return a worker's id, which tells the replica and its incarnation."""
        return f"{self.prefix}{experiment_id.replace('-', '')[-12:]}-{epoch}-{number}"

    def owns(self, worker_id: str) -> bool:
        """Whether a worker is this incarnation's."""
        return worker_id.startswith(self.prefix)

    def died_before(self, worker_id: str) -> bool:
        """Whether a worker died with an earlier process of this replica."""
        return worker_id.startswith(self._replica) and not worker_id.startswith(self.prefix)

    def workers(self) -> frozenset[str]:
        """Return the workers that are alive."""
        return frozenset(self._workers)

    def workers_of(self, experiment_id: str) -> frozenset[str]:
        """Return an experiment's workers that are alive."""
        return frozenset(name for name, each in self._workers.items() if each.order.experiment_id == experiment_id)

    def experiments(self) -> dict[str, str]:
        """Return the experiments that have workers, with their workspaces."""
        return {each.order.experiment_id: each.order.workspace_id for each in self._workers.values()}

    def plight(self, worker_id: str) -> Plight | None:
        """Return what stands in a worker's way: a process is simply there."""
        return None

    def refusal(self, spec: WorkerSpec, container: ContainerSpec | None = None) -> str | None:
        """Return why a worker cannot be as asked: a process of this machine takes what it gets."""
        if container is not None:
            return (
                "Workers are processes of this machine here: a trial in a container image needs Kubernetes. "
                "Leave container out, or start MelonKube with the Kubernetes executor."
            )
        asked = sorted(name for name in spec.model_fields_set if getattr(spec, name) and name != "env")
        if not asked:
            return None
        return f"Workers are processes of this machine here: {', '.join(asked)} cannot be chosen. Leave it out."

    async def info(self) -> ExecutorInfo:
        """Return how many slots there are."""
        return ExecutorInfo(name=self.name, slots=self.slots, busy=len(self._workers))

    async def forget(self, experiment_id: str) -> None:
        """Drop what is kept for an experiment: nothing is."""

    async def start(self, order: WorkerOrder, on_exit: OnExit) -> None:
        """Start a worker process.

        Raises:
            CannotStart: The system refuses another process.
        """
        if self._closed.is_set():
            raise CannotStart("The executor is closed.")
        oom_before = await asyncio.to_thread(oom_kills)
        # A pipe of our own: with asyncio's, the end of a process is not told before the last holder of it is gone.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "melonkube.kit.child", str(os.getpid()), self._settings.worker.module,
                stdin=DEVNULL, stdout=writing, stderr=writing, env=self._environment(order),
            )  # fmt: skip
        except BaseException as error:
            os.close(reading)
            if isinstance(error, OSError):
                raise CannotStart(f"A worker process could not be started: {error}") from error
            raise
        finally:
            os.close(writing)
        worker = _Worker(order, process, on_exit, oom_before)
        self._workers[order.worker_id] = worker
        watcher = asyncio.create_task(self._watch(worker, reading), name=f"watch {order.worker_id}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        log.info("worker started", worker_id=order.worker_id, pid=process.pid, experiment_id=order.experiment_id)
        if self._closed.is_set():
            await self.end(order.worker_id, 0.0)

    async def end(self, worker_id: str, grace_seconds: float) -> None:
        """Send SIGTERM, and SIGKILL after the grace; return when the process is gone."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        worker.asked_to_end = True
        with suppress(ProcessLookupError):
            worker.process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                await worker.ended.wait()
        except TimeoutError:
            log.warning("worker does not end, so it is killed", worker_id=worker_id)
            with suppress(ProcessLookupError):
                worker.process.kill()
            await worker.ended.wait()

    async def close(self, grace_seconds: float) -> None:
        """End every worker and wait until what follows each end is done."""
        self._closed.set()
        await asyncio.gather(*(self.end(worker_id, grace_seconds) for worker_id in list(self._workers)))
        while self._watchers:
            await asyncio.wait(list(self._watchers))

    def _environment(self, order: WorkerOrder) -> dict[str, str]:
        """Return the worker's whole environment: it is given no key and no database of ours."""
        kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        given = {
            "MELON_WORKER_ID": order.worker_id,
            "MELON_WORKER_TOKEN": order.token,
            "MELON_TUNER_URL": self._settings.peers.tuner,
            "MELON_REGISTRY_URL": self._settings.peers.registry,
            "MELON_CACHE_DIR": str(self._settings.cache_dir),
            "MELON_WORKER_TRIALS": order.trials,
            "PYTHONUNBUFFERED": "1",
        }
        if order.request_id is not None:
            given["MELON_REQUEST_ID"] = order.request_id
        return {**kept, **order.spec.env, **given}

    async def _watch(self, worker: _Worker, reading: int) -> None:
        """Read what the process writes until it has ended, then tell how it ended."""
        stream = asyncio.StreamReader(limit=_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
        )
        reader = asyncio.create_task(_drain(worker, stream))
        returncode = await worker.process.wait()
        # What the worker wrote is in the pipe by now; a grandchild may hold it open for long.
        await asyncio.wait({reader}, timeout=_DRAIN_SECONDS)
        reader.cancel()
        transport.close()
        oom_killed = await asyncio.to_thread(oom_kills) > worker.oom_before
        cause, reason = explain(returncode, list(worker.tail), oom_killed=oom_killed)
        if worker.asked_to_end and cause is Cause.WORKER_KILLED:
            cause, reason = Cause.RELEASED, None
        order = worker.order
        del self._workers[order.worker_id]
        worker.ended.set()
        log.info("worker ended", worker_id=order.worker_id, returncode=returncode, cause=cause)
        try:
            await worker.on_exit(
                WorkerExit(order.worker_id, order.workspace_id, order.experiment_id, cause, reason, list(worker.tail))
            )
        except Exception:
            log.exception("what follows a worker's end failed", worker_id=order.worker_id)


async def _drain(worker: _Worker, stream: asyncio.StreamReader) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            # The line is longer than the limit; what was read of it is dropped.
            worker.tail.append("(a line too long to keep)")
            continue
        if not line:
            return
        # No database holds U+0000 in a text.
        worker.tail.append(line.decode("utf-8", "replace").replace("\0", "").rstrip()[:2000])
