import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from melonkube.trainer.worker.logs import LOGGER, JsonFormatter, Level, configure_logs


class Sink:
    def __init__(self) -> None:
        self.lines: list[tuple[Level, str]] = []
        self.stderr = io.StringIO()

    def printed(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stderr.getvalue().splitlines()]

    def write_log(self, at: datetime, level: Level, message: str) -> None:
        assert at.tzinfo is UTC
        self.lines.append((level, message))


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    before = (root.handlers[:], root.level, ours.handlers[:], ours.level)
    written = Sink()
    monkeypatch.setattr("sys.stderr", written.stderr)
    configure_logs("worker-1", "request-1", "INFO", written)
    yield written
    root.handlers[:], ours.handlers[:] = before[0], before[2]
    root.setLevel(before[1])
    ours.setLevel(before[3])


def test_a_record_is_one_json_line_and_a_line_of_the_run(sink: Sink) -> None:
    logging.getLogger("melonkube.worker").info("trial begins", extra={"trial": 3})
    [line] = sink.printed()
    assert line.pop("timestamp")
    assert line == {
        "event": "trial begins", "trial": 3, "service": "worker", "worker_id": "worker-1", "request_id": "request-1",
        "logger": "melonkube.worker", "level": "info",
    }  # fmt: skip
    assert sink.lines == [("info", "trial begins trial=3")]


def test_an_exception_brings_its_traceback(sink: Sink) -> None:
    try:
        raise ZeroDivisionError("of all things")
    except ZeroDivisionError:
        logging.getLogger("melonkube.worker").exception("failed")
    [line] = sink.printed()
    assert "of all things" in str(line["exception"])
    [(level, message)] = sink.lines
    assert level == "error"
    assert message.startswith("failed\nTraceback")


def test_libraries_speak_from_warnings_up_and_not_in_the_run(sink: Sink) -> None:
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("httpx").warning("odd")
    assert [line["event"] for line in sink.printed()] == ["odd"]
    assert sink.lines == []


def test_debug_lines_stay_out(sink: Sink) -> None:
    logging.getLogger("melonkube.worker").debug("detail")
    assert sink.printed() == []
    assert sink.lines == []


@pytest.mark.parametrize(
    ("number", "level"), [(logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.CRITICAL, "error")]
)
def test_levels_are_the_wires(number: int, level: Level, sink: Sink) -> None:
    logging.getLogger("melonkube.worker").log(number, "said")
    assert sink.lines == [(level, "said")]


def test_what_json_cannot_hold_is_shown_as_text() -> None:
    record = logging.makeLogRecord({"msg": "said", "object": {1, 2}.__class__})
    assert json.loads(JsonFormatter("w", None).format(record))["object"] == "<class 'set'>"
