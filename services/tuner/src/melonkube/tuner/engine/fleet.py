"""Keeps as many workers as there is work for, each experiment's share of the slots, and takes note of their ends."""

import asyncio
import time
from dataclasses import dataclass, field

from melonkube.contracts.experiments import Cause
from melonkube.kit.errors import NotFound
from melonkube.kit.logs import get_logger
from melonkube.tuner.engine.ledger import Ledgers
from melonkube.tuner.engine.shares import Claim, share
from melonkube.tuner.executors.protocol import CannotStart, Executor, WorkerExit, WorkerOrder
from melonkube.tuner.experiments.spec import ExperimentSpec
from melonkube.tuner.leases.handout import open_lease
from melonkube.tuner.leases.settle import fail_experiment, lose, trial_of
from melonkube.tuner.leases.tokens import WorkerTokens
from melonkube.tuner.metrics import TunerMetrics
from melonkube.tuner.settings import WorkerSettings

log = get_logger("melonkube.tuner.fleet")

MAX_START_FAILURES = 5
"""So many workers in a row that ended before they were given work, and the experiment cannot run."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_KILLED_PAUSE = 0.2
_RETRY_SECONDS = 1.0


@dataclass
class _Crew:
    """The workers of one experiment. ``since`` as in :class:`Claim`."""

    spec: ExperimentSpec
    wanted: int = 0
    since: float = 0.0
    workers: set[str] = field(default_factory=set)
    failures: int = 0
    not_before: float = 0.0


class Fleet:
    """Starts and retires workers. One per process; used on the event loop."""

    def __init__(
        self,
        executor: Executor,
        ledgers: Ledgers,
        tokens: WorkerTokens,
        settings: WorkerSettings,
        metrics: TunerMetrics,
    ) -> None:
        self._executor = executor
        self._ledgers = ledgers
        self._tokens = tokens
        self._settings = settings
        self._metrics = metrics
        self._crews: dict[str, _Crew] = {}
        self._proven: set[str] = set()
        self._retiring: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._count = 0
        self._wake = asyncio.Event()
        self._closing = False
        metrics.slots.set(executor.slots or 0)

    # What the worker API asks.

    def retiring(self, worker_id: str) -> bool:
        """Whether a worker should end: its slot is wanted elsewhere, the tuner ends, or the worker is dead already."""
        if worker_id in self._retiring or self._executor.died_before(worker_id):
            return True
        ours = worker_id.startswith(self._executor.prefix)
        return ours and (self._closing or worker_id not in self._executor.workers())

    def leased(self, worker_id: str) -> None:
        """Note that a worker has been given work: it can start."""
        self._proven.add(worker_id)
        for crew in self._crews.values():
            if worker_id in crew.workers:
                crew.failures = 0

    # What the owners ask.

    def want(self, spec: ExperimentSpec, wanted: int) -> None:
        """Say how many workers an experiment has work for."""
        crew = self._crews.get(spec.id)
        if crew is None:
            crew = self._crews[spec.id] = _Crew(spec, since=time.monotonic())
        if crew.wanted != wanted:
            crew.wanted = wanted
            self._wake.set()

    def drop(self, experiment_id: str) -> None:
        """Say that an experiment needs no workers any more."""
        crew = self._crews.get(experiment_id)
        if crew is None:
            return
        crew.wanted = 0
        self._wake.set()

    def end(self, experiment_id: str, *, but: frozenset[str] = frozenset()) -> None:
        """End the workers of an experiment at once, but some."""
        crew = self._crews.get(experiment_id)
        for worker_id in sorted(crew.workers - but) if crew is not None else ():
            self.end_worker(worker_id)

    def end_worker(self, worker_id: str) -> None:
        """End a worker at once."""
        if worker_id not in self._executor.workers():
            return
        self._retiring.add(worker_id)
        task = asyncio.create_task(self._executor.end(worker_id, self._settings.stop_seconds))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    # The task.

    async def run(self) -> None:
        """Keep the workers until cancelled."""
        while True:
            self._wake.clear()
            try:
                pause = await self._arrange()
            except Exception:
                log.exception("workers could not be arranged")
                pause = _RETRY_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def close(self, grace_seconds: float) -> None:
        """Start no more workers; have those there are hand back their trials, and end them."""
        if not self._closing:
            self._closing = True
            self._ledgers.bell.ring_all()
            await self._executor.close(grace_seconds)

    async def _arrange(self) -> float:
        """Bring the workers to their shares; return after how long to look again."""
        if self._closing:
            return 60.0
        now = time.monotonic()
        claims = [
            Claim(experiment_id, crew.wanted, len(crew.workers), crew.since)
            for experiment_id, crew in self._crews.items()
        ]
        shares = share(self._executor.slots, claims, now, self._settings.turn_seconds)
        self._retire(shares)
        pause = self._settings.turn_seconds
        for experiment_id, due in shares.items():
            crew = self._crews[experiment_id]
            missing = due - len(crew.workers)
            if missing > 0 and crew.not_before > now:
                pause = min(pause, crew.not_before - now)
                continue
            for _ in range(missing):
                if not self._free():
                    break
                await self._start(crew)
        for experiment_id in [each for each, crew in self._crews.items() if not crew.wanted and not crew.workers]:
            del self._crews[experiment_id]
        self._metrics.workers.set(len(self._executor.workers()))
        return max(0.05, pause)

    def _free(self) -> bool:
        slots = self._executor.slots
        return slots is None or len(self._executor.workers()) < slots

    def _retire(self, shares: dict[str, int]) -> None:
        """Choose who leaves where an experiment has more than its share: those that were given no work yet first."""
        retiring: set[str] = set()
        for experiment_id, crew in self._crews.items():
            surplus = len(crew.workers) - shares.get(experiment_id, 0)
            if surplus > 0:
                order = sorted(crew.workers, key=lambda each: (each not in self._retiring, each in self._proven, each))
                retiring.update(order[:surplus])
        if retiring != self._retiring:
            self._retiring = retiring
            for experiment_id, crew in self._crews.items():
                if crew.workers & retiring:
                    self._ledgers.bell.ring(experiment_id)

    async def _start(self, crew: _Crew) -> None:
        spec = crew.spec
        self._count += 1
        worker_id = f"{self._executor.prefix}{self._count}"
        order = WorkerOrder(
            worker_id=worker_id,
            workspace_id=spec.workspace_id,
            experiment_id=spec.id,
            token=self._tokens.issue(worker_id, spec.workspace_id, spec.id, spec.dataset_id),
            trials=str(spec.trials_per_worker),
            request_id=spec.request_id,
        )
        if not crew.workers:
            crew.since = time.monotonic()
        try:
            await self._executor.start(order, self._on_exit)
        except CannotStart as error:
            await self._start_failed(crew, str(error))
            return
        crew.workers.add(worker_id)

    async def _on_exit(self, end: WorkerExit) -> None:
        """Settle what a worker left open, then fill its place."""
        crew = self._crews.get(end.experiment_id)
        asked = end.worker_id in self._retiring or self._closing
        proven = end.worker_id in self._proven
        self._proven.discard(end.worker_id)
        self._retiring.discard(end.worker_id)
        if end.cause is not None and not asked:
            log.warning("worker ended before its time", worker_id=end.worker_id, cause=end.cause, tail=end.tail[-5:])
        await self._settle(end, asked=asked)
        if crew is not None:
            crew.workers.discard(end.worker_id)
            if not crew.workers:
                crew.since = time.monotonic()
            if not proven and not asked:
                await self._ended_unproven(crew, end)
        self._wake.set()

    async def _settle(self, end: WorkerExit, *, asked: bool) -> None:
        """Record the end of the attempt the worker held, if any, however long the database is away."""
        cause, reason = end.cause, end.reason
        if cause is None:
            cause = Cause.RELEASED if asked else Cause.WORKER_KILLED
            reason = None if asked else "The worker ended without a word."
        while True:
            try:
                async with self._ledgers.open(end.experiment_id, end.workspace_id) as ledger:
                    lease = await open_lease(ledger, end.worker_id)
                    if lease is not None:
                        self._metrics.lost.labels(cause.value).inc()
                        await lose(ledger, lease, await trial_of(ledger, lease), cause, reason)
                return
            except NotFound:
                return
            except Exception as error:
                log.warning("a worker's end could not be recorded yet", worker_id=end.worker_id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _ended_unproven(self, crew: _Crew, end: WorkerExit) -> None:
        """A worker that ended before it was given work: wait longer each time, and give up in the end."""
        if end.cause in (Cause.WORKER_KILLED, Cause.RELEASED):
            crew.not_before = time.monotonic() + _KILLED_PAUSE
            return
        await self._start_failed(crew, end.reason or "The worker ended at once, without a word.")

    async def _start_failed(self, crew: _Crew, reason: str) -> None:
        if self._closing:
            return
        crew.failures += 1
        crew.not_before = time.monotonic() + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (crew.failures - 1))
        if crew.failures < MAX_START_FAILURES:
            return
        crew.failures = 0
        crew.wanted = 0
        try:
            async with self._ledgers.open(crew.spec.id, crew.spec.workspace_id) as ledger:
                if not ledger.state.final:
                    await fail_experiment(ledger, f"Workers cannot start. {reason}")
        except NotFound:
            return
