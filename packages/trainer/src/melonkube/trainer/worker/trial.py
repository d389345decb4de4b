"""One trial: what its trainer sees of the worker, and how each end of it is told apart."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from melonkube.contracts.experiments import Metric
from melonkube.contracts.worker import Report, Verdict
from melonkube.trainer.worker.lease import Lease

CURVE = "curve."
"""The series of intermediate values is ``curve.auc``; ``auc`` itself is the model's one value."""


class End(StrEnum):
    """Why a trial ended before its trainer was done."""

    PRUNED = "pruned"
    STOPPED = "stopped"
    LOST = "lost"
    RELEASED = "released"
    DEADLINE = "deadline"


class TrialControl:
    """A running trial's line to the worker; see :class:`melonkube.trainer.protocol.Control`.

    Args:
        lease: The lease it is trained under.
        metric: The objective.
        report: Sends an intermediate value to the tuner before long.
        write: Writes a point to the run: name, step, value, moment.
        leaving: Whether the worker must end.
        max_seconds: How long the trial may take.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        lease: Lease,
        metric: Metric,
        report: Callable[[Lease, Report], None],
        write: Callable[[str, int, float, datetime], None],
        leaving: Callable[[], bool],
        max_seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease = lease
        self._curve = CURVE + metric.value
        self._report = report
        self._write = write
        self._leaving = leaving
        self._clock = clock
        self._deadline = None if max_seconds is None else clock() + max_seconds
        self.end: End | None = None
        """Why it was ended; None while it goes on, or if its trainer came to its own end."""

    def proceed(self) -> bool:
        """Whether to go on."""
        if self.end is None:
            self.end = self._ending()
        return self.end is None

    def report(self, step: int, value: float) -> None:
        """Report the objective's value after ``step`` rounds."""
        self._report(self._lease, Report(step=step, value=value))
        self._write(self._curve, step, value, datetime.now(UTC))

    def _ending(self) -> End | None:
        verdict = self._lease.verdict
        if verdict is not Verdict.CONTINUE:
            return _ENDS[verdict]
        if self._leaving():
            return End.RELEASED
        if self._deadline is not None and self._clock() > self._deadline:
            return End.DEADLINE
        return None


_ENDS = {Verdict.PRUNE: End.PRUNED, Verdict.STOP: End.STOPPED, Verdict.LOST: End.LOST}
