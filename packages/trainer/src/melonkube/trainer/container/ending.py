"""The ends of a trial in an image of the user's, and what is said at each."""

import logging
import math
from datetime import UTC, datetime
from typing import Literal

from melonkube.contracts.experiments import Cause
from melonkube.contracts.runs import RunFinish, RunState
from melonkube.contracts.worker import CompleteRequest, FailRequest, Report
from melonkube.trainer.container.command import Exit
from melonkube.trainer.container.journal import Journal
from melonkube.trainer.container.metrics import Board
from melonkube.trainer.container.outputs import Uploads
from melonkube.trainer.container.places import Places
from melonkube.trainer.container.state import Handover
from melonkube.trainer.worker.http import Abandoned, Api, Patience, Refused, TokenRefused
from melonkube.trainer.worker.lease import Lease
from melonkube.trainer.worker.recorder import Recorder
from melonkube.trainer.worker.trial import End
from melonkube.trainer.worker.tuner import TunerCalls

log = logging.getLogger("melonkube.worker.ending")

_MAX_REASON = 6_000
_NOT_FOUND = 127
_NOT_RUN = 126
_KILLED = 137
_FLUSH_SECONDS = 3.0

FailCause = Literal[Cause.CODE_ERROR, Cause.DEADLINE, Cause.RELEASED]


class Ending:
    """Hands a trial in. Its methods raise ``Abandoned``, ``Refused`` and ``TokenRefused`` as the calls do.

    Args:
        handover: The trial.
        worker_id: The worker's name.
        calls: The tuner.
        registry: Takes the files.
        recorder: Writes the run.
        lease: By which the trial is held.
        places: Where its files are.
    """

    def __init__(
        self,
        handover: Handover,
        worker_id: str,
        calls: TunerCalls,
        registry: Api,
        recorder: Recorder,
        lease: Lease,
        places: Places,
    ) -> None:
        self._setup, self._trial = handover.setup, handover.trial
        self._worker_id = worker_id
        self._calls = calls
        self._recorder = recorder
        self._lease = lease
        self._uploads = Uploads(registry, self._trial.run_id, places, self._setup.artifact_bytes)

    def over(self, end: End | None, exit_: Exit | None, board: Board, journal: Journal) -> bool:
        """Hand in how the trial ended; return false if it is not for us to say.

        Args:
            end: Why we ended the command; None if it ended by itself.
            exit_: How it ended; None if it did not, or had not begun.
            board: Its metrics.
            journal: Its last lines.
        """
        if journal.cut:
            log.warning("%s lines were not kept; the last ones:\n%s", f"{journal.cut:,}", journal.last_lines)
        match end:
            case End.LOST:
                raise Abandoned
            case End.DEADLINE:
                reason = f"The trial took longer than the {self._trial.max_seconds or 0:g} seconds it may take."
                self._fail(Cause.DEADLINE, reason)
            case End.PRUNED:
                self._complete(RunState.PRUNED, board)
            case End.STOPPED:
                self._complete(RunState.STOPPED, board)
            case _:
                return self._by_itself(exit_, board, journal)
        return True

    def _by_itself(self, exit_: Exit | None, board: Board, journal: Journal) -> bool:
        if exit_ is None or exit_.told:
            self.released()
        elif exit_.code == _KILLED:
            # The node knows whether memory ran out; its last lines are kept for whoever looks.
            log.error("the command was killed")
            self._recorder.flush(_FLUSH_SECONDS)
            return False
        elif exit_.code:
            self._fail(Cause.CODE_ERROR, self._why(exit_.code) + _last(journal))
        else:
            fault = self._fault(board)
            if fault is None:
                self._complete(RunState.COMPLETED, board)
            else:
                self._fail(Cause.CODE_ERROR, fault + _last(journal))
        return True

    def _why(self, code: int) -> str:
        program = self._setup.container.command[0] if self._setup.container is not None else ""
        if code == _NOT_FOUND:
            return f"The command was not found in the image (exit code {code}): {program}."
        if code == _NOT_RUN:
            return f"The command cannot be run in the image (exit code {code}): {program}."
        return f"The command ended with exit code {code}."

    def _fault(self, board: Board) -> str | None:
        metric = self._setup.metric
        series = board.series.get(metric)
        if series is None:
            in_file = self._setup.container is not None and self._setup.container.metrics == "file"
            how = (
                f'write lines such as {{"{metric}": 0.5}} to /melon/output/metrics.jsonl'
                if in_file
                else f"print a line such as {metric}=0.5"
            )
            return f"The command ended without reporting {metric}; {how}."
        if not math.isfinite(series.value):
            return f"The last value of {metric} that the command reported is not a number: {series.value}."
        return None

    def _complete(self, state: Literal[RunState.COMPLETED, RunState.PRUNED, RunState.STOPPED], board: Board) -> None:
        patience = Patience(self._lease.over)
        last = board.last()
        own = last.get(self._setup.metric)
        if state is RunState.COMPLETED:
            self._uploads.send(patience)
            now = datetime.now(UTC)
            for name, series in last.items():
                self._recorder.write_point(name, series.step, series.value, now)
            log.info("trial done", extra={"value": own.value if own else None})
        self._finish(RunFinish(state=state), patience)
        reports = self._lease.undelivered()
        if own is not None:
            reports.append(Report(step=own.step, value=own.value))
        request = CompleteRequest(
            worker_id=self._worker_id,
            state=state.value,
            value=None if own is None else own.value,
            metrics={name: series.value for name, series in last.items()},
            reports=reports[-10_000:],
            want_next=False,
        )
        if not self._calls.complete(self._trial.run_id, request, patience).accepted:
            log.warning("the result came too late: the lease was lost")

    def _fail(self, cause: FailCause, reason: str) -> None:
        reason = reason if len(reason) <= _MAX_REASON else reason[:_MAX_REASON] + "..."
        reason = reason.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        log.error("failed: %s", reason, extra={"cause": cause.value})
        patience = Patience(self._lease.over)
        self._finish(RunFinish(state=RunState.FAILED, reason=reason), patience)
        self._say(FailRequest(worker_id=self._worker_id, cause=cause, reason=reason, want_next=False), patience)

    def released(self) -> None:
        """Hand the trial back: the pod was told to end before the command was done."""
        log.warning("the pod was told to end: the trial is given back")
        reason = "The pod was told to end."
        request = FailRequest(worker_id=self._worker_id, cause=Cause.RELEASED, reason=reason, want_next=False)
        self._say(request, Patience(self._lease.over))
        self._recorder.flush(1.0)

    def failed_itself(self, error: Exception) -> None:
        """Tell of a fault of ours, if that can still be told."""
        try:
            self._fail(Cause.CODE_ERROR, f"What watches over the command failed: {type(error).__name__}: {error}")
        except (Abandoned, Refused, TokenRefused) as refused:
            log.warning("that could not be told", extra={"reason": str(refused)})

    def _say(self, request: FailRequest, patience: Patience) -> None:
        self._calls.fail(self._trial.run_id, request, patience)

    def _finish(self, finish: RunFinish, patience: Patience) -> None:
        """End the run; one that an earlier sidecar ended, or the tuner, takes nothing more."""
        try:
            self._recorder.finish(finish, patience)
        except Refused as refused:
            self._recorder.drop()
            if refused.status not in (404, 409):
                raise
            log.warning("the run takes nothing more", extra={"reason": str(refused)})


def _last(journal: Journal) -> str:
    said = journal.last_lines
    return f" Its last lines:\n{said}" if said else " It wrote nothing."
