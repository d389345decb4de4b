"""A run that is being recorded from a notebook or a script, without the tuner."""

import logging
import math
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from melonkube.contracts.runs import Artifact, LogLine, MetricPoint, Run, RunState
from melonkube.sdk._bodies import build
from melonkube.sdk._exceptions import ConnectionFailed, InvalidInput, MelonError, Unavailable
from melonkube.sdk._transport import Clock
from melonkube.sdk.runs import Runs

log = logging.getLogger("melonkube.sdk")

FLUSH_SECONDS = 1.0
_POINTS_A_CALL = 10_000
_LINES_A_CALL = 5_000
_MESSAGE_LENGTH = 16_384

Level = Literal["debug", "info", "warning", "error"]


class ActiveRun:
    """Records parameters, metrics, logs and artifacts.

    Metrics and log lines are sent in the background about once a second, so that recording costs the training
    nothing; while the server is away they are kept. Thread-safe. Made by ``Client.start_run``.
    """

    def __init__(self, runs: Runs, run: Run, clock: Clock) -> None:
        self._runs = runs
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._points: list[MetricPoint] = []
        self._lines: list[LogLine] = []
        self._steps: dict[str, int] = {}
        self._line = 0
        self._done = threading.Event()
        self._finished = False
        self._thread = threading.Thread(target=self._work, name=f"melon-run-{run.id}", daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run.id

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record one value of a series.

        Args:
            name: Of the series.
            value: A finite number; another is left out, with a warning in the run's log.
            step: Its place in the series, from 0; by default the next.
        """
        number = float(value)
        with self._lock:
            self._check_open()
            place = self._steps.get(name, -1) + 1 if step is None else int(step)
            self._steps[name] = max(place, self._steps.get(name, -1))
            if math.isfinite(number):
                given = {"name": name, "step": place, "value": number, "at": datetime.now(UTC)}
                self._points.append(build(MetricPoint, given))
                return
        self.log(f"{name} at step {place} is {number}, not a finite number; it was left out.", level="warning")

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record one value of several series."""
        for name, value in values.items():
            self.log_metric(name, value, step)

    def log(self, message: str, level: Level = "info") -> None:
        """Record a line of log; a long one becomes several."""
        text = message.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        pieces = [text[at : at + _MESSAGE_LENGTH] for at in range(0, len(text), _MESSAGE_LENGTH)] or [""]
        with self._lock:
            self._check_open()
            for piece in pieces:
                given = {"seq": self._line, "at": datetime.now(UTC), "level": level, "message": piece}
                self._lines.append(build(LogLine, given))
                self._line += 1

    def log_artifact(self, source: str | os.PathLike[str] | bytes, path: str | None = None) -> Artifact:
        """Store a file, or bytes, with the run; at once.

        Args:
            source: A path, or the bytes themselves.
            path: Its name there, with ``/`` between its parts; by default the file's name.
        """
        if path is None:
            if isinstance(source, bytes):
                raise InvalidInput("Bytes have no name: say under which path to store them.")
            path = Path(source).name
        return self._runs.put_artifact(self.id, path, source)

    def log_artifacts(self, folder: str | os.PathLike[str], path: str = "") -> list[Artifact]:
        """Store every file below a folder, under ``path``."""
        root = Path(folder)
        files = sorted(found for found in root.rglob("*") if found.is_file())
        prefix = path.strip("/") + "/" if path.strip("/") else ""
        return [self.log_artifact(found, prefix + found.relative_to(root).as_posix()) for found in files]

    def logging_handler(self, level: int = logging.INFO) -> logging.Handler:
        """Return a handler of the module ``logging`` that records into this run."""
        return _RunHandler(self, level)

    def flush(self) -> None:
        """Send what is recorded and not yet sent.

        Raises:
            MelonError: It could not be sent; it is kept where trying again can help.
        """
        with self._sending:
            while True:
                with self._lock:
                    points, lines = self._points[:_POINTS_A_CALL], self._lines[:_LINES_A_CALL]
                if not points and not lines:
                    return
                if points:
                    self._send_points(points)
                if lines:
                    self._send_lines(lines)

    def finish(self, state: RunState | str = RunState.COMPLETED, reason: str | None = None) -> None:
        """Send what is left and end the run; nothing can be recorded after it."""
        with self._lock:
            if self._finished:
                return
            self._finished = True
        self._done.set()
        self._thread.join()
        try:
            self.flush()
        finally:
            self._runs.finish(self.id, state, reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
            return
        stopped = isinstance(error, KeyboardInterrupt)
        reason = "Interrupted." if stopped else f"{type(error).__name__}: {error}"[:2000]
        try:
            self.finish(RunState.STOPPED if stopped else RunState.FAILED, reason)
        except MelonError as failure:
            log.warning("run %s could not be ended: %s", self.id, failure)

    def _check_open(self) -> None:
        if self._finished:
            raise InvalidInput("This run has ended; nothing can be recorded into it.")

    def _send_points(self, points: list[MetricPoint]) -> None:
        try:
            self._runs.add_metrics(self.id, points)
        except (ConnectionFailed, Unavailable):
            raise
        except MelonError:
            self._drop(len(points), 0)
            raise
        self._drop(len(points), 0)

    def _send_lines(self, lines: list[LogLine]) -> None:
        try:
            self._runs.add_logs(self.id, lines)
        except (ConnectionFailed, Unavailable):
            raise
        except MelonError:
            self._drop(0, len(lines))
            raise
        self._drop(0, len(lines))

    def _drop(self, points: int, lines: int) -> None:
        with self._lock:
            del self._points[:points]
            del self._lines[:lines]

    def _work(self) -> None:
        while not self._done.wait(FLUSH_SECONDS):
            try:
                self.flush()
            except (ConnectionFailed, Unavailable) as error:
                log.debug("run %s: kept for later: %s", self.id, error)
            except MelonError as error:
                log.warning("run %s: what was recorded was refused: %s", self.id, error)


class _RunHandler(logging.Handler):
    """Carries log records into a run; those of this client itself are left out, or it would feed itself."""

    def __init__(self, run: ActiveRun, level: int) -> None:
        super().__init__(level)
        self._run = run

    def emit(self, record: logging.LogRecord) -> None:
        """Record one line."""
        if record.name.startswith(("melonkube.sdk", "httpx", "httpcore")):
            return
        level: Level = "debug"
        if record.levelno >= logging.ERROR:
            level = "error"
        elif record.levelno >= logging.WARNING:
            level = "warning"
        elif record.levelno >= logging.INFO:
            level = "info"
        with suppress(InvalidInput):  # the run has ended
            self._run.log(self.format(record), level)
