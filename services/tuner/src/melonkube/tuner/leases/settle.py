"""Ends attempts and takes the experiment to what follows, within a transaction."""

from collections.abc import Sequence

from sqlalchemy import select

from melonkube.contracts.experiments import Cause, ExperimentState, TrialResult, TrialState
from melonkube.contracts.runs import RunState
from melonkube.contracts.worker import MAX_ATTEMPTS
from melonkube.tuner.engine.ledger import Ledger
from melonkube.tuner.experiments.domain import Course, Ending, ExperimentEvent, Phase, better, course
from melonkube.tuner.leases.handout import CLOSED, OPEN
from melonkube.tuner.tables import LeaseRow, TrialRow
from melonkube.tuner.trials.domain import Setbacks, TrialEvent, after

MAX_SCORING_ERRORS = 3
LOST = "lost"

_CAUSES = {
    Cause.LEASE_LOST: "Its worker was not heard of any more.",
    Cause.WORKER_KILLED: "Its worker was killed from outside.",
    Cause.RELEASED: "Its worker was told to end, and handed it back.",
}


def close(ledger: Ledger, lease: LeaseRow, outcome: str, cause: Cause | None = None, reason: str | None = None) -> None:
    """End an attempt. What it was answered is answered again to a repeat."""
    lease.state = CLOSED
    lease.outcome = outcome
    lease.cause = cause
    lease.reason = reason
    lease.finished_at = ledger.now
    ledger.rings = True


async def complete(ledger: Ledger, lease: LeaseRow, trial: TrialRow, value: float, metrics: dict[str, float]) -> None:
    """Take a trial's result: the winner may change by it."""
    close(ledger, lease, TrialState.COMPLETED)
    lease.accepted = True
    trial.value = value
    trial.metrics = metrics
    ledger.move(trial, TrialEvent.COMPLETE)
    result = TrialResult(
        number=trial.number, trial_id=trial.id, value=value, params=trial.params, run_id=lease.id
    ).model_dump(mode="json")
    row = ledger.row
    if better(value, None if row.best is None else row.best["value"], ledger.spec.direction):
        row.best = result
    if trial.number == 1 and ledger.spec.baseline_params is not None:
        row.baseline = result
    await conclude(ledger)


async def end_without_result(ledger: Ledger, lease: LeaseRow, trial: TrialRow, event: TrialEvent) -> None:
    """Take a trial that its worker pruned or stopped as it was told."""
    close(ledger, lease, TrialState.PRUNED if event is TrialEvent.PRUNE else TrialState.STOPPED)
    lease.accepted = True
    ledger.move(trial, event)
    await conclude(ledger)


async def lose(ledger: Ledger, lease: LeaseRow, trial: TrialRow | None, cause: Cause, reason: str | None) -> None:
    """End an attempt that brought nothing; the trial is tried again or has failed.

    The worker closes the run of an attempt that it ends itself; the outbox does so where it cannot.
    """
    reason = reason or _CAUSES.get(cause)
    if trial is None:
        close(ledger, lease, LOST, cause, reason)
        await _scoring_failed(ledger, cause, reason)
        return
    consequence = after(cause, Setbacks(trial.losses, trial.out_of_memory))
    trial.losses = consequence.setbacks.losses
    trial.out_of_memory = consequence.setbacks.out_of_memory
    trial.cause = cause
    trial.reason = reason
    failed = consequence.event is TrialEvent.FAIL
    close(ledger, lease, TrialState.FAILED if failed else LOST, cause, reason)
    ledger.finish_run(lease.id, RunState.FAILED if failed else RunState.LOST, reason)
    ledger.move(trial, consequence.event)
    await conclude(ledger)


async def scored(
    ledger: Ledger, lease: LeaseRow, values: dict[str, dict[str, float]], reason: str | None = None
) -> None:
    """Take the scores on the holdout, and end the experiment; ``reason`` says why the winner has none."""
    close(ledger, lease, TrialState.COMPLETED)
    lease.accepted = True
    row = ledger.row
    metric = ledger.spec.metric
    best = values.get("best", {}).get(metric)
    baseline = values.get("baseline", {}).get(metric)
    if row.best is not None:
        row.best = {**row.best, "holdout_value": best}
    if row.baseline is not None:
        row.baseline = {**row.baseline, "holdout_value": baseline}
    if best is None:
        _warn(ledger, reason or f"The winner's score on the holdout has no {metric}.")
    await _finish(ledger)


async def stop_running(ledger: Ledger, reason: str) -> list[str]:
    """End every open attempt as stopped, and the trials that wait for another; return the workers that held one."""
    leases = await open_leases(ledger)
    for lease in leases:
        close(ledger, lease, TrialState.STOPPED, Cause.STOPPED, reason)
        if lease.trial_id is not None:
            ledger.finish_run(lease.id, RunState.STOPPED, reason)
    if ledger.row.running or ledger.row.queued:
        session = await ledger.settled()
        unfinished = (
            await session.execute(
                select(TrialRow)
                .where(
                    TrialRow.workspace_id == ledger.row.workspace_id,
                    TrialRow.experiment_id == ledger.row.id,
                    TrialRow.state.in_([TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING]),
                )
                .order_by(TrialRow.number)
            )
        ).scalars()
        for trial in unfinished:
            trial.cause = Cause.STOPPED
            trial.reason = reason
            ledger.move(trial, TrialEvent.STOP)
    return [lease.worker_id for lease in leases]


async def open_leases(ledger: Ledger) -> Sequence[LeaseRow]:
    """Return every lease somebody holds."""
    session = await ledger.settled()
    return (
        (
            await session.execute(
                select(LeaseRow).where(
                    LeaseRow.workspace_id == ledger.row.workspace_id,
                    LeaseRow.experiment_id == ledger.row.id,
                    LeaseRow.state == OPEN,
                )
            )
        )
        .scalars()
        .all()
    )


async def trial_of(ledger: Ledger, lease: LeaseRow) -> TrialRow | None:
    """Return the trial a lease is for, None for the scoring."""
    if lease.trial_id is None:
        return None
    return (
        await ledger.session.execute(
            select(TrialRow).where(TrialRow.workspace_id == ledger.row.workspace_id, TrialRow.id == lease.trial_id)
        )
    ).scalar_one()


async def conclude(ledger: Ledger) -> None:
    """Take a running experiment to what its standing asks for."""
    row = ledger.row
    if ledger.state is not ExperimentState.RUNNING or row.phase == Phase.EVALUATING:
        return
    match course(ledger.standing, ledger.spec.budget):
        case Course.FAIL:
            last = await _last_failure(ledger)
            await fail_experiment(
                ledger, f"More trials failed than the budget allows: {row.failed}. The last one: {last}"
            )
        case Course.SEARCH:
            _enter(ledger, Phase.SEARCHING)
        case Course.DRAIN:
            _enter(ledger, Phase.FINISHING)
        case Course.END:
            await end_search(ledger, Ending.BUDGET)


async def end_search(ledger: Ledger, ending: Ending, reason: str | None = None) -> None:
    """End the search: what still waits is dropped, and the winner, if there is one, goes to be scored."""
    row = ledger.row
    row.ending = ending
    await stop_running(ledger, reason or "The time of the experiment was over.")
    if row.best is not None:
        await ledger.advance(ExperimentEvent.EVALUATE, reason)
        return
    if ending is Ending.STOP:
        await ledger.advance(ExperimentEvent.STOP, reason)
        return
    _warn(ledger, "No trial was completed, so there is no winner.")
    await ledger.advance(ExperimentEvent.FINISH, reason)


async def fail_experiment(ledger: Ledger, reason: str) -> None:
    """End an experiment that cannot run."""
    await stop_running(ledger, "The experiment failed.")
    await ledger.advance(ExperimentEvent.FAIL, reason[:4000])


async def _finish(ledger: Ledger) -> None:
    stopped = ledger.row.ending == Ending.STOP
    await ledger.advance(ExperimentEvent.STOP if stopped else ExperimentEvent.FINISH)


async def _scoring_failed(ledger: Ledger, cause: Cause, reason: str | None) -> None:
    row = ledger.row
    if ledger.state.final or cause in (Cause.RELEASED, Cause.STOPPED):
        return
    if cause in (Cause.LEASE_LOST, Cause.WORKER_KILLED):
        row.scoring_losses += 1
    else:
        row.scoring_errors += 1
    if row.scoring_errors >= MAX_SCORING_ERRORS or row.scoring_losses >= MAX_ATTEMPTS:
        _warn(ledger, f"The winner could not be scored on the holdout: {reason}")
        await _finish(ledger)


def _enter(ledger: Ledger, phase: Phase) -> None:
    if ledger.row.phase != phase:
        ledger.row.phase = phase
        ledger.announce()


def _warn(ledger: Ledger, warning: str) -> None:
    ledger.row.warnings = [*ledger.row.warnings, warning]
    ledger.announce()


async def _last_failure(ledger: Ledger) -> str:
    session = await ledger.settled()
    reason = (
        await session.execute(
            select(TrialRow.reason)
            .where(
                TrialRow.workspace_id == ledger.row.workspace_id,
                TrialRow.experiment_id == ledger.row.id,
                TrialRow.state == TrialState.FAILED,
            )
            .order_by(TrialRow.finished_at.desc())
            .limit(1)
        )
    ).scalar_one_or_none()
    return (reason or "no reason was given.")[-2000:]
