"""What the owner of an experiment does for it: suggestions ahead, leases that ran out, the clock, the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Cause, ExperimentState, TrialState
from melonkube.kit.db import Database, ReadSession
from melonkube.kit.errors import NotFound
from melonkube.kit.logs import get_logger
from melonkube.tuner.engine import repository
from melonkube.tuner.engine.fleet import Fleet
from melonkube.tuner.engine.ledger import Ledger, Ledgers, OwnershipLost
from melonkube.tuner.events.bell import rung
from melonkube.tuner.experiments import repository as experiments
from melonkube.tuner.experiments.domain import Course, Ending, Phase, course, overdue, workers_wanted
from melonkube.tuner.experiments.spec import ExperimentSpec
from melonkube.tuner.experiments.views import standing
from melonkube.tuner.leases.handout import OPEN
from melonkube.tuner.leases.settle import conclude, end_search, fail_experiment, lose, open_leases, trial_of
from melonkube.tuner.metrics import TunerMetrics
from melonkube.tuner.search.client import SearchFailed, SearchGone, SearchProcess, SearchSession
from melonkube.tuner.search.protocol import Observation, Outcome
from melonkube.tuner.settings import LeaseSettings, OwnerSettings
from melonkube.tuner.tables import ExperimentRow, LeaseRow, SuggestionRow, TrialRow
from melonkube.tuner.trials import repository as trials

log = get_logger("melonkube.tuner.owner")

DEADLINE_GRACE_SECONDS = 30.0
"""A worker ends a trial at its deadline by itself; one that has not done so by then is taken for hung."""

_LONGEST_PAUSE = 5.0
_COALESCE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class OwnerTools:
    """What every owner of this process works with."""

    db: Database
    ledgers: Ledgers
    fleet: Fleet
    search: SearchProcess
    metrics: TunerMetrics
    lease: LeaseSettings
    owner: OwnerSettings


class Owner:
    """One replica's care for one experiment, under one epoch. Ends when the experiment does, or changes hands."""

    def __init__(self, tools: OwnerTools, workspace_id: str, experiment_id: str, epoch: int) -> None:
        self._tools = tools
        self._workspace_id = workspace_id
        self._experiment_id = experiment_id
        self._epoch = epoch
        self._looked_at: datetime | None = None
        self._quiet_until: datetime | None = None
        self._ended_workers = False
        self._session: SearchSession | None = None
        self._seen = 0
        self.row: ExperimentRow | None = None
        """The experiment as last looked at, for the metrics."""

    async def run(self) -> None:
        """Care for the experiment until it has ended or is another's."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(self._watch), name=f"watch {self._experiment_id}")
                group.create_task(self._repeat(self._suggest), name=f"search {self._experiment_id}")
        except* (OwnershipLost, NotFound):
            log.info("an experiment is not ours any more", experiment_id=self._experiment_id)
        finally:
            self._tools.fleet.drop(self._experiment_id)

    async def _repeat(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Take a step at each ring and each tick until one says that it was the last; outlive an absent database."""
        tick = pause = self._tools.owner.tick_seconds
        with self._tools.ledgers.bell.listen(self._experiment_id) as bell:
            while True:
                # What rings at once is answered by one look, after the answer that rang has left.
                await asyncio.sleep(_COALESCE_SECONDS)
                bell.clear()
                try:
                    if await step():
                        return
                    pause = tick
                except (OwnershipLost, NotFound):
                    raise
                except Exception as error:
                    log.warning("an owner's step failed", experiment_id=self._experiment_id, error=repr(error))
                    await asyncio.sleep(pause)
                    pause = min(_LONGEST_PAUSE, pause * 2)
                    continue
                await rung(bell, tick)

    # The clock, the leases, the end.

    async def _watch(self) -> bool:
        """Look at the experiment, and act where something is due; return whether it has ended."""
        tools = self._tools
        async with tools.db.read() as session:
            row = await experiments.get(session, self._workspace_id, self._experiment_id)
            spec = await tools.ledgers.spec(session, row)
            held = await repository.held(session, self._workspace_id, self._experiment_id)
            now = await tools.db.now(session)
        if row.owner_epoch != self._epoch:
            raise OwnershipLost
        self._keep_quiet(now)
        if self._due(row, spec, held, now):
            async with tools.ledgers.open(self._experiment_id, self._workspace_id, self._epoch) as ledger:
                dead = await self._act(ledger)
                row, held = ledger.row, await open_leases(ledger)
            for worker_id in dead:
                tools.fleet.end_worker(worker_id)
        self.row = row
        self._staff(row, spec, held, now)
        return ExperimentState(row.state).final

    def _keep_quiet(self, now: datetime) -> None:
        """Let nothing expire for a whole lease after a take-over, or after this process could not look for a while."""
        lease = timedelta(seconds=self._tools.lease.seconds)
        blind = timedelta(seconds=max(self._tools.lease.heartbeat_seconds, 5 * self._tools.owner.tick_seconds))
        if self._looked_at is None or now - self._looked_at > blind:
            self._quiet_until = now + lease
        self._looked_at = now

    def _expired(self, lease: LeaseRow, now: datetime) -> bool:
        quiet = self._quiet_until is not None and now < self._quiet_until
        return not quiet and lease.expires_at < now

    def _hung(self, lease: LeaseRow, spec: ExperimentSpec, now: datetime) -> bool:
        allowed = spec.budget.max_trial_seconds
        if allowed is None or lease.trial_id is None:
            return False
        return (now - lease.started_at).total_seconds() > allowed + DEADLINE_GRACE_SECONDS

    def _due(self, row: ExperimentRow, spec: ExperimentSpec, held: Sequence[LeaseRow], now: datetime) -> bool:
        """Whether there is anything to write."""
        if ExperimentState(row.state).final:
            return False
        renew_at = timedelta(seconds=self._tools.owner.seconds * 2 / 3)
        if row.owner_until is None or row.owner_until - now < renew_at:
            return True
        if any(self._expired(lease, now) or self._hung(lease, spec, now) for lease in held):
            return True
        if row.state != ExperimentState.RUNNING or row.phase == Phase.EVALUATING:
            return False
        stand = standing(row, now)
        phase = {Course.SEARCH: Phase.SEARCHING, Course.DRAIN: Phase.FINISHING}.get(course(stand, spec.budget))
        return row.phase != phase or overdue(stand, spec.budget)

    async def _act(self, ledger: Ledger) -> list[str]:
        """Renew the ownership and do what is due; return the workers whose attempts were ended."""
        row, spec, now = ledger.row, ledger.spec, ledger.now
        row.owner_until = now + timedelta(seconds=self._tools.owner.seconds)
        dead = []
        for lease in await open_leases(ledger):
            if lease.state != OPEN:
                continue
            if self._expired(lease, now):
                cause, reason = self._tools.fleet.explain(lease.worker_id)
            elif self._hung(lease, spec, now):
                cause, reason = Cause.DEADLINE, "It ran past its deadline and did not end by itself."
            else:
                continue
            dead.append(lease.worker_id)
            self._tools.metrics.lost.labels(cause.value).inc()
            await lose(ledger, lease, await trial_of(ledger, lease), cause, reason)
        if ledger.state is ExperimentState.RUNNING and row.phase != Phase.EVALUATING:
            if overdue(ledger.standing, spec.budget):
                dead += [lease.worker_id for lease in await open_leases(ledger)]
                await end_search(ledger, Ending.BUDGET)
            else:
                await conclude(ledger)
        return dead

    def _staff(self, row: ExperimentRow, spec: ExperimentSpec, held: Sequence[LeaseRow], now: datetime) -> None:
        """Say how many workers are needed; end those of a search that was stopped or failed."""
        state = ExperimentState(row.state)
        fleet = self._tools.fleet
        if not self._ended_workers and (
            state in (ExperimentState.STOPPED, ExperimentState.FAILED) or row.ending == Ending.STOP
        ):
            self._ended_workers = True
            fleet.end(spec.id, but=frozenset(lease.worker_id for lease in held))
        phase = None if row.phase is None else Phase(row.phase)
        fleet.want(spec, self._epoch, workers_wanted(state, phase, standing(row, now), spec.budget, spec.parallelism))

    # Suggestions ahead.

    async def _suggest(self) -> bool:
        """Work out suggestions until enough lie ready; return whether no more will ever be needed."""
        tools = self._tools
        while True:
            async with tools.db.read() as session:
                row = await experiments.get(session, self._workspace_id, self._experiment_id)
                spec = await tools.ledgers.spec(session, row)
                if ExperimentState(row.state).final or row.phase == Phase.EVALUATING:
                    return True
                number = row.suggested + 1
                limit = spec.budget.max_trials
                if row.suggested - row.numbered >= spec.depth or (limit is not None and number > limit):
                    return False
                history = self._history(spec)
                await self._learn(session, history)
            if number == 1 and spec.baseline_params is not None:
                source, params = "baseline", spec.baseline_params
            else:
                began = time.perf_counter()
                try:
                    source = spec.algorithm
                    params = await tools.search.suggest(history, number, number - 1 - spec.depth)
                except SearchGone:
                    log.warning("the search process is gone; it is started again", experiment_id=spec.id)
                    history.forget()
                    raise
                except SearchFailed as error:
                    await self._fail(f"The search algorithm failed: {error}")
                    return True
                tools.metrics.suggestion.labels(spec.algorithm).observe(time.perf_counter() - began)
            await self._add(number, source, params)

    def _history(self, spec: ExperimentSpec) -> SearchSession:
        if self._session is None:
            self._session = SearchSession(spec.algorithm, spec.searched, spec.direction, spec.seed)
        return self._session

    async def _learn(self, session: ReadSession, history: SearchSession) -> None:
        """Take in the trials that changed since the last time."""
        rows = await trials.changed_since(session, self._workspace_id, self._experiment_id, self._seen)
        if rows:
            self._seen = rows[-1].changed
            history.learn([observe(row) for row in rows])

    async def _add(self, number: int, source: str, params: dict[str, Scalar]) -> None:
        async with self._tools.ledgers.open(self._experiment_id, self._workspace_id, self._epoch) as ledger:
            row = ledger.row
            if row.suggested + 1 != number or ledger.state.final or row.phase == Phase.EVALUATING:
                return
            row.suggested = number
            ledger.session.add(
                SuggestionRow(
                    experiment_id=row.id,
                    number=number,
                    workspace_id=row.workspace_id,
                    source=source,
                    params=params,
                    created_at=ledger.now,
                )
            )
            ledger.rings = True

    async def _fail(self, reason: str) -> None:
        async with self._tools.ledgers.open(self._experiment_id, self._workspace_id, self._epoch) as ledger:
            if not ledger.state.final:
                await fail_experiment(ledger, reason)


def observe(row: TrialRow) -> Observation:
    """Return a trial as a search sees it."""
    state = TrialState(row.state)
    if row.value is not None and state in (TrialState.COMPLETED, TrialState.PRUNED):
        return Observation(row.number, row.params, Outcome.DONE, row.value)
    return Observation(row.number, row.params, Outcome.FAILED if state.final else Outcome.PENDING)
