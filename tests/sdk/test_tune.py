"""``melon tune``: from options and files to an experiment, watched to its end."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from melonkube.sdk.cli.errors import CommandError
from melonkube.sdk.cli.experiment_file import parse_kinds
from melonkube.sdk.cli.worker_options import parse_cpu, parse_memory
from tests.sdk.conftest import Melon
from tests.sdk.routes import result
from tests.sdk.standin import Standin


def made(server: Standin) -> dict[str, Any]:
    """Return the body of the one experiment that was asked for."""
    (request,) = server.sent("POST", "/api/v1/experiments")
    body: dict[str, Any] = request.json()
    return body


def ends(server: Standin, state: str = "completed", **more: Any) -> None:
    """Let the experiment end as soon as it is looked at."""

    def end(path: str) -> None:
        for experiment_id, experiment in server.experiments.items():
            if path.endswith(experiment_id) and experiment["state"] == "running":
                server.end(experiment_id, state, **more)

    server.on_poll = end


def test_two_arguments(server: Standin, melon: Melon, table: Path) -> None:
    ends(server, best=result(7, 0.91, 0.9), baseline=result(1, 0.85, 0.84), trials={"total": 50, "completed": 50})
    found = melon("tune", table, "--target", "y")
    assert found.code == 0
    assert made(server) == {"dataset_id": next(iter(server.datasets)), "target": "y"}
    assert "has started" in found.err
    assert "melon deploy" in found.err
    for said in (
        "completed",
        "50/50",
        "trial 7: auc 0.91, on rows the search never saw 0.9",
        "auc 0.85",
        "num_leaves=56",
    ):
        assert said in found.out


def test_why_an_experiment_waits_is_said_once(server: Standin, melon: Melon, table: Path) -> None:
    looked = threading.Semaphore(0)
    server.on_poll = lambda path: looked.release() if path.rsplit("/", 1)[-1] in server.experiments else None

    def wait_and_end() -> None:
        looked.acquire(timeout=60)
        [(experiment_id, experiment)] = server.experiments.items()
        for _ in range(3):
            experiment["reason"] = "The image a/b:1 cannot be pulled."
            server.emit(experiment_id, "experiment", dict(experiment))
            looked.acquire(timeout=60)
        server.end(experiment_id, best=result(1, 0.9), reason=None)

    thread = threading.Thread(target=wait_and_end)
    thread.start()
    found = melon("tune", table, "-t", "y")
    thread.join()
    assert found.code == 0
    assert found.err.count("Waiting: The image a/b:1 cannot be pulled.") == 1


def test_all_options(server: Standin, melon: Melon, table: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.json"
    space.write_text('{"eta": {"type": "float", "low": 1e-3, "high": 0.3, "log": true}}')
    found = melon(
        "tune", table, "-t", "y", "--name", "all", "--task", "binary", "--metric", "logloss", "--algorithm", "random",
        "--trials", 7, "--seconds", 60.5, "--parallelism", 2, "--seed", 0, "--ignore", "id", "--ignore", "zip",
        "--kind", "zip=categorical", "--kind", "a=b=numeric", "--space", space, "--no-watch", "-o", "json",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert json.loads(found.out)["name"] == "all"
    assert made(server) == {
        "dataset_id": next(iter(server.datasets)),
        "target": "y",
        "name": "all",
        "task": "binary",
        "metric": "logloss",
        "algorithm": "random",
        "search_space": {"eta": {"type": "float", "low": 0.001, "high": 0.3, "log": True}},
        "columns": {
            "zip": {"kind": "categorical", "role": "ignored"},
            "a=b": {"kind": "numeric"},
            "id": {"role": "ignored"},
        },
        "seed": 0,
        "parallelism": 2,
        "budget": {"max_trials": 7, "max_seconds": 60.5},
    }


def test_what_each_worker_is_given(server: Standin, melon: Melon, table: Path) -> None:
    found = melon(
        "tune", table, "-t", "y", "--no-watch", "--cpu", "500m", "--memory", "2Gi", "--gpu", 1, "--image", "a/b:1",
        "--node-selector", "disk=ssd", "--node-selector", "example.org/zone=a", "--priority-class", "low", "--queue",
        "team", "--env", "A=1=2", "--env", "B=", "--secret", "tokens",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert made(server)["worker"] == {
        "cpu": 0.5,
        "memory_bytes": 2 << 30,
        "gpu": 1,
        "image": "a/b:1",
        "node_selector": {"disk": "ssd", "example.org/zone": "a"},
        "priority_class": "low",
        "queue": "team",
        "env": {"A": "1=2", "B": ""},
        "secrets": ["tokens"],
    }
    assert "cpu 0.5; memory 2.0 GiB; gpu 1; image a/b:1; nodes disk=ssd, example.org/zone=a" in found.out
    assert "1=2" not in found.out


def test_a_trial_in_a_container(server: Standin, melon: Melon, table: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("lr: {type: float, low: 0.1, high: 1}")
    given = ("tune", table, "-t", "y", "--no-watch", "--space", space, "--container", "busybox")
    found = melon(*given, "--", "sh", "-c", "echo auc={{params.lr}}", "--", "--trials")
    assert found.code == 0, found.err
    assert made(server)["container"] == {
        "image": "busybox",
        "command": ["sh", "-c", "echo auc={{params.lr}}", "--", "--trials"],
    }
    assert made(server)["trainer"] == "container"
    assert "busybox: sh -c 'echo auc={{params.lr}}' -- --trials" in found.out


def test_a_container_in_a_file(server: Standin, melon: Melon, table: Path, tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(
        "dataset: table.csv\ntarget: y\nsearch_space: {lr: {type: float, low: 0.1, high: 1}}\n"
        "container: {image: mine:1, command: [train, '{{params.lr}}'], metrics: file, run_as_user: 1000}\n"
    )
    (tmp_path / "table.csv").write_bytes(table.read_bytes())
    found = melon("tune", "-f", file, "--no-watch", "--container", "mine:2", "--", "train", "--lr={{params.lr}}")
    assert found.code == 0, found.err
    assert made(server)["container"] == {
        "image": "mine:2",
        "command": ["train", "--lr={{params.lr}}"],
        "metrics": "file",
        "run_as_user": 1000,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--container", "busybox"], "Say what to run"),
        (["--container", "busybox", "--"], "Say what to run"),
        (["--", "sh"], "--container IMAGE"),
        (["--container", "busybox", "--", " "], "must begin with a program"),
    ],
)
def test_half_a_container(server: Standin, melon: Melon, table: Path, options: list[str], said: str) -> None:
    found = melon("tune", table, "-t", "y", *options)
    assert found.code != 0
    assert said in found.err
    assert server.experiments == {}


def test_options_add_to_what_a_file_gives_each_worker(
    server: Standin, melon: Melon, table: Path, tmp_path: Path
) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(
        "worker:\n  cpu: 1500m\n  memory: 500M\n  env: {A: '1', B: '2'}\n  secrets: [one]\n"
        "  tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]\n"
    )
    options = ("--gpu", 0, "--env", "B=3", "--secret", "two", "--secret", "one", "--memory", "1Gi")
    assert melon("tune", table, "-t", "y", "--no-watch", "--file", file, *options).code == 0
    assert made(server)["worker"] == {
        "cpu": 1.5,
        "memory_bytes": 1 << 30,
        "gpu": 0,
        "env": {"A": "1", "B": "3"},
        "secrets": ["one", "two"],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--memory", "2GB"), "'2GB' is not an amount of memory"),
        (("--memory", "1Ki"), "worker/memory_bytes: "),
        (("--cpu", "lots"), "'lots' is not a number of cores"),
        (("--cpu", "0"), "worker/cpu: "),
        (("--gpu", "-1"), "--gpu"),
        (("--env", "A"), "--env A: write it as NAME=VALUE"),
        (("--env", "1A=x"), "worker/env"),
        (("--node-selector", "=x"), "--node-selector =x: write it as NAME=VALUE"),
        (("--secret", "Not A Name"), "worker/secrets/0: "),
    ],
)
def test_what_a_worker_cannot_be_given_is_said_before_anything_is_sent(
    server: Standin, melon: Melon, table: Path, options: tuple[str, ...], said: str
) -> None:
    found = melon("tune", table, "-t", "y", "--no-watch", *options)
    assert (found.code, said in found.err) == (2, True), found.err
    assert server.requests == []


@pytest.mark.parametrize(
    "worker", ["[1]", "a text", "{cpu: lots}", "{memory: []}", "{memori: 1Gi}", "{env: 1}", "{env: [A]}"]
)
def test_a_worker_in_a_file_that_makes_no_sense(
    server: Standin, melon: Melon, table: Path, tmp_path: Path, worker: str
) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(f"worker: {worker}\n")
    assert melon("tune", table, "-t", "y", "--no-watch", "--file", file, "--env", "A=1").code == 2
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1k", 1000), ("1Ki", 1024), ("1.5Gi", 3 << 29), (".5M", 500_000), ("2Ti", 2 << 40), ("1P", 10**15)],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(("text", "cores"), [("2", 2), ("0.5", 0.5), ("250m", 0.25), ("1.", 1)])
def test_numbers_of_cores(text: str, cores: float) -> None:
    assert parse_cpu(text) == cores


@pytest.mark.parametrize("named", ["고객", "고객:1", "{id}"])
@pytest.mark.parametrize("where", ["argument", "dataset", "dataset_id"])
def test_a_data_set_that_is_there(
    server: Standin, melon: Melon, table: Path, tmp_path: Path, named: str, where: str
) -> None:
    assert melon("upload", table).code == 0
    (identity,) = server.datasets
    named = named.format(id=identity)
    if where == "argument":
        found = melon("tune", named, "--target", "y", "--no-watch")
    else:
        path = tmp_path / "experiment.json"
        path.write_text(json.dumps({where: named, "target": "y"}))
        found = melon("tune", "--file", path, "--no-watch")
    assert found.code == 0, found.err
    assert made(server)["dataset_id"] == identity


def test_a_data_set_that_is_not_there(server: Standin, melon: Melon) -> None:
    found = melon("tune", "none", "--target", "y")
    assert (found.code, found.out) == (3, "")
    assert "There is no data set 'none'" in found.err


@pytest.mark.parametrize(
    ("state", "more", "code", "said"),
    [
        ("completed", {"best": result(1, 0.9)}, 0, "melon deploy"),
        ("stopped", {"best": result(1, 0.9), "reason": "You stopped it."}, 0, "melon deploy"),
        ("stopped", {"reason": "You stopped it."}, 1, "is stopped: You stopped it."),
        ("completed", {}, 1, "is completed without a completed trial."),
        ("failed", {"reason": "More than 5 trials failed."}, 1, "is failed: More than 5 trials failed."),
        ("failed", {"best": result(1, 0.9), "reason": "More than 5 trials failed."}, 1, "is failed"),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_how_it_ended_is_the_exit_code(
    server: Standin, melon: Melon, table: Path, state: str, more: dict[str, Any], code: int, said: str, form: str
) -> None:
    ends(server, state, **more)
    found = melon("tune", table, "--target", "y", "-o", form)
    assert found.code == code
    if form == "json":
        assert json.loads(found.out)["state"] == state
    else:
        assert state in found.out
    if code or form == "table":
        assert said in found.err


def test_what_the_server_refuses(server: Standin, melon: Melon, table: Path) -> None:
    found = melon("tune", table, "--target", "constant")
    assert (found.code, found.out) == (1, "")
    assert found.err == "melon: The target has one value in every row; choose another column.\n"
    assert melon("tune", table, "--target", "y", "--name", "taken", "--no-watch").code == 0
    taken = melon("tune", table, "--target", "y", "--name", "taken", "--no-watch")
    assert (taken.code, taken.out) == (4, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say what to tune on"),
        (("{table}",), "--target"),
        (("{table}", "--target", "y", "--metric", "best"), "metric: Input should be"),
        (("{table}", "--target", "y", "--kind", "zip=colour"), "columns/zip/kind"),
        (("{table}", "--target", "y", "--kind", "zip"), "write it as COLUMN=KIND"),
        (("{table}", "--target", "y", "--trials", "0"), "--trials"),
        (("{table}", "--target", "y", "--seconds", "-1"), "budget/max_seconds"),
        (("{table}", "--target", "y", "--space", "none.yaml"), "There is no file none.yaml"),
        (("{table}", "--target", "y", "--name", "a/b"), "name"),
        (("--file", "none.yaml"), "There is no file none.yaml"),
    ],
)
def test_what_cannot_be_right_is_said_before_anything_is_sent(
    server: Standin, melon: Melon, table: Path, arguments: tuple[str, ...], said: str
) -> None:
    found = melon("tune", *(one.format(table=table) for one in arguments))
    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert server.requests == []


def test_the_kind_of_a_column() -> None:
    assert parse_kinds(["a=text", "b=c=numeric"]) == {"a": "text", "b=c": "numeric"}
    for wrong in ("a", "=text", "a="):
        with pytest.raises(CommandError):
            parse_kinds([wrong])
