"""The worker's log: a JSON object a line on standard error, in the fields that the services use.

What is logged while a trial is held goes into its run's log too, so that whoever looks at a trial need not look for
its worker.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, Protocol

from melonkube.contracts.base import rfc3339

LOGGER = "melonkube"
"""Parent of all loggers of ours."""

_OWN = frozenset(vars(logging.makeLogRecord({})))

Level = Literal["debug", "info", "warning", "error"]


class LogSink(Protocol):
    """Takes the lines of the run at hand."""

    def write_log(self, at: datetime, level: Level, message: str) -> None:
        """Take one line; never blocks."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object: the message as ``event``, ``extra`` as fields beside it."""

    def __init__(self, worker_id: str, request_id: str | None) -> None:
        super().__init__()
        self._always: dict[str, str] = {"service": "worker", "worker_id": worker_id}
        if request_id is not None:
            self._always["request_id"] = request_id

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "event": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _OWN},
            **self._always,
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": rfc3339(_moment(record)),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class RunLogHandler(logging.Handler):
    """Passes records on to the run at hand, the traceback's tail included."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__(logging.INFO)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        message = record.getMessage()
        facts = {name: value for name, value in vars(record).items() if name not in _OWN}
        if facts:
            message += " " + " ".join(f"{name}={value}" for name, value in facts.items())
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        self._sink.write_log(_moment(record), _level(record.levelno), message)


def configure_logs(worker_id: str, request_id: str | None, level: str, sink: LogSink) -> None:
    """Send our records to standard error as JSON, and to ``sink``; those of libraries only from warnings up."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter(worker_id, request_id))
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(logging.WARNING)
    ours = logging.getLogger(LOGGER)
    ours.handlers[:] = [RunLogHandler(sink)]
    ours.setLevel(level)


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    return "warning" if number >= logging.WARNING else "info"
