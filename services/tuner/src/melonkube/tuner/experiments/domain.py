"""What an experiment may become, when its search is over, and how long it will still take. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from melonkube.contracts.experiments import Budget, Direction, ExperimentState

DEFAULT_TRIALS = 50
DEFAULT_SECONDS = 600.0
MIN_FAILED_TRIALS = 5
FAILED_SHARE = 0.2
GRACE_SECONDS = 30.0
GRACE_SHARE = 0.25


class ExperimentEvent(StrEnum):
    """What can happen to an experiment."""

    BEGIN = "begin"
    """Its first trial is handed out."""
    PAUSE = "pause"
    RESUME = "resume"
    EVALUATE = "evaluate"
    """The search is over and there is a winner to score."""
    FINISH = "finish"
    STOP = "stop"
    FAIL = "fail"


class Phase(StrEnum):
    """What happens inside ``running``."""

    SEARCHING = "searching"
    FINISHING = "finishing"
    EVALUATING = "evaluating"


class Ending(StrEnum):
    """Why the search ended."""

    BUDGET = "budget"
    STOP = "stop"


_S, _E = ExperimentState, ExperimentEvent

TRANSITIONS = MappingProxyType(
    {
        (_S.QUEUED, _E.BEGIN): _S.RUNNING,
        (_S.QUEUED, _E.PAUSE): _S.PAUSED,
        (_S.QUEUED, _E.RESUME): _S.QUEUED,
        (_S.QUEUED, _E.STOP): _S.STOPPED,
        (_S.QUEUED, _E.FAIL): _S.FAILED,
        (_S.RUNNING, _E.BEGIN): _S.RUNNING,
        (_S.RUNNING, _E.PAUSE): _S.PAUSED,
        (_S.RUNNING, _E.RESUME): _S.RUNNING,
        (_S.RUNNING, _E.EVALUATE): _S.RUNNING,
        (_S.RUNNING, _E.FINISH): _S.COMPLETED,
        (_S.RUNNING, _E.STOP): _S.STOPPED,
        (_S.RUNNING, _E.FAIL): _S.FAILED,
        (_S.PAUSED, _E.PAUSE): _S.PAUSED,
        (_S.PAUSED, _E.RESUME): _S.RUNNING,
        (_S.PAUSED, _E.EVALUATE): _S.RUNNING,
        (_S.PAUSED, _E.STOP): _S.STOPPED,
        (_S.PAUSED, _E.FAIL): _S.FAILED,
        (_S.STOPPED, _E.STOP): _S.STOPPED,
    }
)
"""Every change there is; a pair that is not here is rejected. ``evaluate`` leads from ``paused`` by way of a stop."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that cannot happen in a state."""

    state: ExperimentState
    event: ExperimentEvent


def step(state: ExperimentState, event: ExperimentEvent) -> ExperimentState | Rejection:
    """Return the state that follows, or why none does."""
    following = TRANSITIONS.get((state, event))
    return Rejection(state, event) if following is None else following


def resolve_budget(asked: Budget) -> Budget:
    """Return the budget with its defaults filled in: 50 trials or 600 s if neither is bounded."""
    trials, seconds = asked.max_trials, asked.max_seconds
    if trials is None and seconds is None:
        trials, seconds = DEFAULT_TRIALS, DEFAULT_SECONDS
    failed = asked.max_failed_trials
    if failed is None:
        failed = max(MIN_FAILED_TRIALS, math.ceil(FAILED_SHARE * (trials or 0)))
    return Budget(
        max_trials=trials,
        max_seconds=seconds,
        max_failed_trials=failed,
        max_trial_seconds=asked.max_trial_seconds,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search has come; ``elapsed`` is in seconds not paused."""

    completed: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    queued: int = 0
    elapsed: float = 0.0

    @property
    def finished(self) -> int:
        """The trials that ``max_trials`` counts."""
        return self.completed + self.pruned + self.failed

    @property
    def issued(self) -> int:
        """The trials that count now or may come to."""
        return self.finished + self.running + self.queued


def time_is_over(standing: Standing, budget: Budget) -> bool:
    """Whether the wall time is used up."""
    return budget.max_seconds is not None and standing.elapsed >= budget.max_seconds


def may_issue(standing: Standing, budget: Budget) -> bool:
    """Whether the budget allows one more trial."""
    if time_is_over(standing, budget):
        return False
    return budget.max_trials is None or standing.issued < budget.max_trials


def too_many_failed(standing: Standing, budget: Budget) -> bool:
    """Whether so many trials failed that more of them make no sense.

    Where time alone bounds the search, the allowance grows with the trials that ended.
    """
    allowed = budget.max_failed_trials
    if allowed is None:
        allowed = MIN_FAILED_TRIALS
    if budget.max_trials is None:
        allowed = max(allowed, math.floor(FAILED_SHARE * standing.finished))
    return standing.failed > allowed


def overdue(standing: Standing, budget: Budget) -> bool:
    """Whether the trials still running after the time have had enough of a grace."""
    if budget.max_seconds is None:
        return False
    return standing.elapsed >= budget.max_seconds + max(GRACE_SECONDS, GRACE_SHARE * budget.max_seconds)


class Course(StrEnum):
    """What the standing of a search asks for."""

    SEARCH = "search"
    DRAIN = "drain"
    """Nothing new; what is out comes in."""
    END = "end"
    FAIL = "fail"


def course(standing: Standing, budget: Budget) -> Course:
    """Return what a running search does next. Trials waiting for another attempt are dropped once time is over."""
    if too_many_failed(standing, budget):
        return Course.FAIL
    if may_issue(standing, budget):
        return Course.SEARCH
    waiting = 0 if time_is_over(standing, budget) else standing.queued
    return Course.DRAIN if standing.running or waiting else Course.END


def remaining_seconds(
    standing: Standing, budget: Budget, mean_trial_seconds: float | None, parallelism: int
) -> float | None:
    """Estimate the time a search still needs, None while nothing is known.

    The trials to come, those under way counted half done, share ``parallelism`` workers; time over is time over.
    """
    bounds: list[float] = []
    if budget.max_seconds is not None:
        bounds.append(max(0.0, budget.max_seconds - standing.elapsed))
    if budget.max_trials is not None and mean_trial_seconds is not None:
        left = max(0.0, budget.max_trials - standing.finished - 0.5 * standing.running)
        bounds.append(left * mean_trial_seconds / max(1, min(parallelism, math.ceil(left) or 1)))
    return min(bounds) if bounds else None


def better(value: float, than: float | None, direction: Direction) -> bool:
    """Whether ``value`` beats ``than``; a tie does not, so the earlier trial stays the best."""
    if than is None:
        return True
    return value > than if direction is Direction.MAXIMIZE else value < than


def workers_wanted(
    state: ExperimentState, phase: Phase | None, standing: Standing, budget: Budget, parallelism: int
) -> int:
    """Return how many workers have something to do in an experiment now."""
    if state not in (ExperimentState.QUEUED, ExperimentState.RUNNING):
        return 0
    if phase is Phase.EVALUATING:
        return 1
    left = standing.running + standing.queued
    if may_issue(standing, budget):
        left = parallelism if budget.max_trials is None else left + budget.max_trials - standing.issued
    return min(parallelism, left)
