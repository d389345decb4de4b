"""Recording a run from a notebook."""

import logging
import math
import threading
from pathlib import Path

import pytest

from melonkube.sdk import Client, ConnectionFailed, InvalidInput, InvalidRequest, tracking
from tests.sdk.standin import Fault, Standin


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent in the background unless a test wants it."""
    monkeypatch.setattr(tracking, "FLUSH_SECONDS", 3600.0)


def test_a_run_is_recorded(server: Standin, client: Client, tmp_path: Path) -> None:
    plots = tmp_path / "plots" / "가"
    plots.mkdir(parents=True)
    (plots / "a.svg").write_text("<svg/>")
    (tmp_path / "notes.txt").write_text("notes")
    with client.start_run("내 실험", params={"eta": 0.1, "deep": True}, tags={"who": "me"}) as run:
        for loss in (0.5, 0.4):
            run.log_metric("loss", loss)
        run.log_metric("loss", 0.3, step=10)
        run.log_metrics({"loss": 0.2, "auc": 0.9})
        run.log("시작\x00")
        run.log("odd", level="warning")
        run.log_artifact(tmp_path / "notes.txt")
        run.log_artifact(b"bytes", "raw/data.bin")
        run.log_artifacts(tmp_path / "plots", "plots/")
    (kept,) = server.runs.values()
    assert (kept["name"], kept["params"], kept["tags"]) == ("내 실험", {"eta": 0.1, "deep": True}, {"who": "me"})
    assert kept["state"] == "completed"
    series = {one.name: [(point.step, point.value) for point in one.points] for one in client.runs.metrics(run.id)}
    assert series == {"loss": [(0, 0.5), (1, 0.4), (10, 0.3), (11, 0.2)], "auc": [(0, 0.9)]}
    assert [(line["seq"], line["level"], line["message"]) for line in server.lines[run.id]] == [
        (0, "info", "시작\ufffd"), (1, "warning", "odd"),
    ]  # fmt: skip
    assert {path for _, path in server.artifacts} == {"notes.txt", "raw/data.bin", "plots/가/a.svg"}


def test_a_run_that_raises_has_failed(server: Standin, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.start_run() as run:
        run.log_metric("loss", 1 / 0)
    assert (server.runs[run.id]["state"], server.runs[run.id]["reason"]) == (
        "failed", "ZeroDivisionError: division by zero",
    )  # fmt: skip


def test_a_run_that_is_interrupted_was_stopped(server: Standin, client: Client) -> None:
    with pytest.raises(KeyboardInterrupt), client.start_run() as run:
        raise KeyboardInterrupt
    assert server.runs[run.id]["state"] == "stopped"


def test_the_reason_of_a_failure_is_not_hidden_by_a_server_that_is_away(
    server: Standin, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ZeroDivisionError), client.start_run() as run:
        run.log("one line")
        server.faults = [Fault("POST", ".*/(logs|finish)", "drop") for _ in range(8)]
        1 / 0  # noqa: B018
    assert "could not be ended" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_left_out_and_said(server: Standin, client: Client, value: float) -> None:
    with client.start_run() as run:
        run.log_metric("loss", value)
        run.log_metric("loss", 1)
    assert [(point["step"], point["value"]) for point in server.points[run.id]] == [(1, 1.0)]
    assert "loss at step 0" in server.lines[run.id][0]["message"]


def test_a_long_line_becomes_several(server: Standin, client: Client) -> None:
    with client.start_run() as run:
        run.log("x" * 40_000)
    assert [len(line["message"]) for line in server.lines[run.id]] == [16_384, 16_384, 7_232]


def test_much_is_sent_in_pieces(server: Standin, client: Client) -> None:
    with client.start_run() as run:
        for step in range(10_001):
            run.log_metric("loss", 0.0, step)
    assert [len(request.json()["points"]) for request in server.sent("POST", ".*/metrics")] == [10_000, 1]


def test_nothing_is_recorded_after_the_end(client: Client) -> None:
    with client.start_run() as run:
        pass
    with pytest.raises(InvalidInput, match="has ended"):
        run.log("late")
    with pytest.raises(InvalidInput, match="has ended"):
        run.log_metric("loss", 1)
    run.finish("failed")  # does nothing: the first end stands
    assert client.runs.get(run.id).state == "completed"


def test_bytes_need_a_name(client: Client) -> None:
    with client.start_run() as run, pytest.raises(InvalidInput, match="under which path"):
        run.log_artifact(b"x")


def test_what_cannot_be_sent_now_is_kept(server: Standin, client: Client) -> None:
    with client.start_run() as run:
        run.log_metric("loss", 0.5)
        run.log("line")
        server.faults = [Fault("POST", ".*/metrics", "drop") for _ in range(4)]
        with pytest.raises(ConnectionFailed):
            run.flush()
        assert server.points == {}
    assert [point["value"] for point in server.points[run.id]] == [0.5]
    assert [line["message"] for line in server.lines[run.id]] == ["line"]


@pytest.mark.parametrize("kind", ["metrics", "logs"])
def test_what_is_refused_is_not_sent_for_ever(server: Standin, client: Client, kind: str) -> None:
    with client.start_run() as run:
        run.log_metric("loss", 0.5)
        run.log("line")
        server.faults = [Fault("POST", f".*/{kind}", "refuse", 422)]
        with pytest.raises(InvalidRequest):
            run.flush()
        run.flush()
    assert len(server.sent("POST", f".*/{kind}")) == 1


def test_recording_goes_on_in_the_background(server: Standin, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "FLUSH_SECONDS", 0.001)
    server.faults = [Fault("POST", ".*/logs", "drop") for _ in range(5)]
    arrived = threading.Event()
    server.on_poll = lambda path: arrived.set() if path.endswith("/logs") else None
    with client.start_run() as run:
        run.log("kept while the server is away")
        assert arrived.wait(30)
        assert [line["message"] for line in server.lines[run.id]] == ["kept while the server is away"]


def test_what_is_refused_in_the_background_is_said(
    server: Standin, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "refused" in record.getMessage():
                heard.set()

    monkeypatch.setattr(tracking, "FLUSH_SECONDS", 0.001)
    heard = threading.Event()
    handler = Said()
    tracking.log.addHandler(handler)
    server.faults = [Fault("POST", ".*/logs", "refuse", 422)]
    try:
        with client.start_run() as run:
            run.log("refused")
            assert heard.wait(30)
    finally:
        tracking.log.removeHandler(handler)
    assert server.runs[run.id]["state"] == "completed"


def test_the_module_logging_records_into_a_run(server: Standin, client: Client) -> None:
    logger = logging.getLogger("training")
    logger.setLevel(logging.DEBUG)
    with client.start_run() as run:
        handler = run.logging_handler(logging.DEBUG)
        logger.addHandler(handler)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            logger.log(level, "level %d", level)
        handler.emit(logging.makeLogRecord({"name": "httpx", "msg": "own", "levelno": logging.INFO}))
    logger.error("late")
    logger.removeHandler(handler)
    assert [(line["level"], line["message"]) for line in server.lines[run.id]] == [
        ("debug", "level 10"), ("info", "level 20"), ("warning", "level 30"), ("error", "level 40"),
        ("error", "level 50"),
    ]  # fmt: skip
