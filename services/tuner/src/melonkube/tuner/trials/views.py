"""How a trial looks on the wire."""

from melonkube.contracts.experiments import AttemptSummary, Cause, Trial, TrialDetail, TrialState
from melonkube.tuner.tables import LeaseRow, TrialRow


def trial_view(row: TrialRow) -> Trial:
    """Return the trial as people see it."""
    duration = None
    if row.finished_at is not None and row.started_at is not None:
        duration = max(0.0, (row.finished_at - row.started_at).total_seconds())
    return Trial.model_construct(
        id=row.id,
        experiment_id=row.experiment_id,
        number=row.number,
        state=TrialState(row.state),
        source=row.source,
        value=row.value,
        params=row.params,
        run_id=row.run_id,
        attempt=row.attempt,
        cause=None if row.cause is None else Cause(row.cause),
        reason=row.reason,
        last_step=row.last_step,
        last_value=row.last_value,
        metrics=row.metrics,
        worker_id=row.worker_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration_seconds=duration,
    )


def trial_detail(row: TrialRow, leases: list[LeaseRow], points: list[list[float]]) -> TrialDetail:
    """Return the trial with its attempts and the intermediate values of the current or winning one.

    A step that was reported twice, because an answer was lost on the way, is listed once.
    """
    by_step = {int(step): float(value) for step, value in points}
    return TrialDetail.model_construct(
        **dict(trial_view(row)),
        attempts=[
            AttemptSummary(
                attempt=lease.attempt,
                run_id=lease.id,
                worker_id=lease.worker_id,
                outcome=lease.outcome,
                cause=None if lease.cause is None else Cause(lease.cause),
                reason=lease.reason,
                started_at=lease.started_at,
                finished_at=lease.finished_at,
            )
            for lease in leases
        ],
        intermediate=sorted(by_step.items()),
    )
