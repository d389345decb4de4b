"""How a run's writing is gathered and sent; what becomes of it in outages is in ``test_worker_outages``."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import RunCreate, RunFinish, RunState
from melonkube.trainer.worker.recorder import (
    _BATCH_LINES,
    _BATCH_POINTS,
    _FORM_BYTES,
    MAX_MESSAGE,
    RunWriter,
    _together,
)
from tests.trainer.stand_in import form_files

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Registry:
    """Takes what is sent, or fails."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes, Mapping[str, str]]] = []
        self.failing = 0

    def __call__(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
        if self.failing:
            self.failing -= 1
            raise httpx.ConnectError("away")
        self.sent.append((method, path.removeprefix(f"/api/v1/runs/{RUN}"), content, headers))


RUN = new_id()


@pytest.fixture
def writer() -> RunWriter:
    return RunWriter(RunCreate(id=RUN))


def send_all(writer: RunWriter, registry: Registry) -> None:
    writer.make(registry)
    for part in writer.parts():
        part(registry)


def form_of(sent: tuple[str, str, bytes, Mapping[str, str]]) -> tuple[bytes, str]:
    return sent[2], sent[3]["Content-Type"]


def points_in(registry: Registry) -> list[int]:
    return [
        point["step"]
        for _, path, content, _ in registry.sent
        if path == "/metrics"
        for point in json.loads(content)["points"]
    ]


def test_a_run_is_made_once(writer: RunWriter) -> None:
    registry = Registry()
    assert writer.waiting
    send_all(writer, registry)
    send_all(writer, registry)
    assert [(method, path) for method, path, _, _ in registry.sent] == [("POST", "/api/v1/runs")]
    assert not writer.waiting


def test_nothing_is_lost_that_did_not_arrive(writer: RunWriter) -> None:
    registry = Registry()
    writer.make(registry)
    for step in range(3):
        writer.add_point("auc", step, 0.5, NOW)
    writer.add_line(NOW, "info", "said")
    writer.add_files({"model.txt": b"model"})
    for part in writer.parts():
        registry.failing = 1
        with pytest.raises(httpx.ConnectError):
            part(registry)
    assert writer.waiting
    for part in writer.parts():
        part(registry)
    assert points_in(registry) == [0, 1, 2]
    assert sorted(path for _, path, _, _ in registry.sent[1:]) == ["/artifacts/model/model.txt", "/logs", "/metrics"]
    assert not writer.waiting


def test_what_comes_while_sending_waits_for_the_next_time(writer: RunWriter) -> None:
    registry = Registry()
    writer.add_point("auc", 0, 0.5, NOW)

    def send(method: str, path: str, content: bytes, headers: Mapping[str, str]) -> None:
        registry(method, path, content, headers)
        writer.add_point("auc", len(registry.sent), 0.5, NOW)
        writer.add_line(NOW, "info", "more")

    writer.send_points(send)
    assert points_in(registry) == [0]
    writer.send_points(registry)
    assert points_in(registry) == [0, 1]


def test_long_series_and_logs_go_in_batches(writer: RunWriter) -> None:
    registry = Registry()
    for step in range(_BATCH_POINTS + 5):
        writer.add_point("auc", step, 0.5, NOW)
    for _ in range(_BATCH_LINES + 5):
        writer.add_line(NOW, "info", "said")
    send_all(writer, registry)
    assert points_in(registry) == list(range(_BATCH_POINTS + 5))
    logs = [json.loads(content)["lines"] for _, path, content, _ in registry.sent if path == "/logs"]
    assert [len(lines) for lines in logs] == [_BATCH_LINES, 5]
    assert [line["seq"] for lines in logs for line in lines] == list(range(_BATCH_LINES + 5))


def test_of_a_long_line_the_end_is_kept(writer: RunWriter) -> None:
    registry = Registry()
    writer.add_line(NOW, "error", "x" * MAX_MESSAGE + "\x00 lone \udc80 the error itself")
    writer.send_lines(registry)
    [line] = json.loads(registry.sent[0][2])["lines"]
    assert len(line["message"]) <= MAX_MESSAGE
    assert line["message"].startswith("... x")
    assert line["message"].endswith("the error itself")
    assert "\x00" not in line["message"]


def test_small_files_go_together_with_hash_and_types(writer: RunWriter) -> None:
    registry = Registry()
    writer.add_files({"model.txt": b"m", "golden.json": b"{}", "weights.bin": b"w"})
    send_all(writer, registry)
    _, (method, path, content, headers) = registry.sent
    assert (method, path) == ("POST", "/artifacts")
    assert headers["X-Content-SHA256"] == hashlib.sha256(content).hexdigest()
    parts = form_files(content, headers["Content-Type"])
    assert parts == {
        "model/model.txt": ("text/plain; charset=utf-8", b"m"),
        "model/golden.json": ("application/json", b"{}"),
        "model/weights.bin": ("application/octet-stream", b"w"),
    }
    assert not writer.waiting


def test_a_large_file_goes_by_itself(writer: RunWriter) -> None:
    registry = Registry()
    large = b"x" * (_FORM_BYTES + 1)
    writer.add_files({"a.json": b"1", "model.txt": large, "b.json": b"2", "c.json": b"3", "d.bin": large[:-2]})
    send_all(writer, registry)
    sent = [(method, path) for method, path, _, _ in registry.sent[1:]]
    assert sent == [
        ("PUT", "/artifacts/model/a.json"),
        ("PUT", "/artifacts/model/model.txt"),
        ("POST", "/artifacts"),
        ("PUT", "/artifacts/model/d.bin"),
    ]
    assert registry.sent[2][2] == large
    assert registry.sent[2][3]["X-Content-SHA256"] == hashlib.sha256(large).hexdigest()
    assert list(form_files(*form_of(registry.sent[3]))) == ["model/b.json", "model/c.json"]


@given(st.lists(st.integers(0, 3 * _FORM_BYTES // 2), max_size=250))
def test_every_file_is_in_one_group_that_fits(sizes: list[int]) -> None:
    names = {f"f{number}": size for number, size in enumerate(sizes)}
    groups = _together(names)
    assert [name for group in groups for name in group] == list(names)
    for group in groups:
        assert 1 <= len(group) <= 100
        assert len(group) == 1 or sum(names[name] for name in group) <= _FORM_BYTES


def test_the_end_is_told_with_its_reason(writer: RunWriter) -> None:
    registry = Registry()
    writer.finish(registry, RunFinish(state=RunState.FAILED, reason="why"))
    [(method, path, content, _)] = registry.sent
    assert (method, path) == ("POST", "/finish")
    assert json.loads(content) == {"state": "failed", "reason": "why"}
