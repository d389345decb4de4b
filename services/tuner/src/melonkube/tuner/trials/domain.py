"""What a trial may become, and what follows when an attempt ends without a result. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from melonkube.contracts.experiments import Cause, TrialState
from melonkube.contracts.worker import MAX_ATTEMPTS

MAX_OUT_OF_MEMORY = 2
"""A trial that runs out of memory is tried once more: the machine may have been crowded."""


class TrialEvent(StrEnum):
    """What can happen to a trial."""

    LEASE = "lease"
    RUN = "run"
    """Its worker gave a sign of life."""
    COMPLETE = "complete"
    PRUNE = "prune"
    FAIL = "fail"
    REQUEUE = "requeue"
    """Its attempt is over without fault of its own."""
    STOP = "stop"


_Q, _L, _R = TrialState.QUEUED, TrialState.LEASED, TrialState.RUNNING

TRANSITIONS = MappingProxyType(
    {
        (_Q, TrialEvent.LEASE): TrialState.LEASED,
        (_Q, TrialEvent.STOP): TrialState.STOPPED,
        (_L, TrialEvent.RUN): TrialState.RUNNING,
        (_L, TrialEvent.COMPLETE): TrialState.COMPLETED,
        (_L, TrialEvent.PRUNE): TrialState.PRUNED,
        (_L, TrialEvent.FAIL): TrialState.FAILED,
        (_L, TrialEvent.REQUEUE): TrialState.QUEUED,
        (_L, TrialEvent.STOP): TrialState.STOPPED,
        (_R, TrialEvent.RUN): TrialState.RUNNING,
        (_R, TrialEvent.COMPLETE): TrialState.COMPLETED,
        (_R, TrialEvent.PRUNE): TrialState.PRUNED,
        (_R, TrialEvent.FAIL): TrialState.FAILED,
        (_R, TrialEvent.REQUEUE): TrialState.QUEUED,
        (_R, TrialEvent.STOP): TrialState.STOPPED,
    }
)
"""Every change there is; a pair that is not here is rejected."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that cannot happen in a state."""

    state: str
    event: str

    @property
    def reason(self) -> str:
        """A sentence for the log."""
        return f"{self.event} cannot happen to what is {self.state}"


def step(state: TrialState, event: TrialEvent) -> TrialState | Rejection:
    """Return the state that follows, or why none does."""
    following = TRANSITIONS.get((state, event))
    return Rejection(state, event) if following is None else following


@dataclass(frozen=True, slots=True)
class Setbacks:
    """How often attempts at a trial ended without a result, by what is held against it."""

    losses: int = 0
    """Infrastructure: the worker was killed, or its lease ran out."""
    out_of_memory: int = 0


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows an attempt's end: the event for its trial, and the setbacks as they now stand."""

    event: TrialEvent
    setbacks: Setbacks


def after(cause: Cause, before: Setbacks) -> Consequence:
    """Return what follows when an attempt ended by ``cause``.

    Infrastructure: again, up to ``MAX_ATTEMPTS`` losses. An orderly release counts nothing. Out of memory: once
    more. The code's own error, or the trial's deadline: failed.
    """
    match cause:
        case Cause.RELEASED:
            return Consequence(TrialEvent.REQUEUE, before)
        case (
            Cause.LEASE_LOST
            | Cause.WORKER_KILLED
            | Cause.PREEMPTED
            | Cause.NODE_LOST
            | Cause.IMAGE_UNAVAILABLE
            | Cause.UNSCHEDULABLE
        ):
            now = Setbacks(before.losses + 1, before.out_of_memory)
            again = now.losses < MAX_ATTEMPTS
        case Cause.OUT_OF_MEMORY:
            now = Setbacks(before.losses, before.out_of_memory + 1)
            again = now.out_of_memory < MAX_OUT_OF_MEMORY
        case Cause.STOPPED:
            return Consequence(TrialEvent.STOP, before)
        case Cause.CODE_ERROR | Cause.DEADLINE:
            return Consequence(TrialEvent.FAIL, before)
    return Consequence(TrialEvent.REQUEUE if again else TrialEvent.FAIL, now)
