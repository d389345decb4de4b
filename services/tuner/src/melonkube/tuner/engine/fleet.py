"""Keeps as many workers as there is work for, each experiment's share of the slots, and takes note of their ends."""

import asyncio
import time
from contextlib import suppress
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
_COALESCE_SECONDS = 0.3
_STARTS_AT_ONCE = 32
_STRAY_SECONDS = 30.0
"""A worker whose experiment nobody here cares for is looked into after so long."""


@dataclass
class _Crew:
    """The workers of one experiment. ``since`` as in :class:`Claim`.

    Attributes:
        epoch: The owner's, under which workers are named.
        said: What the experiment says of workers that cannot begin.
        stuck_since: Since when some cannot while none works.
    """

    spec: ExperimentSpec
    epoch: int
    wanted: int = 0
    count: int = 0
    said: str | None = None
    stuck_since: float | None = None
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
        pending_seconds: float,
    ) -> None:
        """Prepare; :meth:`run` does the work.

        Args:
            executor: Runs them.
            ledgers: Open experiments.
            tokens: Issue workers' tokens.
            settings: Times.
            metrics: Counted here.
            pending_seconds: How long an experiment may have no worker that can begin before it fails.
        """
        self._executor = executor
        self._ledgers = ledgers
        self._tokens = tokens
        self._settings = settings
        self._metrics = metrics
        self._crews: dict[str, _Crew] = {}
        self._proven: set[str] = set()
        self._retiring: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._pending_seconds = pending_seconds
        self._opened = False
        self._strays: dict[str, float] = {}
        self._look_soon: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._closing = False
        metrics.slots.set(executor.slots or 0)

    # What the worker API asks.

    def retiring(self, worker_id: str) -> bool:
        """Whether a worker should end: its slot is wanted elsewhere, the tuner ends, or the worker is dead already."""
        if worker_id in self._retiring or self._executor.died_before(worker_id):
            return True
        if not self._opened or not self._executor.owns(worker_id):
            return False
        return (self._closing and not self._executor.outlives) or worker_id not in self._executor.workers()

    def explain(self, worker_id: str) -> tuple[Cause, str | None]:
        """Return why a worker's lease ran out, as far as it is known."""
        plight = self._executor.plight(worker_id)
        return (Cause.LEASE_LOST, None) if plight is None else (plight.cause, plight.reason)

    def leased(self, worker_id: str) -> None:
        """Note that a worker has been given work: it can start."""
        self._proven.add(worker_id)
        for crew in self._crews.values():
            if worker_id in crew.workers:
                crew.failures = 0

    # What the owners ask.

    def want(self, spec: ExperimentSpec, epoch: int, wanted: int) -> None:
        """Say how many workers an experiment has work for, in an owner's epoch."""
        crew = self._crews.get(spec.id)
        if crew is None:
            there = set(self._executor.workers_of(spec.id))
            crew = self._crews[spec.id] = _Crew(spec, epoch, since=time.monotonic(), workers=there)
            self._proven |= there
        if crew.epoch != epoch:
            crew.epoch, crew.count = epoch, 0
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
        while not self._opened:
            try:
                await self._executor.open(self._on_exit, self._changed)
                self._opened = True
            except Exception as error:
                log.error("there is nowhere to run workers", reason=str(error))
                await asyncio.sleep(_LONGEST_PAUSE)
        for crew in self._crews.values():
            there = self._executor.workers_of(crew.spec.id)
            crew.workers |= there
            self._proven |= there
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

    def _changed(self) -> None:
        """Look before long: what happens to many workers at once is looked at once."""
        if self._look_soon is None:
            self._look_soon = asyncio.get_running_loop().call_later(_COALESCE_SECONDS, self._look)

    def _look(self) -> None:
        self._look_soon = None
        self._wake.set()

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
        due_now: list[_Crew] = []
        for experiment_id, due in shares.items():
            crew = self._crews[experiment_id]
            missing = due - len(crew.workers)
            if missing > 0 and crew.not_before > now:
                pause = min(pause, crew.not_before - now)
                continue
            due_now += [crew] * max(0, missing)
        gate = asyncio.Semaphore(_STARTS_AT_ONCE)

        async def start(crew: _Crew) -> None:
            async with gate:
                if crew.wanted and crew.not_before <= now:
                    await self._start(crew)

        await asyncio.gather(*(start(crew) for crew in due_now[: self._free()]))
        for experiment_id in [each for each, crew in self._crews.items() if not crew.wanted and not crew.workers]:
            del self._crews[experiment_id]
            await self._executor.forget(experiment_id)
        for crew in list(self._crews.values()):
            await self._tell(crew)
        await self._look_into_strays()
        self._metrics.workers.set(len(self._executor.workers()))
        return max(0.05, pause)

    def _free(self) -> int | None:
        """Return how many slots are free, None where nothing bounds them."""
        slots = self._executor.slots
        return None if slots is None else max(0, slots - len(self._executor.workers()))

    async def _tell(self, crew: _Crew) -> None:
        """Have the experiment say why workers cannot begin; fail it where none could for long."""
        plights = [plight for worker_id in sorted(crew.workers) if (plight := self._executor.plight(worker_id))]
        working = len(crew.workers) - len(plights)
        said = None
        if plights and crew.wanted:
            others = f"{len(plights)} of {len(crew.workers)} workers wait. " if working else ""
            said = f"{others}{plights[0].reason}"[:4000]
        now = time.monotonic()
        if said is None or working:
            crew.stuck_since = None
        elif crew.stuck_since is None:
            crew.stuck_since = now
        late = crew.stuck_since is not None and now - crew.stuck_since > self._pending_seconds
        if said == crew.said and not late:
            return
        with suppress(NotFound):
            async with self._ledgers.open(crew.spec.id, crew.spec.workspace_id) as ledger:
                if ledger.state.final:
                    return
                if late:
                    await fail_experiment(ledger, f"No worker could begin within {self._pending_seconds:g} s. {said}")
                    crew.wanted = 0
                else:
                    ledger.row.reason = said
                    ledger.announce()
            crew.said = said

    async def _look_into_strays(self) -> None:
        """End workers of experiments that are over or gone, which an earlier tuner did not come to end."""
        now = time.monotonic()
        strays = {each: key for each, key in self._executor.experiments().items() if each not in self._crews}
        self._strays = {each: self._strays.get(each, now) for each in strays}
        for experiment_id, since in list(self._strays.items()):
            if now - since < _STRAY_SECONDS:
                continue
            self._strays[experiment_id] = now
            try:
                async with self._ledgers.open(experiment_id, strays[experiment_id]) as ledger:
                    over = ledger.state.final
            except NotFound:
                over = True
            if over:
                log.warning("workers of an experiment that is over are ended", experiment_id=experiment_id)
                for worker_id in self._executor.workers_of(experiment_id):
                    self.end_worker(worker_id)
                await self._executor.forget(experiment_id)

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
        crew.count += 1
        worker_id = self._executor.name_worker(spec.id, crew.epoch, crew.count)
        order = WorkerOrder(
            worker_id=worker_id,
            workspace_id=spec.workspace_id,
            experiment_id=spec.id,
            token=self._tokens.issue(worker_id, spec.workspace_id, spec.id, spec.dataset_id),
            trials=str(spec.trials_per_worker),
            request_id=spec.request_id,
            spec=spec.worker,
            container=spec.container,
        )
        if not crew.workers:
            crew.since = time.monotonic()
        crew.workers.add(worker_id)
        try:
            await self._executor.start(order, self._on_exit)
        except CannotStart as error:
            crew.workers.discard(worker_id)
            await self._start_failed(crew, str(error))

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
