"""How an experiment looks on the wire."""

from datetime import datetime

from melonkube.contracts.experiments import (
    Experiment,
    ExperimentState,
    TrialCounts,
    TrialResult,
)
from melonkube.tuner.experiments.domain import Phase, Standing, remaining_seconds
from melonkube.tuner.experiments.spec import ExperimentSpec
from melonkube.tuner.tables import ExperimentRow


def elapsed_seconds(row: ExperimentRow, now: datetime) -> float:
    """Return the time not paused since the first trial was handed out."""
    running = (now - row.active_since).total_seconds() if row.active_since is not None else 0.0
    return row.active_seconds + max(0.0, running)


def standing(row: ExperimentRow, now: datetime) -> Standing:
    """Return how far the search has come."""
    return Standing(
        completed=row.completed,
        pruned=row.pruned,
        failed=row.failed,
        running=row.running,
        queued=row.queued,
        elapsed=elapsed_seconds(row, now),
    )


def experiment_view(row: ExperimentRow, spec: ExperimentSpec, now: datetime) -> Experiment:
    """Return the experiment as people see it."""
    stand = standing(row, now)
    state = ExperimentState(row.state)
    remaining = None
    if state.final:
        remaining = 0.0
    elif row.phase != Phase.EVALUATING:
        mean = row.trial_seconds / stand.finished if stand.finished else None
        remaining = remaining_seconds(stand, spec.budget, mean, spec.parallelism)
    return Experiment.model_construct(
        id=row.id,
        name=row.name,
        state=state,
        phase=row.phase if state is ExperimentState.RUNNING else None,
        reason=row.reason,
        warnings=row.warnings,
        dataset_id=spec.dataset_id,
        dataset_name=spec.dataset_name,
        dataset_version=spec.dataset_version,
        target=spec.target,
        task=spec.task,
        metric=spec.metric,
        direction=spec.direction,
        trainer=spec.trainer,
        algorithm=spec.algorithm,
        search_space=spec.search_space,
        columns=spec.columns,
        split=spec.split,
        seed=spec.seed,
        parallelism=spec.parallelism,
        trials_per_worker=spec.trials_per_worker,
        baseline=_result(row.baseline),
        budget=spec.budget,
        worker=spec.worker,
        container=spec.container,
        trials=TrialCounts(
            total=spec.budget.max_trials,
            completed=row.completed,
            pruned=row.pruned,
            failed=row.failed,
            running=row.running,
            queued=row.queued,
            stopped=row.stopped,
        ),
        elapsed_seconds=stand.elapsed,
        remaining_seconds=remaining,
        best=_result(row.best),
        run_id=row.run_id,
        last_event=row.last_event,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _result(stored: dict[str, object] | None) -> TrialResult | None:
    return None if stored is None else TrialResult.model_validate(stored)
