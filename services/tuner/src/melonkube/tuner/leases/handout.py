"""Gives a worker its next work, within a transaction."""

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import bindparam, delete, select

from melonkube.contracts.experiments import ExperimentState, TrialState
from melonkube.contracts.ids import new_id
from melonkube.contracts.worker import Assignment, EvaluationAssignment, TrialAssignment
from melonkube.kit.db import table_of
from melonkube.tuner.engine.ledger import Ledger
from melonkube.tuner.experiments.domain import ExperimentEvent, Phase, may_issue
from melonkube.tuner.tables import LeaseRow, SuggestionRow, TrialRow
from melonkube.tuner.trials.domain import TrialEvent

OPEN = "open"
CLOSED = "closed"

_HELD = select(LeaseRow).where(
    LeaseRow.workspace_id == bindparam("workspace"),
    LeaseRow.experiment_id == bindparam("experiment"),
    LeaseRow.worker_id == bindparam("worker"),
    LeaseRow.state == OPEN,
)
_SUGGESTIONS = table_of(SuggestionRow).c
_TAKEN = (
    delete(table_of(SuggestionRow))
    .where(
        _SUGGESTIONS.workspace_id == bindparam("workspace"),
        _SUGGESTIONS.experiment_id == bindparam("experiment"),
        _SUGGESTIONS.number == bindparam("following"),
    )
    .returning(_SUGGESTIONS.number, _SUGGESTIONS.source, _SUGGESTIONS.params)
)


class Nothing(StrEnum):
    """Why a worker is given no work."""

    WAIT = "wait"
    """There may be some in a moment."""
    EXIT = "exit"
    """There will be none for this worker."""


async def open_lease(ledger: Ledger, worker_id: str) -> LeaseRow | None:
    """Return the lease the worker holds."""
    return (
        (
            await ledger.session.execute(
                _HELD, {"workspace": ledger.row.workspace_id, "experiment": ledger.row.id, "worker": worker_id}
            )
        )
        .scalars()
        .first()
    )


async def hand_out(
    ledger: Ledger, worker_id: str, *, lease_seconds: float, retiring: bool, fresh: bool = False
) -> Assignment | Nothing:
    """Give a worker what it holds already, else the next work there is.

    Args:
        ledger: The transaction.
        worker_id: Who asks.
        lease_seconds: How long the lease lasts.
        retiring: Whether this worker's slot is wanted elsewhere.
        fresh: Whether it is known to hold nothing.
    """
    if not fresh:
        held = await open_lease(ledger, worker_id)
        if held is not None:
            return await _again(ledger, held)
    row = ledger.row
    if ledger.state.final or ledger.state is ExperimentState.PAUSED or retiring:
        return Nothing.EXIT
    if row.phase == Phase.EVALUATING:
        return await _evaluation(ledger, worker_id, lease_seconds)
    if row.running >= ledger.spec.parallelism:
        return Nothing.WAIT
    trial = await _waiting_trial(ledger) or await _new_trial(ledger)
    if trial is None:
        return Nothing.WAIT
    lease = _lease(ledger, worker_id, lease_seconds, trial_id=trial.id, attempt=trial.attempt + 1)
    trial.attempt = lease.attempt
    trial.run_id = lease.id
    trial.worker_id = worker_id
    trial.cause = trial.reason = None
    trial.last_step = trial.last_value = None
    trial.started_at = ledger.now
    ledger.move(trial, TrialEvent.LEASE)
    if row.started_at is None:
        await ledger.advance(ExperimentEvent.BEGIN)
    return _assignment(ledger, trial)


async def _again(ledger: Ledger, held: LeaseRow) -> Assignment:
    if held.trial_id is None:
        return _models(ledger, held.id)
    trial = (
        await ledger.session.execute(
            select(TrialRow).where(TrialRow.workspace_id == ledger.row.workspace_id, TrialRow.id == held.trial_id)
        )
    ).scalar_one()
    return _assignment(ledger, trial)


async def _waiting_trial(ledger: Ledger) -> TrialRow | None:
    """Return the first trial that waits for another attempt."""
    if ledger.row.queued == 0:
        return None
    session = await ledger.settled()
    return (
        await session.execute(
            select(TrialRow)
            .where(
                TrialRow.workspace_id == ledger.row.workspace_id,
                TrialRow.experiment_id == ledger.row.id,
                TrialRow.state == TrialState.QUEUED,
            )
            .order_by(TrialRow.number)
            .limit(1)
        )
    ).scalar_one_or_none()


async def _new_trial(ledger: Ledger) -> TrialRow | None:
    """Make the next suggestion a trial, if the budget allows one more."""
    row = ledger.row
    if row.suggested == row.numbered or not may_issue(ledger.standing, ledger.spec.budget):
        return None
    following = {"workspace": row.workspace_id, "experiment": row.id, "following": row.numbered + 1}
    number, source, params = (await ledger.session.execute(_TAKEN, following)).one()
    row.numbered = number
    trial = TrialRow(
        id=new_id(),
        workspace_id=row.workspace_id,
        experiment_id=row.id,
        number=number,
        state=TrialState.QUEUED,
        source=source,
        params=params,
        value=None,
        metrics={},
        attempt=0,
        losses=0,
        out_of_memory=0,
        changed=0,
        created_at=ledger.now,
        finished_at=None,
    )
    ledger.enter(trial)
    return trial


async def _evaluation(ledger: Ledger, worker_id: str, lease_seconds: float) -> Assignment | Nothing:
    """Give the scoring on the holdout to one worker; the others have nothing to do any more."""
    session = await ledger.settled()
    busy = (
        await session.execute(
            select(LeaseRow.id).where(
                LeaseRow.workspace_id == ledger.row.workspace_id,
                LeaseRow.experiment_id == ledger.row.id,
                LeaseRow.state == OPEN,
            )
        )
    ).first()
    if busy is not None:
        return Nothing.EXIT
    attempt = ledger.row.scoring_errors + ledger.row.scoring_losses + 1
    lease = _lease(ledger, worker_id, lease_seconds, trial_id=None, attempt=attempt)
    return _models(ledger, lease.id)


def _lease(ledger: Ledger, worker_id: str, seconds: float, *, trial_id: str | None, attempt: int) -> LeaseRow:
    lease = LeaseRow(
        id=new_id(),
        workspace_id=ledger.row.workspace_id,
        experiment_id=ledger.row.id,
        trial_id=trial_id,
        attempt=attempt,
        worker_id=worker_id,
        state=OPEN,
        accepted=False,
        started_at=ledger.now,
        expires_at=ledger.now + timedelta(seconds=seconds),
    )
    ledger.session.add(lease)
    ledger.rings = True
    return lease


def _assignment(ledger: Ledger, trial: TrialRow) -> TrialAssignment:
    return TrialAssignment(
        run_id=trial.run_id or "",
        trial_id=trial.id,
        number=trial.number,
        attempt=trial.attempt,
        source=trial.source,
        params=trial.params,
        max_seconds=ledger.spec.budget.max_trial_seconds,
    )


def _models(ledger: Ledger, run_id: str) -> EvaluationAssignment:
    models = {
        label: result["run_id"]
        for label, result in (("best", ledger.row.best), ("baseline", ledger.row.baseline))
        if result is not None
    }
    return EvaluationAssignment(run_id=run_id, models=models)
