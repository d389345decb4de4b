"""The trial's state machine over its whole matrix, and what follows each cause."""

from itertools import product

import pytest

from melonkube.contracts.experiments import Cause, TrialState
from melonkube.contracts.worker import MAX_ATTEMPTS
from melonkube.tuner.trials.domain import Consequence, Rejection, Setbacks, TrialEvent, after, step

Q, L, R = TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING
FINAL = {
    TrialEvent.COMPLETE: TrialState.COMPLETED,
    TrialEvent.PRUNE: TrialState.PRUNED,
    TrialEvent.FAIL: TrialState.FAILED,
    TrialEvent.STOP: TrialState.STOPPED,
}


def expected(state: TrialState, event: TrialEvent) -> TrialState | None:
    if state.final:
        return None
    if state is Q:
        return {TrialEvent.LEASE: L, TrialEvent.STOP: TrialState.STOPPED}.get(event)
    if event is TrialEvent.RUN:
        return R
    if event is TrialEvent.REQUEUE:
        return Q
    return FINAL.get(event)


@pytest.mark.parametrize(("state", "event"), list(product(TrialState, TrialEvent)))
def test_the_whole_matrix(state: TrialState, event: TrialEvent) -> None:
    wanted = expected(state, event)
    got = step(state, event)
    if wanted is None:
        assert got == Rejection(state, event)
        assert state in got.reason
        assert event in got.reason
    else:
        assert got is wanted


@pytest.mark.parametrize("cause", [Cause.LEASE_LOST, Cause.WORKER_KILLED])
def test_infrastructure_is_forgiven_up_to_five_attempts(cause: Cause) -> None:
    setbacks = Setbacks()
    events = []
    for _ in range(MAX_ATTEMPTS):
        consequence = after(cause, setbacks)
        events.append(consequence.event)
        setbacks = consequence.setbacks
    assert events == [TrialEvent.REQUEUE] * (MAX_ATTEMPTS - 1) + [TrialEvent.FAIL]


def test_an_orderly_release_counts_nothing() -> None:
    worn = Setbacks(losses=MAX_ATTEMPTS - 1, out_of_memory=1)
    assert after(Cause.RELEASED, worn) == Consequence(TrialEvent.REQUEUE, worn)


def test_out_of_memory_is_tried_once_more() -> None:
    first = after(Cause.OUT_OF_MEMORY, Setbacks())
    assert first.event is TrialEvent.REQUEUE
    assert after(Cause.OUT_OF_MEMORY, first.setbacks).event is TrialEvent.FAIL


def test_losses_and_memory_are_counted_apart() -> None:
    setbacks = Setbacks(losses=MAX_ATTEMPTS - 1)
    assert after(Cause.OUT_OF_MEMORY, setbacks).event is TrialEvent.REQUEUE
    assert after(Cause.LEASE_LOST, Setbacks(out_of_memory=1)).event is TrialEvent.REQUEUE


@pytest.mark.parametrize("cause", [Cause.CODE_ERROR, Cause.DEADLINE])
def test_the_trials_own_fault_fails_it_at_once(cause: Cause) -> None:
    assert after(cause, Setbacks()) == Consequence(TrialEvent.FAIL, Setbacks())


def test_every_cause_has_a_consequence_that_a_running_trial_can_take() -> None:
    for cause in Cause:
        assert isinstance(step(R, after(cause, Setbacks()).event), TrialState)
