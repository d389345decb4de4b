"""The experiment's state machine over its whole matrix; budget, course, time remaining, workers wanted."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.experiments import Budget, Direction, ExperimentState
from melonkube.tuner.experiments.domain import (
    Course,
    ExperimentEvent,
    Phase,
    Rejection,
    Standing,
    better,
    course,
    may_issue,
    overdue,
    remaining_seconds,
    resolve_budget,
    step,
    time_is_over,
    too_many_failed,
    workers_wanted,
)

S, E = ExperimentState, ExperimentEvent

WANTED = {
    S.QUEUED: {E.BEGIN: S.RUNNING, E.PAUSE: S.PAUSED, E.RESUME: S.QUEUED, E.STOP: S.STOPPED, E.FAIL: S.FAILED},
    S.RUNNING: {
        E.BEGIN: S.RUNNING,
        E.PAUSE: S.PAUSED,
        E.RESUME: S.RUNNING,
        E.EVALUATE: S.RUNNING,
        E.FINISH: S.COMPLETED,
        E.STOP: S.STOPPED,
        E.FAIL: S.FAILED,
    },
    S.PAUSED: {E.PAUSE: S.PAUSED, E.RESUME: S.RUNNING, E.EVALUATE: S.RUNNING, E.STOP: S.STOPPED, E.FAIL: S.FAILED},
    S.COMPLETED: {},
    S.STOPPED: {E.STOP: S.STOPPED},
    S.FAILED: {},
}


@pytest.mark.parametrize(("state", "event"), list(product(ExperimentState, ExperimentEvent)))
def test_the_whole_matrix(state: ExperimentState, event: ExperimentEvent) -> None:
    wanted = WANTED[state].get(event)
    assert step(state, event) == (Rejection(state, event) if wanted is None else wanted)


def test_a_budget_without_bounds_is_fifty_trials_or_ten_minutes() -> None:
    assert resolve_budget(Budget()) == Budget(max_trials=50, max_seconds=600.0, max_failed_trials=10)


def test_one_bound_stands_alone() -> None:
    assert resolve_budget(Budget(max_trials=7)) == Budget(max_trials=7, max_failed_trials=5)
    assert resolve_budget(Budget(max_seconds=60.0)) == Budget(max_seconds=60.0, max_failed_trials=5)


@pytest.mark.parametrize(("trials", "failed"), [(1, 5), (25, 5), (26, 6), (50, 10), (1000, 200)])
def test_failures_allowed_are_five_or_a_fifth(trials: int, failed: int) -> None:
    assert resolve_budget(Budget(max_trials=trials)).max_failed_trials == failed


def test_what_the_user_says_of_failures_stands() -> None:
    assert resolve_budget(Budget(max_trials=100, max_failed_trials=0)).max_failed_trials == 0


TEN = resolve_budget(Budget(max_trials=10))
MINUTE = resolve_budget(Budget(max_seconds=60.0))


def test_trials_under_way_and_waiting_count_against_the_budget() -> None:
    assert may_issue(Standing(completed=7, running=1, queued=1), TEN)
    assert not may_issue(Standing(completed=7, running=2, queued=1), TEN)
    assert not may_issue(Standing(completed=4, pruned=3, failed=3), TEN)


def test_time_ends_the_search_and_stopped_trials_do_not_count() -> None:
    assert may_issue(Standing(completed=1000, elapsed=59.9), MINUTE)
    assert not may_issue(Standing(elapsed=60.0), MINUTE)
    assert time_is_over(Standing(elapsed=60.0), MINUTE)
    assert not time_is_over(Standing(elapsed=1e9), TEN)


@pytest.mark.parametrize(
    ("standing", "budget", "wanted"),
    [
        (Standing(), TEN, Course.SEARCH),
        (Standing(completed=9, running=1), TEN, Course.DRAIN),
        (Standing(completed=9, queued=1), TEN, Course.DRAIN),
        (Standing(completed=10), TEN, Course.END),
        (Standing(completed=4, failed=6), TEN, Course.FAIL),
        (Standing(completed=5, failed=5), TEN, Course.END),
        (Standing(elapsed=60.0, running=1), MINUTE, Course.DRAIN),
        (Standing(elapsed=60.0, queued=1), MINUTE, Course.END),
        (Standing(elapsed=60.0), MINUTE, Course.END),
    ],
)
def test_course(standing: Standing, budget: Budget, wanted: Course) -> None:
    assert course(standing, budget) is wanted


def test_where_time_alone_bounds_the_failures_allowed_grow() -> None:
    assert too_many_failed(Standing(completed=10, failed=6), MINUTE)
    assert not too_many_failed(Standing(completed=94, failed=6), MINUTE)
    assert too_many_failed(Standing(completed=79, failed=21), MINUTE)


def test_the_grace_after_the_time_is_bounded() -> None:
    assert not overdue(Standing(elapsed=89.9), MINUTE)
    assert overdue(Standing(elapsed=90.0), MINUTE)
    hour = resolve_budget(Budget(max_seconds=3600.0))
    assert not overdue(Standing(elapsed=4499.0), hour)
    assert overdue(Standing(elapsed=4500.0), hour)
    assert not overdue(Standing(elapsed=1e9), TEN)


def test_nothing_is_estimated_before_anything_is_known() -> None:
    assert remaining_seconds(Standing(), TEN, None, 2) is None


def test_the_estimate_shares_the_trials_among_the_workers() -> None:
    assert remaining_seconds(Standing(completed=4), TEN, 2.0, 2) == 6.0
    assert remaining_seconds(Standing(completed=4, running=2), TEN, 2.0, 2) == 5.0
    assert remaining_seconds(Standing(completed=9), TEN, 2.0, 8) == 2.0


def test_the_estimate_is_no_more_than_the_time_left() -> None:
    both = resolve_budget(Budget(max_trials=1000, max_seconds=60.0))
    assert remaining_seconds(Standing(completed=1, elapsed=50.0), both, 10.0, 1) == 10.0
    assert remaining_seconds(Standing(elapsed=70.0), both, None, 1) == 0.0


@given(
    completed=st.integers(0, 200),
    running=st.integers(0, 8),
    mean=st.floats(0.01, 1e4),
    parallelism=st.integers(1, 64),
)
def test_the_estimate_is_never_negative_and_shrinks_as_trials_complete(
    completed: int, running: int, mean: float, parallelism: int
) -> None:
    budget = resolve_budget(Budget(max_trials=100))
    now = remaining_seconds(Standing(completed=completed, running=running), budget, mean, parallelism)
    later = remaining_seconds(Standing(completed=completed + 1, running=running), budget, mean, parallelism)
    assert now is not None
    assert later is not None
    assert 0.0 <= later <= now + 1e-9 or parallelism > 1


def test_a_tie_leaves_the_earlier_trial_the_best() -> None:
    assert better(1.0, None, Direction.MAXIMIZE)
    assert better(2.0, 1.0, Direction.MAXIMIZE)
    assert not better(1.0, 1.0, Direction.MAXIMIZE)
    assert better(1.0, 2.0, Direction.MINIMIZE)
    assert not better(2.0, 2.0, Direction.MINIMIZE)


@pytest.mark.parametrize(
    ("state", "phase", "standing", "wanted"),
    [
        (S.QUEUED, Phase.SEARCHING, Standing(), 4),
        (S.RUNNING, Phase.SEARCHING, Standing(completed=5, running=4), 4),
        (S.RUNNING, Phase.SEARCHING, Standing(completed=8, running=1), 2),
        (S.RUNNING, Phase.FINISHING, Standing(completed=8, running=2), 2),
        (S.RUNNING, Phase.FINISHING, Standing(completed=9, queued=1), 1),
        (S.RUNNING, Phase.EVALUATING, Standing(completed=10), 1),
        (S.PAUSED, Phase.SEARCHING, Standing(running=3), 0),
        (S.COMPLETED, None, Standing(completed=10), 0),
    ],
)
def test_workers_wanted(state: ExperimentState, phase: Phase | None, standing: Standing, wanted: int) -> None:
    assert workers_wanted(state, phase, standing, TEN, 4) == wanted
