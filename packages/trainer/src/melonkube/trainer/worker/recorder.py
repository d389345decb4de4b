"""The run in the registry: made, filled and ended without holding up the training.

A :class:`RunWriter` gathers what is to be written; the :class:`Recorder`'s thread sends it, at most once a second,
and tries on when the registry is away. At the end the training thread sends what is left, all parts at once.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime

import httpx

from melonkube.contracts.models import BUNDLE_PATH
from melonkube.contracts.runs import LogBatch, LogLine, MetricBatch, MetricPoint, RunCreate, RunFinish
from melonkube.trainer.worker.http import PASSING, Api, Patience, Refused, TokenRefused, backoff
from melonkube.trainer.worker.logs import Level

log = logging.getLogger("melonkube.worker.recorder")

FLUSH_SECONDS = 1.0
MAX_MESSAGE = 16_384
_BATCH_POINTS = 10_000
_BATCH_LINES = 5_000
_UPLOADS = 4
_FORM_BYTES = 4 << 20
"""What the registry takes in one form."""
_FORM_FILES = 100

Send = Callable[[str, str, bytes, Mapping[str, str]], object]
"""Sends method, path, body and headers; raises when it did not arrive."""

_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain; charset=utf-8",
    ".md": "text/markdown",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}


class RunWriter:
    """What is to be written of one run. Thread-safe; sending is done by one thread at a time.

    Args:
        create: The run.
        first_line: Number of the first line of :meth:`add_line`.
    """

    def __init__(self, create: RunCreate, first_line: int = 0) -> None:
        self._path = f"/api/v1/runs/{create.id}"
        self._create: RunCreate | None = create
        self._buffer = threading.Lock()
        self.sending = threading.Lock()
        self._points: list[MetricPoint] = []
        self._lines: list[LogLine] = []
        self._next_line = first_line
        self._files: dict[str, bytes] = {}

    def add_point(self, name: str, step: int, value: float, at: datetime) -> None:
        """Add a value of a series."""
        with self._buffer:
            self._points.append(MetricPoint(name=name, step=step, value=value, at=at))

    def add_line(self, at: datetime, level: Level, message: str) -> None:
        """Add a line to the log; of a long one the end is kept, where a traceback says what happened."""
        with self._buffer:
            self._lines.append(LogLine(seq=self._next_line, at=at, level=level, message=_storable(message)))
            self._next_line += 1

    def add_numbered_line(self, number: int, at: datetime, message: str) -> None:
        """Add a line whose number is known, so that it is there once however often it is added."""
        with self._buffer:
            self._lines.append(LogLine(seq=number, at=at, level="info", message=_storable(message)))

    def add_files(self, files: Mapping[str, bytes]) -> None:
        """Add files of the bundle."""
        with self._buffer:
            self._files.update(files)

    @property
    def waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._create or self._points or self._lines or self._files)

    def make(self, send: Send) -> None:
        """Make the run, unless that is done."""
        if self._create is not None:
            send("POST", "/api/v1/runs", self._create.model_dump_json().encode(), {})
            self._create = None

    def parts(self) -> list[Callable[[Send], None]]:
        """Return the sending of all that waits, in parts that need no order among them."""
        with self._buffer:
            groups = _together({name: len(content) for name, content in self._files.items()})
        return [
            *(lambda send, names=names: self._send_files(send, names) for names in groups),
            self.send_points,
            self.send_lines,
        ]

    def send_points(self, send: Send) -> None:
        """Send the values that wait now; those stay that do not arrive."""
        for size in _sizes(len(self._points), _BATCH_POINTS):
            batch = MetricBatch(points=self._points[:size])
            send("POST", f"{self._path}/metrics", batch.model_dump_json().encode(), {})
            with self._buffer:
                del self._points[:size]

    def send_lines(self, send: Send) -> None:
        """Send the log lines that wait now; those stay that do not arrive."""
        for size in _sizes(len(self._lines), _BATCH_LINES):
            batch = LogBatch(lines=self._lines[:size])
            send("POST", f"{self._path}/logs", batch.model_dump_json().encode(), {})
            with self._buffer:
                del self._lines[:size]

    def _send_files(self, send: Send, names: Sequence[str]) -> None:
        """Send files that may go together in one form, a large one by itself."""
        contents = {name: self._files[name] for name in names}
        if len(names) == 1:
            [(name, body)] = contents.items()
            method, path, kind = "PUT", f"{self._path}/artifacts/{BUNDLE_PATH}/{name}", type_of(name)
        else:
            form = httpx.Request(
                "POST",
                "http://registry",
                files=[(f"{BUNDLE_PATH}/{name}", (name, body, type_of(name))) for name, body in contents.items()],
            )
            method, path, body, kind = "POST", f"{self._path}/artifacts", form.read(), form.headers["Content-Type"]
        send(method, path, body, {"X-Content-SHA256": hashlib.sha256(body).hexdigest(), "Content-Type": kind})
        with self._buffer:
            for name in names:
                del self._files[name]

    def finish(self, send: Send, finish: RunFinish) -> None:
        """End the run."""
        send("POST", f"{self._path}/finish", finish.model_dump_json().encode(), {})


def _storable(message: str) -> str:
    if len(message) > MAX_MESSAGE:
        message = "... " + message[4 - MAX_MESSAGE :]
    return message.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def type_of(name: str) -> str:
    """Return the content type of a file, by its ending."""
    return _TYPES.get(name[name.rfind(".") :], "application/octet-stream")


def _together(sizes: Mapping[str, int]) -> list[list[str]]:
    """Return the names in groups that a form may hold, given their sizes in bytes."""
    groups: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not groups or size > room or len(groups[-1]) == _FORM_FILES:
            groups.append([])
            room = _FORM_BYTES
        groups[-1].append(name)
        room -= size
    return groups


def _sizes(count: int, limit: int) -> list[int]:
    """Return the sizes of the batches into which ``count`` things go: what comes meanwhile is for the next time."""
    return [min(limit, count - start) for start in range(0, count, limit)]


class Recorder:
    """Sends what the run at hand has gathered.

    Args:
        api: The registry.
        on_refused: Called when it does not take the token.
    """

    def __init__(self, api: Api, on_refused: Callable[[TokenRefused], None]) -> None:
        self._api = api
        self._changed = threading.Condition()
        self._writer: RunWriter | None = None
        self._due = 0.0
        self._failures = 0
        self._settling = False
        self._closing = False
        self._on_refused = on_refused
        self._pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def begin(self, create: RunCreate, first_line: int = 0) -> None:
        """Write the run ``create`` from now on, log lines from this number on; it is made in the background."""
        with self._changed:
            self._writer = RunWriter(create, first_line)
            self._due = time.monotonic()
            self._failures = 0
            self._settling = False
            self._changed.notify_all()

    def write_log(self, at: datetime, level: Level, message: str) -> None:
        """Add a line to the log of the run at hand, if there is one."""
        self._write(lambda writer: writer.add_line(at, level, message))

    def write_numbered_line(self, number: int, at: datetime, message: str) -> None:
        """Add a line with a number of its own to the log of the run at hand, if there is one."""
        self._write(lambda writer: writer.add_numbered_line(number, at, message))

    def write_point(self, name: str, step: int, value: float, at: datetime) -> None:
        """Add a value to a series of the run at hand, if there is one."""
        self._write(lambda writer: writer.add_point(name, step, value, at))

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Add files to the bundle of the run at hand, if there is one."""
        self._write(lambda writer: writer.add_files(files))

    def _write(self, add: Callable[[RunWriter], None]) -> None:
        with self._changed:
            if self._writer is not None:
                add(self._writer)
                self._changed.notify_all()

    def settle(self) -> None:
        """Send nothing more in the background: :meth:`finish` is near, and sends all at once."""
        with self._changed:
            self._settling = True

    def flush(self, seconds: float) -> bool:
        """Wait for all that was written so far to be sent; return whether it was, within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: self._writer is None or not self._writer.waiting, seconds)

    def finish(self, finish: RunFinish, patience: Patience) -> None:
        """Send all that waits, then end the run at hand.

        Raises:
            Refused: The registry will not have it.
            TokenRefused: It did not take the token.
            Abandoned: There is no point in trying further.
        """
        writer = self._writer
        if writer is None:
            return

        def send(method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
            self._api.call(method, path, patience, content=content, headers=headers)

        with writer.sending:
            writer.make(send)
            sent = [self._pool.submit(part, send) for part in writer.parts()]
            wait(sent)
            for done in sent:
                done.result()
            writer.finish(send, finish)
            self.drop()

    def drop(self) -> None:
        """Write nothing more of the run at hand."""
        with self._changed:
            self._writer = None
            self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """End the thread; return whether it ended within ``seconds``, which a call under way may prevent."""
        with self._changed:
            self._closing = True
            self._writer = None
            self._changed.notify_all()
        self._pool.shutdown(wait=False)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (writer := self._next()) is not None:
            self._send(writer)

    def _next(self) -> RunWriter | None:
        with self._changed:
            while not self._closing:
                left = self._due - time.monotonic()
                if self._writer is None or self._settling or not self._writer.waiting:
                    self._changed.wait()
                elif left > 0:
                    self._changed.wait(left)
                else:
                    return self._writer
            return None

    def _send(self, writer: RunWriter) -> None:
        def send(method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
            self._api.once(method, path, content=content, headers=headers)

        delay = FLUSH_SECONDS
        try:
            with writer.sending:
                if writer is not self._writer:
                    return
                writer.make(send)
                for part in writer.parts():
                    part(send)
        except TokenRefused as refused:
            self.drop()
            self._on_refused(refused)
        except (httpx.TransportError, Refused) as error:
            if isinstance(error, Refused) and error.status not in PASSING and error.status < 500:
                # The end of the trial meets the same answer and reports it.
                delay = 60.0
            else:
                delay = backoff(self._failures)
            if self._failures == 0:
                log.warning("registry does not answer, training on", extra={"reason": str(error)})
            self._failures += 1
        else:
            self._failures = 0
        with self._changed:
            self._due = time.monotonic() + delay
            self._changed.notify_all()
