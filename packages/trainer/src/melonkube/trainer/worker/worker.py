"""The worker itself: leases one assignment after another until it is told, or has, to end."""

import logging
import threading
from collections.abc import Callable

from melonkube.contracts.experiments import Cause
from melonkube.contracts.worker import (
    Assignment,
    FailRequest,
    LeaseAnswer,
    LeaseRequest,
    TrialAssignment,
    Verdict,
)
from melonkube.trainer.worker.assignments import Assignments
from melonkube.trainer.worker.cache import Cache
from melonkube.trainer.worker.http import Abandoned, Api, Patience, Refused, Token, TokenRefused
from melonkube.trainer.worker.lease import Heartbeat, Lease
from melonkube.trainer.worker.recorder import Recorder
from melonkube.trainer.worker.registry import RegistryFiles
from melonkube.trainer.worker.settings import WorkerSettings
from melonkube.trainer.worker.tuner import TunerCalls

log = logging.getLogger("melonkube.worker")

WAIT_SECONDS = 20.0
"""How long the tuner may hold back an answer until there is work."""

_PAUSE_SECONDS = 0.2
"""After an answer that there is no work, should the tuner not have waited with it."""

_CLOSE_SECONDS = 1.0


class Worker:
    """One worker of one experiment.

    Args:
        settings: What it was told.
        make: Makes what does its assignments.
    """

    def __init__(self, settings: WorkerSettings, make: Callable[..., Assignments] = Assignments) -> None:
        self._settings = settings
        self._make = make
        self._token = Token(settings.token)
        self._tuner = Api(
            "tuner",
            settings.tuner_url,
            self._token,
            settings.request_id,
            silence_seconds=settings.silence_seconds,
        )
        self._registry = Api("registry", settings.registry_url, self._token, settings.request_id)
        self._calls = TunerCalls(self._tuner, self._token)
        self._leaving = threading.Event()
        self._state = threading.Lock()
        self._held: Lease | None = None
        self._idle = True
        self._refused: TokenRefused | None = None
        self._trials_left = settings.trials
        self._heartbeat: Heartbeat | None = None
        self.recorder = Recorder(self._registry, self._refuse)
        """Takes the log of the run at hand."""

    def run(self) -> int:
        """Work until there is an end to it; return the exit code of the process.

        0: told to end, by the tuner, a signal, or the number of trials. 1: the tuner has no use for this worker.
        """
        try:
            self._work()
        except Abandoned:
            log.info("worker ends as it was told")
        except (TokenRefused, Refused) as refused:
            log.error("worker ends: it is not wanted", extra={"reason": str(refused)})
            return 1
        finally:
            self._close()
        return 0

    def leave(self) -> bool:
        """End soon: training stops at its next round and is given back. For another thread than :meth:`run`'s.

        Returns:
            Whether the worker holds nothing at all, so that its process may end this instant.
        """
        with self._state:
            self._leaving.set()
            if self._held is not None:
                self._held.over.set()
            return self._idle

    def _close(self) -> None:
        """Close the connections, unless a call that hangs has hold of them."""
        ended = self.recorder.close(_CLOSE_SECONDS)
        if self._heartbeat is not None:
            ended = self._heartbeat.close(_CLOSE_SECONDS) and ended
        if ended:
            self._tuner.close()
            self._registry.close()

    def _refuse(self, refused: TokenRefused) -> None:
        with self._state:
            self._refused = refused
            if self._held is not None:
                self._held.obey(Verdict.LOST)

    def _work(self) -> None:
        leaving = Patience(self._leaving)
        setup = self._calls.setup(leaving)
        settings = self._settings
        self._heartbeat = Heartbeat(self._tuner, self._token, settings.worker_id, setup.heartbeat_seconds, self._refuse)
        files = RegistryFiles(self._registry, Cache(settings.cache_dir, settings.cache_bytes), self._patience)
        assignments = self._make(
            setup, settings.worker_id, self._calls, self._heartbeat, self.recorder, files, self._leaving.is_set
        )
        log.info("worker begins", extra={"experiment_id": setup.experiment_id, "experiment": setup.experiment_name})
        answer = LeaseAnswer()
        while not self._ending(answer):
            assignment = answer.assignment
            answer = self._next(leaving) if assignment is None else self._do(assignments, assignment)

    def _ending(self, answer: LeaseAnswer) -> bool:
        """Whether nothing is to be done any more; gives back what was handed over nevertheless."""
        if self._refused is not None:
            raise self._refused
        if not (answer.exit or self._leaving.is_set() or self._trials_left == 0):
            return False
        if answer.assignment is not None:
            self._give_back(answer.assignment.run_id)
        return True

    def _next(self, leaving: Patience) -> LeaseAnswer:
        request = LeaseRequest(worker_id=self._settings.worker_id, wait_seconds=WAIT_SECONDS)
        with self._state:
            self._idle = not self._leaving.is_set()
        try:
            leaving.check()
            answer = self._calls.lease(request, leaving)
        finally:
            with self._state:
                self._idle = False
        if answer.assignment is None and not answer.exit:
            leaving.wait(_PAUSE_SECONDS)
        return answer

    def _do(self, assignments: Assignments, assignment: Assignment) -> LeaseAnswer:
        lease = self._hold(assignment.run_id)
        try:
            if isinstance(assignment, TrialAssignment):
                if self._trials_left is not None:
                    self._trials_left -= 1
                return assignments.trial(assignment, lease, last=self._trials_left == 0)
            return assignments.evaluation(assignment, lease, last=False)
        except Abandoned:
            return self._abandon(lease)
        except Refused as refused:
            log.warning("the tuner will not have the result", extra={"reason": str(refused)})
            return LeaseAnswer()
        finally:
            self._let_go()

    def _abandon(self, lease: Lease) -> LeaseAnswer:
        if lease.lost:
            log.warning("the lease is lost, its work is dropped")
        else:
            self._give_back(lease.run_id)
        return LeaseAnswer()

    def _give_back(self, run_id: str) -> None:
        """Return a trial untouched, at the first try or not at all: the lease would run out by itself."""
        request = FailRequest(
            worker_id=self._settings.worker_id,
            cause=Cause.RELEASED,
            reason="The worker was told to end.",
            want_next=False,
        )
        over = threading.Event()
        over.set()
        try:
            self._calls.fail(run_id, request, Patience(over))
        except (Abandoned, Refused) as error:
            log.warning("the trial could not be given back", extra={"reason": str(error)})
        else:
            log.info("trial given back")

    def _hold(self, run_id: str) -> Lease:
        lease = Lease(run_id)
        with self._state:
            self._held = lease
            if self._leaving.is_set():
                lease.over.set()
        if self._heartbeat is not None:
            self._heartbeat.hold(lease)
        return lease

    def _let_go(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.drop()
        self.recorder.drop()
        with self._state:
            self._held = None

    def _patience(self) -> Patience:
        with self._state:
            return Patience(self._leaving if self._held is None else self._held.over)
