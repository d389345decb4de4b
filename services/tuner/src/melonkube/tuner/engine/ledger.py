"""One transaction's hold on one experiment: its row locked, its events written with the change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from melonkube.contracts.events import EventType
from melonkube.contracts.experiments import ExperimentState, Trial, TrialState
from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import RunState
from melonkube.kit.db import Database, ReadSession, WriteSession, table_of
from melonkube.kit.errors import Conflict, NotFound
from melonkube.tuner.events.bell import OUTBOX, Bell
from melonkube.tuner.experiments import domain as experiments
from melonkube.tuner.experiments.domain import ExperimentEvent, Phase, Standing
from melonkube.tuner.experiments.spec import ExperimentSpec
from melonkube.tuner.experiments.views import elapsed_seconds, experiment_view, standing
from melonkube.tuner.tables import EventRow, ExperimentRow, ExperimentSpecRow, OutboxRow, SuggestionRow, TrialRow
from melonkube.tuner.trials import domain as trials
from melonkube.tuner.trials.domain import TrialEvent
from melonkube.tuner.trials.views import trial_view

_COUNTERS = {
    TrialState.QUEUED: "queued",
    TrialState.LEASED: "running",
    TrialState.RUNNING: "running",
    TrialState.COMPLETED: "completed",
    TrialState.PRUNED: "pruned",
    TrialState.FAILED: "failed",
    TrialState.STOPPED: "stopped",
}
_RUN_STATES = {
    ExperimentState.COMPLETED: RunState.COMPLETED,
    ExperimentState.STOPPED: RunState.STOPPED,
    ExperimentState.FAILED: RunState.FAILED,
}
_SPECS_KEPT = 1024

# Built once: at a hand-over, building a statement and its cache key takes longer than running it.
_LOCKED = (
    select(ExperimentRow)
    .where(ExperimentRow.workspace_id == bindparam("workspace"), ExperimentRow.id == bindparam("experiment"))
    .with_for_update()
)
_EVENTS = insert(table_of(EventRow))


class OwnershipLost(Exception):
    """Another replica has taken the experiment over; nothing was written."""


class Ledger:
    """What a transaction may do to an experiment and its trials.

    Counters and events follow each change by themselves. Made by :class:`Ledgers`; not shared between tasks.

    Attributes:
        session: The writing session of the transaction.
        row: The experiment, locked.
        spec: Its part that never changes.
        now: The database's clock.
    """

    def __init__(self, session: WriteSession, row: ExperimentRow, spec: ExperimentSpec, now: datetime) -> None:
        self.session = session
        self.row = row
        self.spec = spec
        self.now = now
        self._changed: dict[str, TrialRow] = {}
        self._reports: list[dict[str, Any]] = []
        self._announce = False
        self.rings = False
        """Whether someone who waits for this experiment should look."""
        self.posts = False
        """Whether there is a new call in the outbox."""

    @property
    def state(self) -> ExperimentState:
        """The experiment's state."""
        return ExperimentState(self.row.state)

    @property
    def standing(self) -> Standing:
        """How far the search has come."""
        return standing(self.row, self.now)

    def announce(self) -> None:
        """Have an event tell of the experiment's new state."""
        self._announce = True

    def touch(self, trial: TrialRow) -> None:
        """Have an event tell of the trial's new state."""
        self._changed[trial.id] = trial

    def report(self, trial: TrialRow, step: int, value: float) -> None:
        """Have an event tell of an intermediate value."""
        self._reports.append({"trial_id": trial.id, "number": trial.number, "step": step, "value": value})

    def move(self, trial: TrialRow, event: TrialEvent) -> None:
        """Take a trial to the state that follows, counters and all.

        Raises:
            Conflict: The event cannot happen to it.
        """
        before = TrialState(trial.state)
        following = trials.step(before, event)
        if isinstance(following, trials.Rejection):
            raise Conflict(f"Trial {trial.number}: {following.reason}.")
        if following is not before:
            self._count(before, -1)
            self._count(following, +1)
            trial.state = following
        if following.final:
            trial.finished_at = self.now
            if following is not TrialState.STOPPED and trial.started_at is not None:
                self.row.trial_seconds += max(0.0, (self.now - trial.started_at).total_seconds())
            self.announce()
        self.touch(trial)

    def enter(self, trial: TrialRow) -> None:
        """Add a new trial, which is queued."""
        self.session.add(trial)
        self._count(TrialState.QUEUED, +1)
        self.touch(trial)

    def _count(self, state: TrialState, by: int) -> None:
        counter = _COUNTERS[state]
        setattr(self.row, counter, getattr(self.row, counter) + by)

    async def advance(self, event: ExperimentEvent, reason: str | None = None) -> None:
        """Take the experiment to the state that follows, with its clock and what its end brings along.

        Raises:
            Conflict: The event cannot happen to it.
        """
        before = self.state
        following = experiments.step(before, event)
        if isinstance(following, experiments.Rejection):
            raise Conflict(f"The experiment is {following.state}: it cannot {following.event} now.")
        row = self.row
        if following is ExperimentState.RUNNING:
            row.active_since = row.active_since or self.now
        elif row.active_since is not None:
            row.active_seconds = elapsed_seconds(row, self.now)
            row.active_since = None
        if event is ExperimentEvent.BEGIN:
            row.started_at = row.started_at or self.now
        elif event is ExperimentEvent.EVALUATE:
            row.phase = Phase.EVALUATING
        if reason is not None or before is ExperimentState.PAUSED:
            row.reason = reason
        if following is not before or event is ExperimentEvent.EVALUATE:
            self.announce()
        row.state = following
        if following.final and not before.final:
            row.finished_at = self.now
            await self.session.execute(delete(SuggestionRow).where(SuggestionRow.experiment_id == row.id))
            self.finish_run(row.run_id, _RUN_STATES[following], row.reason)

    def finish_run(self, run_id: str, state: RunState, reason: str | None) -> None:
        """Have the registry told, sooner or later, that a run is over."""
        self.posts = True
        self.session.add(
            OutboxRow(
                id=new_id(),
                workspace_id=self.row.workspace_id,
                kind="finish_run",
                run_id=run_id,
                state=state,
                reason=None if reason is None else reason[:1024],
                attempts=0,
                due_at=self.now,
            )
        )

    async def settled(self) -> WriteSession:
        """Return the session for a query that must see what was changed so far."""
        await self.session.flush()
        return self.session

    async def flush(self) -> None:
        """Write the events of what changed since the last time; done at the end of the transaction anyway."""
        told: list[tuple[EventType, Any]] = [(EventType.REPORT, report) for report in self._reports]
        told += [(EventType.TRIAL, trial) for trial in self._changed.values()]
        if self._announce:
            told.append((EventType.EXPERIMENT, None))
        if not told:
            return
        rows = []
        for kind, subject in told:
            self.row.last_event += 1
            if kind is EventType.TRIAL:
                subject.changed = self.row.last_event
                data = Trial.model_dump(trial_view(subject), mode="json")
            elif kind is EventType.EXPERIMENT:
                data = experiment_view(self.row, self.spec, self.now).model_dump(mode="json")
            else:
                data = subject
            rows.append(
                {
                    "experiment_id": self.row.id,
                    "seq": self.row.last_event,
                    "workspace_id": self.row.workspace_id,
                    "type": kind.value,
                    "at": self.now,
                    "data": data,
                }
            )
        self._reports, self._changed, self._announce = [], {}, False
        await self.session.flush()
        await self.session.execute(_EVENTS, rows)
        self.rings = True


class Ledgers:
    """Opens ledgers, and keeps what never changes of each experiment. Owned by the app."""

    def __init__(self, db: Database, bell: Bell) -> None:
        self._db = db
        self.bell = bell
        self._specs: dict[str, ExperimentSpec] = {}

    @asynccontextmanager
    async def open(self, experiment_id: str, workspace_id: str, epoch: int | None = None) -> AsyncIterator[Ledger]:
        """Lock an experiment for one transaction, committed at the end; then wake who waits for it.

        Args:
            experiment_id: The experiment.
            workspace_id: Whose it must be.
            epoch: The writing owner's epoch, for what the owner alone may do.

        Raises:
            NotFound: There is no such experiment in the workspace.
            OwnershipLost: The epoch is over.
        """
        async with self._db.write() as session:
            row = (
                await session.execute(_LOCKED, {"workspace": workspace_id, "experiment": experiment_id})
            ).scalar_one_or_none()
            if row is None:
                raise not_found(experiment_id)
            if epoch is not None and row.owner_epoch != epoch:
                raise OwnershipLost
            ledger = Ledger(session, row, await self.spec(session, row), await self._db.now(session))
            # One flush at the end is one statement a row; whoever looks for what was changed calls settled().
            with session.no_autoflush:
                yield ledger
                await ledger.flush()
        if ledger.rings:
            self.bell.ring(experiment_id)
        if ledger.posts:
            self.bell.ring(OUTBOX)

    async def spec(self, session: ReadSession, row: ExperimentRow) -> ExperimentSpec:
        """Return the part of an experiment that never changes."""
        known = self._specs.get(row.id)
        if known is None:
            stored = (
                await session.execute(
                    select(ExperimentSpecRow.spec).where(
                        ExperimentSpecRow.workspace_id == row.workspace_id, ExperimentSpecRow.experiment_id == row.id
                    )
                )
            ).scalar_one()
            known = ExperimentSpec.model_validate(stored)
            if len(self._specs) >= _SPECS_KEPT:
                self._specs.clear()
            self._specs[row.id] = known
        return known


def not_found(experiment_id: str) -> NotFound:
    """Return the error for an experiment that is not there."""
    return NotFound(f"There is no experiment {experiment_id}; GET /api/v1/experiments lists what there is.")
