"""How an assignment is done, from the first byte of data to the tuner's word that the result was taken."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from melonkube.contracts.experiments import Cause
from melonkube.contracts.models import MANIFEST_NAME
from melonkube.contracts.runs import RunFinish, RunState
from melonkube.contracts.worker import (
    CompleteRequest,
    EvaluationAssignment,
    EvaluationResult,
    FailRequest,
    FinishAnswer,
    LeaseAnswer,
    TrialAssignment,
    WorkerSetup,
)
from melonkube.trainer.bundle import make_manifest
from melonkube.trainer.protocol import Fitted, Trainer, TrainingError
from melonkube.trainer.worker.data import make_trainer
from melonkube.trainer.worker.http import Abandoned, Patience, Refused, TokenRefused
from melonkube.trainer.worker.lease import Heartbeat, Lease
from melonkube.trainer.worker.recorder import Recorder
from melonkube.trainer.worker.registry import RegistryFiles
from melonkube.trainer.worker.run import run_of
from melonkube.trainer.worker.trial import End, TrialControl
from melonkube.trainer.worker.tuner import TunerCalls
from melonkube.trainer.worker.usage import Usage

log = logging.getLogger("melonkube.worker.assignments")

_MAX_REASON = 2_000

FailCause = Literal[Cause.CODE_ERROR, Cause.OUT_OF_MEMORY, Cause.DEADLINE, Cause.RELEASED]


class Assignments:
    """Does the assignments of one experiment, one after another, in one thread.

    Its methods return what the tuner handed over next. They raise ``Abandoned`` when the lease is over before the
    result is in, and ``TokenRefused`` when the worker is not wanted any more.

    Args:
        setup: What holds for all of them.
        worker_id: The worker's name.
        calls: The tuner.
        heartbeat: Carries reports.
        recorder: Writes the runs.
        files: Reads from the registry.
        leaving: Whether the worker must end.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        worker_id: str,
        calls: TunerCalls,
        heartbeat: Heartbeat,
        recorder: Recorder,
        files: RegistryFiles,
        leaving: Callable[[], bool],
    ) -> None:
        self._setup = setup
        self._worker_id = worker_id
        self._calls = calls
        self._heartbeat = heartbeat
        self._recorder = recorder
        self._files = files
        self._leaving = leaving
        self._trainer: Trainer | None = None

    def trial(self, trial: TrialAssignment, lease: Lease, *, last: bool) -> LeaseAnswer:
        """Train one trial, store its model and hand in its result.

        Args:
            trial: What to train.
            lease: The lease it is held by.
            last: Whether the worker takes no further one.
        """
        self._recorder.begin(run_of(self._setup, trial))
        log.info("trial begins", extra={"trial": trial.number, "attempt": trial.attempt, "params": trial.params})
        return self._guarded(lease, last, lambda: self._train(trial, lease, last))

    def evaluation(self, evaluation: EvaluationAssignment, lease: Lease, *, last: bool) -> LeaseAnswer:
        """Score models on the holdout and hand in the scores; the arguments are as for :meth:`trial`."""
        log.info("evaluation begins", extra={"models": dict(evaluation.models)})
        return self._guarded(lease, last, lambda: self._evaluate(evaluation, lease, last))

    def _guarded(self, lease: Lease, last: bool, do: Callable[[], LeaseAnswer]) -> LeaseAnswer:
        try:
            return do()
        except (Abandoned, TokenRefused):
            raise
        except MemoryError as error:
            return self._fail(lease, last, Cause.OUT_OF_MEMORY, _reason(error))
        except Exception as error:
            return self._fail(lease, last, Cause.CODE_ERROR, _reason(error), error)

    def _prepared(self) -> Trainer:
        if self._trainer is None:
            began = time.monotonic()
            self._trainer = make_trainer(self._setup, self._files)
            log.info("data prepared", extra={"seconds": round(time.monotonic() - began, 3)})
        return self._trainer

    def _train(self, trial: TrialAssignment, lease: Lease, last: bool) -> LeaseAnswer:
        trainer = self._prepared()
        shared = trainer.shared_files()
        self._recorder.write_files(shared)
        control = TrialControl(
            lease,
            self._setup.metric,
            self._heartbeat.report,
            self._recorder.write_point,
            self._leaving,
            trial.max_seconds,
        )
        began = time.monotonic()
        with Usage(self._recorder.write_point):
            fitted = trainer.train(trial.params, control)
        self._recorder.settle()
        seconds = round(time.monotonic() - began, 3)
        match control.end:
            case End.LOST | End.RELEASED:
                raise Abandoned
            case End.DEADLINE:
                reason = f"The trial took longer than the {trial.max_seconds:g} seconds it may take."
                return self._fail(lease, last, Cause.DEADLINE, reason)
            case End.PRUNED:
                log.info("trial pruned", extra={"seconds": seconds})
                return self._hand_in(lease, last, RunState.PRUNED, fitted)
            case End.STOPPED:
                log.info("trial stopped", extra={"seconds": seconds})
                return self._hand_in(lease, last, RunState.STOPPED, fitted)
        if fitted is None:
            raise TrainingError("The trainer made no model.")
        log.info("trial trained", extra={"value": fitted.value, "rounds": fitted.step, "seconds": seconds})
        self._store(trainer, shared, fitted)
        return self._hand_in(lease, last, RunState.COMPLETED, fitted)

    def _store(self, trainer: Trainer, shared: Mapping[str, bytes], fitted: Fitted) -> None:
        own = fitted.save()
        manifest = make_manifest(trainer.flavor, {**shared, **own}, trainer.library_versions)
        self._recorder.write_files({**own, MANIFEST_NAME: manifest})
        now = datetime.now(UTC)
        for name, value in fitted.metrics.items():
            self._recorder.write_point(name, fitted.step, value, now)

    def _evaluate(self, evaluation: EvaluationAssignment, lease: Lease, last: bool) -> LeaseAnswer:
        trainer = self._prepared()
        runs = dict.fromkeys(evaluation.models.values())
        scores = {run_id: trainer.evaluate(self._files.bundle(run_id)) for run_id in runs}
        request = EvaluationResult(
            worker_id=self._worker_id,
            values={label: scores[run_id] for label, run_id in evaluation.models.items()},
            want_next=not (last or self._leaving()),
        )
        return self._handed_in(self._calls.evaluated(lease.run_id, request, Patience(lease.over)))

    def _hand_in(
        self,
        lease: Lease,
        last: bool,
        state: Literal[RunState.COMPLETED, RunState.PRUNED, RunState.STOPPED],
        fitted: Fitted | None,
    ) -> LeaseAnswer:
        patience = Patience(lease.over)
        self._recorder.finish(RunFinish(state=state), patience)
        request = CompleteRequest(
            worker_id=self._worker_id,
            state=state.value,
            value=None if fitted is None else fitted.value,
            metrics={} if fitted is None else dict(fitted.metrics),
            reports=lease.undelivered(),
            want_next=not (last or self._leaving()),
        )
        return self._handed_in(self._calls.complete(lease.run_id, request, patience))

    def _handed_in(self, answer: FinishAnswer) -> LeaseAnswer:
        if not answer.accepted:
            log.warning("the result came too late: the lease was lost")
        return answer.next

    def _fail(
        self, lease: Lease, last: bool, cause: FailCause, reason: str, error: BaseException | None = None
    ) -> LeaseAnswer:
        log.error("failed: %s", reason, exc_info=error, extra={"cause": cause.value})
        patience = Patience(lease.over)
        try:
            self._recorder.finish(RunFinish(state=RunState.FAILED, reason=reason), patience)
        except Refused as refused:
            self._recorder.drop()
            log.warning("the run could not be closed", extra={"reason": str(refused)})
        request = FailRequest(
            worker_id=self._worker_id, cause=cause, reason=reason, want_next=not (last or self._leaving())
        )
        return self._handed_in(self._calls.fail(lease.run_id, request, patience))


def _reason(error: BaseException) -> str:
    """Return one short line that any database can hold."""
    said = str(error)
    if not isinstance(error, TrainingError | Refused):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    said = said.replace("\x00", "").encode(errors="replace").decode()
    return said if len(said) <= _MAX_REASON else said[:_MAX_REASON] + "..."
