"""The sidecar: follows what the command writes, keeps its lease, and brings its trial to one of its ends."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from melonkube.contracts.experiments import TASK_METRICS
from melonkube.contracts.worker import Report, Verdict
from melonkube.trainer.container import places as at
from melonkube.trainer.container.command import Command, Exit
from melonkube.trainer.container.ending import Ending
from melonkube.trainer.container.journal import Journal
from melonkube.trainer.container.metrics import Board, Reader
from melonkube.trainer.container.places import Places
from melonkube.trainer.container.state import Handover, Marks, Own
from melonkube.trainer.container.tail import Tail
from melonkube.trainer.worker.http import Abandoned, Api, Refused, Token, TokenRefused
from melonkube.trainer.worker.lease import Heartbeat, Lease
from melonkube.trainer.worker.logs import configure_logs
from melonkube.trainer.worker.recorder import Recorder
from melonkube.trainer.worker.run import run_of
from melonkube.trainer.worker.settings import WorkerSettings
from melonkube.trainer.worker.trial import CURVE, End
from melonkube.trainer.worker.tuner import TunerCalls

log = logging.getLogger("melonkube.worker.sidecar")

LOOK_SECONDS = 0.2
"""A file that grows in another container cannot be waited for."""
_CHUNKS_A_LOOK = 16

_ENDS = {Verdict.PRUNE: End.PRUNED, Verdict.STOP: End.STOPPED, Verdict.LOST: End.LOST}


def watch(signals: Collection[signal.Signals]) -> None:
    """Watch over the trial that was prepared, until the pod ends; does not return.

    Args:
        signals: Blocked in every thread; a sidecar is sent one when the command's container has ended.
    """
    try:
        settings = WorkerSettings.from_environment()
    except ValueError as error:
        sys.exit(str(error))
    places = Places.from_environment()
    leaving = threading.Event()
    threading.Thread(target=_await, args=(signals, leaving), name="signals", daemon=True).start()
    handover = Own(places.own).handover()
    if handover is not None:
        Sidecar(settings, places, handover, leaving).run()
    # One that ended would be started again: only the end of the command's container ends the pod.
    leaving.wait()
    logging.shutdown()
    os._exit(0)


def _await(signals: Collection[signal.Signals], leaving: threading.Event) -> None:
    signal.sigwait(signals)
    leaving.set()


def machine_clock() -> float:
    """Return the seconds since the machine started: the same clock for the next sidecar of this pod."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Sidecar:
    """Holds one trial.

    Args:
        settings: As a worker's.
        places: Where the command is.
        handover: The trial.
        leaving: Set when the command's container has ended.
        clock: Seconds that go on over restarts.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        places: Places,
        handover: Handover,
        leaving: threading.Event,
        clock: Callable[[], float] = machine_clock,
    ) -> None:
        self._places = places
        self._setup, self._trial = handover.setup, handover.trial
        self._leaving = leaving
        self._clock = clock
        self._own = Own(places.own)
        self._marks = self._own.marks()
        self._token = Token(self._own.token() or settings.token)
        self._kept_token = self._token.value
        tuner = Api("tuner", settings.tuner_url, self._token, settings.request_id, None, settings.silence_seconds)
        registry = Api("registry", settings.registry_url, self._token, settings.request_id)
        self._lease = Lease(self._trial.run_id)
        self._recorder = Recorder(registry, self._refuse)
        configure_logs(settings.worker_id, settings.request_id, settings.log_level, self._recorder)
        self._heartbeat = Heartbeat(tuner, self._token, settings.worker_id, self._setup.heartbeat_seconds, self._refuse)
        self._command = Command(places)
        self._journal = Journal(self._recorder)
        self._board = Board()
        self._reader = Reader([metric.value for metric in TASK_METRICS[self._setup.task]], json_only=self._in_file)
        self._said = Tail(places.shared, at.RUN, at.SAID)
        self._values = Tail(places.shared, at.OUTPUT_FOLDER, at.METRICS_FILE) if self._in_file else None
        self._ending = Ending(
            handover, settings.worker_id, TunerCalls(tuner, self._token), registry, self._recorder, self._lease, places
        )

    @property
    def _in_file(self) -> bool:
        return self._setup.container is not None and self._setup.container.metrics == "file"

    def _refuse(self, refused: TokenRefused) -> None:
        log.warning("the token is not good any more", extra={"reason": str(refused)})
        self._lease.obey(Verdict.LOST)

    def run(self) -> None:
        """Bring the trial to its end; return when there is nothing to do any more."""
        marks = self._marks = Marks(
            starts=self._marks.starts + 1, began=self._marks.began or self._clock(), done=self._marks.done
        )
        self._own.mark(marks)
        if not marks.done:
            self._recorder.begin(run_of(self._setup, self._trial), self._journal.own_lines(marks.starts))
            if marks.starts > 1:
                log.warning("the sidecar was started again, and goes on", extra={"starts": marks.starts})
            self._heartbeat.hold(self._lease)
            if self._guarded():
                self._own.mark(marks.model_copy(update={"done": True}))
                self._heartbeat.drop()
        while not self._leaving.is_set():
            if self._command.ended() is None:
                self._command.end(self._clock())
            self._command.release()
            self._leaving.wait(LOOK_SECONDS)

    def _guarded(self) -> bool:
        """Do the trial; return whether there is nothing more to say of it. Until there is, its lease is kept."""
        try:
            return self._watch()
        except Abandoned:
            log.warning("the trial is not handed in: nobody waits for it any more")
        except (Refused, TokenRefused) as refused:
            log.warning("the result is not taken", extra={"reason": str(refused)})
        except Exception as error:
            log.exception("the sidecar failed")
            self._ending.failed_itself(error)
        return True

    def _watch(self) -> bool:
        """Follow the command to its end and hand it in; return false if it is not for us to say how it ended."""
        end: End | None = None
        while True:
            exit_ = self._command.ended()
            if exit_ is not None:
                self._follow(last=True)
                return self._over(end, exit_)
            self._follow(last=False)
            if self._command.told():
                self._ending.released()
                return True
            if self._leaving.is_set():
                # Its container was ended with all that was in it, which the node saw, and the executor tells.
                self._recorder.flush(1.0)
                return False
            end = end or self._due()
            if end is not None and not self._command.end(self._clock()):
                return self._over(end, None)
            self._keep_token()
            self._leaving.wait(LOOK_SECONDS)

    def _due(self) -> End | None:
        if self._lease.verdict is not Verdict.CONTINUE:
            return _ENDS[self._lease.verdict]
        allowed, began = self._trial.max_seconds, self._marks.began or 0.0
        return End.DEADLINE if allowed is not None and self._clock() - began > allowed else None

    def _over(self, end: End | None, exit_: Exit | None) -> bool:
        return self._ending.over(end, exit_, self._board, self._journal)

    def _follow(self, *, last: bool) -> None:
        """Take in what was written since the last time; all of it, if the command has ended."""
        for line in self._said.rest() if last else self._said.lines(_CHUNKS_A_LOOK):
            self._journal.write(line)
            if self._values is None:
                self._take(line)
        if self._values is not None:
            for line in self._values.rest() if last else self._values.lines(_CHUNKS_A_LOOK):
                self._take(line)
        self._journal.flush()

    def _take(self, line: str) -> None:
        for reading in self._reader.read(line):
            series = self._board.take(reading)
            if series is None:
                continue
            self._recorder.write_point(CURVE + reading.name, series.step, series.value, datetime.now(UTC))
            if reading.name == self._setup.metric:
                self._heartbeat.report(self._lease, Report(step=series.step, value=series.value))

    def _keep_token(self) -> None:
        if self._token.value != self._kept_token:
            self._kept_token = self._token.value
            self._own.keep_token(self._kept_token)
