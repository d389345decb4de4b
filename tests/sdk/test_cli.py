"""Every command of the command line: what it calls, what it says, where, and its exit code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import Melon, answer
from tests.sdk.routes_models import make_model
from tests.sdk.standin import Fault, Standin


def test_status(server: Standin, melon: Melon) -> None:
    said = answer(melon("status", "--output", "json"))
    assert said["url"] == server.url
    assert [service["name"] for service in said["services"]] == ["gateway", "registry", "tuner", "serving"]
    shown = melon("status")
    assert server.url in shown.out
    assert "2 workers" in shown.out


def node(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "ready": True,
        "schedulable": True,
        "cpu": 4,
        "memory_bytes": 8 << 30,
        "free_cpu": 1.25,
        "free_memory_bytes": 3 << 29,
        "workers": 3,
        **more,
    }


def test_status_shows_the_nodes_and_what_they_have_left(server: Standin, melon: Melon) -> None:
    nodes = [node("node-1"), node("node-2", schedulable=False), node("node-3", ready=False, schedulable=False)]
    server.executor = {"name": "kubernetes", "slots": None, "busy": 3, "namespace": "team-a", "nodes": nodes}
    assert answer(melon("status", "-o", "json"))["executor"]["nodes"][0]["free_cpu"] == 1.25
    shown = melon("status").out
    assert "Workers: 3 at work (kubernetes, namespace team-a)" in shown
    lines = [line for line in shown.splitlines() if line.startswith(("NODE", "node-"))]
    assert [re.split(r"  +", line) for line in lines] == [
        ["NODE", "STATE", "WORKERS", "CPU LEFT", "MEMORY LEFT"],
        ["node-1", "ready", "3", "1.25 of 4", "1.5 GiB of 8.0 GiB"],
        ["node-2", "takes no pods", "3", "1.25 of 4", "1.5 GiB of 8.0 GiB"],
        ["node-3", "not ready", "3", "1.25 of 4", "1.5 GiB of 8.0 GiB"],
    ]
    server.executor["nodes"] = [node("node-1", gpu=2, free_gpu=1)]
    assert "1 of 2" in melon("status").out
    server.executor["problem"] = "The image cannot be pulled."
    assert "Not ready for workers: The image cannot be pulled." in melon("status").out
    server.executor["nodes"] = None
    assert "its nodes cannot be seen" in melon("status").out


def test_status_where_the_tuner_does_not_say_where_workers_run(server: Standin, melon: Melon) -> None:
    assert "Workers: 1 of 2 at work (local)" in melon("status").out
    server.faults = [Fault("GET", ".*/executor", "refuse", 500)]
    found = melon("status", "-o", "json")
    assert (found.code, json.loads(found.out)["executor"]) == (0, None)
    assert "Where workers run is not known: Not just now." in found.err
    server.services[2] = {"name": "tuner", "ready": False, "detail": "It does not answer."}
    before = len(server.sent("GET", "/api/v1/executor"))
    assert melon("status").code == 1
    assert len(server.sent("GET", "/api/v1/executor")) == before


@pytest.mark.parametrize("form", ["json", "table"])
def test_status_of_a_part_that_is_away(server: Standin, melon: Melon, form: str) -> None:
    server.services[2] = {"name": "tuner", "ready": False, "detail": "It does not answer."}
    found = melon("status", "-o", form)
    assert found.code == 1
    assert "It does not answer." in found.out
    assert found.err == "melon: not ready: tuner\n"


def test_version(melon: Melon) -> None:
    said = melon("version").out.strip()
    assert melon("--version").out.strip() == said
    assert answer(melon("version", "-o", "json")) == {"version": said}


def test_upload(server: Standin, melon: Melon, table: Path) -> None:
    said = answer(melon("upload", table, "-o", "json"))
    assert (said["name"], said["id"]) == ("고객", next(iter(server.datasets)))
    shown = melon("upload", table, "--name", "다른 이름")
    assert "다른 이름:1" in shown.out
    assert "나이 (numeric)" in shown.out
    assert "id (id)" in shown.out
    assert len(server.datasets) == 2


def test_lists_that_are_empty(melon: Melon) -> None:
    for command in ("datasets", "experiments", "models", "endpoints"):
        assert answer(melon(command, "-o", "json")) == {"items": []}
        shown = melon(command)
        assert (shown.code, shown.out) == (0, "")
        assert shown.err.startswith("There are no ")


def test_lists(server: Standin, melon: Melon, experiment: dict[str, Any], endpoint: str) -> None:
    make_model(server, "m", 2, champion=2)
    assert [item["id"] for item in answer(melon("datasets", "-o", "json"))["items"]] == [*server.datasets]
    assert answer(melon("experiments", "-o", "json"))["items"][0]["name"] == "첫 실험"
    assert answer(melon("models", "-o", "json"))["items"][0]["aliases"] == {"champion": 2}
    assert answer(melon("endpoints", "-o", "json"))["items"][0]["digest"] == "d" * 64
    assert "고객" in melon("datasets").out
    assert "첫 실험" in melon("experiments").out
    assert "champion=2" in melon("models").out
    assert "m:1 (ready)" in melon("endpoints").out


def test_a_list_is_complete(server: Standin, melon: Melon) -> None:
    for number in range(450):
        make_model(server, f"model {number}")
    assert len(answer(melon("models", "-o", "json"))["items"]) == 450
    assert len(melon("models").out.splitlines()) == 451


def test_tables_align_korean(server: Standin, melon: Melon) -> None:
    make_model(server, "고객 이탈", 1)
    make_model(server, "x", 1)
    head, first, second = melon("models").out.splitlines()
    # A syllable takes two cells of a terminal.
    assert first.index("1") + 4 == second.index("1") == head.index("VERSIONS") + len("VERSIONS") - 1


def test_names_cannot_drive_the_terminal(server: Standin, melon: Melon) -> None:
    make_model(server, "evil\x1b[2Jname\u202e")
    shown = melon("models").out
    assert "\x1b" not in shown
    assert "evil\\x1b[2Jname\\u202e" in shown
    assert answer(melon("models", "-o", "json"))["items"][0]["name"] == "evil\x1b[2Jname\u202e"


def numbers(outcome: Any) -> list[int]:
    return [item["number"] for item in answer(outcome)["items"]]


def test_trials(server: Standin, melon: Melon, experiment: dict[str, Any]) -> None:
    assert numbers(melon("trials", "첫 실험", "-o", "json")) == [1, 2, 3]
    assert numbers(melon("trials", experiment["id"], "--sort", "value", "-o", "json")) == [3, 1, 2]
    assert numbers(melon("trials", "첫 실험", "--sort", "duration", "-o", "json")) == [1, 2, 3]
    server.experiments[experiment["id"]]["direction"] = "minimize"
    assert numbers(melon("trials", "첫 실험", "--sort", "value", "-o", "json")) == [1, 3, 2]
    shown = melon("trials", "첫 실험")
    assert "num_leaves=24, boosting=gbdt" in shown.out
    server.trials.clear()
    assert melon("trials", "첫 실험").err == "There are no trials yet.\n"


@pytest.mark.parametrize(("command", "state"), [("stop", "stopped"), ("pause", "paused"), ("resume", "running")])
def test_steering(melon: Melon, experiment: dict[str, Any], command: str, state: str) -> None:
    assert answer(melon(command, "첫 실험", "-o", "json"))["state"] == state
    if command != "stop":
        assert state in melon(command, experiment["id"]).out


def test_an_experiment_is_named_exactly(melon: Melon, experiment: dict[str, Any]) -> None:
    found = melon("stop", "첫")
    assert (found.code, found.out) == (3, "")
    assert "There is no experiment '첫'" in found.err


@pytest.fixture
def run_id(server: Standin, experiment: dict[str, Any]) -> str:
    identity = server.new_id()
    server.runs[identity] = {
        "id": identity, "state": "running", "params": {}, "tags": {}, "metrics": {},
        "created_at": "2026-11-23T09:30:00Z",
    }  # fmt: skip
    server.trials[experiment["id"]][0]["run_id"] = identity
    server.lines[identity] = [
        {"seq": 0, "message": "round 10\x1b[0m"}, {"seq": 1, "message": "나쁨", "level": "warning"},
    ]  # fmt: skip
    return identity


def test_logs(melon: Melon, run_id: str) -> None:
    shown = melon("logs", "첫 실험", 1).out.splitlines()
    assert [line.partition(" ")[2] for line in shown] == ["round 10\\x1b[0m", "warning: 나쁨"]
    said = answer(melon("logs", "첫 실험", 1, "-o", "json"))
    assert [line["message"] for line in said["items"]] == ["round 10\x1b[0m", "나쁨"]


def test_logs_of_a_trial_that_has_none(melon: Melon, experiment: dict[str, Any]) -> None:
    early = melon("logs", "첫 실험", 2)
    assert (early.code, early.err) == (3, "melon: Trial 2 is running and has no log yet.\n")
    assert melon("logs", "첫 실험", 1, "--follow").code == 3
    assert melon("logs", "첫 실험", 9).code == 3
    assert melon("logs", "첫 실험", 0).code == 2


@pytest.mark.parametrize("form", ["table", "json"])
def test_logs_are_followed(server: Standin, melon: Melon, experiment: dict[str, Any], run_id: str, form: str) -> None:
    """From before the worker has made the run to its end."""
    kept = server.runs.pop(run_id)
    server.trials[experiment["id"]][0]["state"] = "running"

    def go_on(path: str) -> None:
        if path.endswith("/trials/1") and len(server.sent("GET", path)) == 3:
            server.runs[run_id] = kept
        polls = len(server.sent("GET", f".*/runs/{run_id}"))
        if path.endswith(run_id) and polls == 5:
            server.lines[run_id].append({"seq": 2, "message": "last"})
            kept["state"] = "completed"

    server.on_poll = go_on
    found = melon("logs", "첫 실험", 1, "--follow", "-o", form)
    assert found.code == 0, found.err
    lines = found.out.splitlines()
    if form == "json":
        assert [json.loads(line)["message"] for line in lines] == ["round 10\x1b[0m", "나쁨", "last"]
    else:
        assert [line[9:] for line in lines] == ["round 10\\x1b[0m", "warning: 나쁨", "last"]


def test_delete(server: Standin, melon: Melon, experiment: dict[str, Any], endpoint: str, run_id: str) -> None:
    make_model(server, "m:x", 3, champion=3)
    used = melon("delete", "dataset", "고객", "--yes")
    assert (used.code, used.out) == (4, "")
    assert used.err == "melon: An experiment depends on this data set; delete that first.\n"
    for kind, name in [
        ("endpoint", endpoint), ("version", "m:x:2"), ("alias", "m:x:champion"), ("model", "m:x"), ("run", run_id),
        ("experiment", "첫 실험"), ("dataset", "고객:1"),
    ]:  # fmt: skip
        assert answer(melon("delete", kind, name, "--yes", "-o", "json")) == {"deleted": {"kind": kind, "id": name}}
    assert (server.endpoints, server.models, server.experiments, server.datasets) == ({}, {}, {}, {})
    assert run_id not in server.runs


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("dataset", "none", 3), ("dataset", "고객:7", 3), ("experiment", "none", 3), ("run", "none", 3),
        ("model", "none", 3), ("endpoint", "none", 3), ("version", "none:1", 3), ("alias", "none:a", 3),
        ("version", "m", 2), ("version", "m:latest", 2), ("alias", "m", 2), ("alias", "m:", 2), ("planet", "x", 2),
    ],
)  # fmt: skip
def test_delete_of_nothing(melon: Melon, dataset: dict[str, Any], kind: str, name: str, code: int) -> None:
    found = melon("delete", kind, name, "--yes")
    assert (found.code, found.out) == (code, "")
    assert found.err


def test_delete_asks(server: Standin, melon: Melon, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    unasked = melon("delete", "endpoint", endpoint)
    assert (unasked.code, unasked.err) == (
        2, "melon: To delete endpoint 'churn' without being asked, add --yes.\n",
    )  # fmt: skip
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    refused = melon("delete", "endpoint", endpoint)
    assert (refused.code, refused.out) == (1, "")
    assert "Delete endpoint 'churn'? [y/N]" in refused.err
    assert server.endpoints
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert melon("delete", "endpoint", endpoint).code == 0
    assert server.endpoints == {}


@pytest.mark.parametrize("path", ["nothing.csv", "."])
@pytest.mark.parametrize("command", [("upload",), ("predict", "churn", "--data"), ("tune", "--target", "y")])
def test_a_file_that_is_not_there(server: Standin, melon: Melon, command: tuple[str, ...], path: str) -> None:
    found = melon(*command, path)
    assert (found.code, found.out) == (2, "")
    assert path in found.err
    assert server.requests == []


def test_a_file_that_cannot_be_written(melon: Melon, endpoint: str, table: Path, tmp_path: Path) -> None:
    found = melon("predict", endpoint, "--data", table, "--out", tmp_path / "no" / "such" / "folder.csv")
    assert found.code == 1
    assert "No such file or directory" in found.err


def test_errors_of_the_server_show_where_to_look(server: Standin, melon: Melon) -> None:
    server.faults = [Fault("GET", ".*/system", "refuse", 500)]
    found = melon("status")
    assert (found.code, found.err) == (1, "melon: Not just now.\nmelon: request id: req-1\n")


def test_a_part_that_does_not_answer_is_unreachable(server: Standin, melon: Melon) -> None:
    server.faults = [Fault("GET", ".*/system", "refuse", 503) for _ in range(4)]
    assert melon("status").code == 5


def test_usage(server: Standin, melon: Melon) -> None:
    for arguments in (["nonsense"], ["trials"], ["datasets", "-o", "xml"], ["trials", "x", "--sort", "taste"]):
        found = melon(*arguments)
        assert (found.code, found.out) == (2, "")
        assert "Usage: melon" in found.err
    assert melon("--url", "nonsense", "status").code == 2
    assert "is not an address" in melon("--url", "nonsense", "status").err
    assert server.requests == []


def test_the_address_is_an_option(server: Standin, melon: Melon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELON_URL", "http://127.0.0.1:1")
    assert melon("status").code == 5
    assert answer(melon("--url", server.url, "status", "-o", "json"))["url"] == server.url
