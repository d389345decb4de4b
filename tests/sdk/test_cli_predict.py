"""``melon deploy`` and ``melon predict``."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import Melon, answer
from tests.sdk.routes import SIGNATURE
from tests.sdk.routes_models import load
from tests.sdk.standin import Standin


def test_deploy_of_a_winner(server: Standin, melon: Melon, experiment: dict[str, Any]) -> None:
    server.on_poll = lambda path: load(server.endpoints["churn"]) if "/endpoints/" in path else None
    said = answer(melon("deploy", "첫 실험", "--name", "churn", "-o", "json"))
    assert (said["state"], said["model"], said["version"]) == ("ready", "첫 실험", 1)
    shown = melon("deploy", experiment["id"], "--name", "churn")
    assert "첫 실험:1" in shown.out
    assert f"{server.url}/api/v1/endpoints/churn/predict" in shown.err


def test_deploy_of_a_model(server: Standin, melon: Melon) -> None:
    assert melon("deploy", "--name", "a", "--model", "m", "--alias", "champion", "--no-wait").code == 0
    assert server.requests[-1].json() == {"model": "m", "alias": "champion"}
    assert melon("deploy", "--name", "a", "--model", "m", "--version", 2, "--no-wait").code == 0
    assert server.requests[-1].json() == {"model": "m", "version": 2}


def test_deploy_that_fails(server: Standin, melon: Melon, experiment: dict[str, Any]) -> None:
    server.experiments[experiment["id"]]["best"] = None
    early = melon("deploy", "첫 실험", "--name", "churn")
    assert (early.code, early.out, early.err) == (4, "", "melon: No trial is completed yet; wait for the first.\n")

    def fails(path: str) -> None:
        if "/endpoints/" in path:
            server.endpoints["a"]["target"].update(state="failed", reason="golden rows differ")

    server.on_poll = fails
    broken = melon("deploy", "--name", "a", "--model", "m", "--version", 1)
    assert (broken.code, broken.out) == (1, "")
    assert "golden rows differ" in broken.err
    server.on_poll = lambda _: None
    slow = melon("deploy", "--name", "a", "--model", "m", "--version", 1, "--timeout", 0)
    assert slow.code == 1
    assert "still loading after 0 s" in slow.err


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("x", "--model", "m"), ("--model", "m"), ("--model", "m", "--version", "1", "--alias", "a"),
        ("x", "--version", "1"), ("x", "--alias", "a"), ("--model", "m", "--version", "0"),
    ],
)  # fmt: skip
def test_deploy_of_nothing_clear(server: Standin, melon: Melon, arguments: tuple[str, ...]) -> None:
    found = melon("deploy", "--name", "a", *arguments)
    assert (found.code, found.out) == (2, "")
    assert server.requests == []


def test_predict(server: Standin, melon: Melon, endpoint: str, table: Path) -> None:
    found = melon("predict", endpoint, "--data", table)
    assert found.out == ("prediction,probability_no,probability_yes\nyes,0.25,0.75\nno,0.75,0.25\nyes,0.25,0.75\n")
    assert found.err == "warning: 'city': 'Jeju' was never seen in training and is taken as missing.\n"
    assert server.requests[-1].json()["instances"][1] == {
        "나이": None, "size": 1000.0, "city": "부산", "member": False, "day": None,
    }  # fmt: skip


def test_predict_into_a_file(melon: Melon, endpoint: str, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    found = melon("predict", endpoint, "--data", table, "--out", out)
    assert (found.code, found.out) == (0, "")
    assert f"3 predictions written to {out}" in found.err
    assert out.read_text() == melon("predict", endpoint, "--data", table).out
    said = answer(melon("predict", endpoint, "--data", table, "--out", out, "-o", "json"))
    assert (said["out"], said["rows"], said["model"], said["version"]) == (str(out), 3, "m", 1)
    assert "predictions" not in said


def test_predict_as_json(melon: Melon, endpoint: str, table: Path) -> None:
    said = answer(melon("predict", endpoint, "--data", table, "-o", "json", "--batch", 2))
    assert said["predictions"] == ["yes", "no", "yes"]
    assert said["probabilities"][1] == {"no": 0.75, "yes": 0.25}
    assert (said["rows"], said["digest"]) == (3, "d" * 64)
    assert said["warnings"] == ["rows 2-2: 'city': 'Jeju' was never seen in training and is taken as missing."]


def test_predict_a_number(server: Standin, melon: Melon, endpoint: str, table: Path) -> None:
    server.signature = {**SIGNATURE, "task": "regression", "classes": None}
    assert melon("predict", endpoint, "--data", table).out == "prediction\n0.5\n0.5\n0.5\n"
    assert answer(melon("predict", endpoint, "--data", table, "-o", "json"))["probabilities"] is None


def test_predict_names_columns_nobody_knows(melon: Melon, endpoint: str, table: Path) -> None:
    table.write_text(table.read_text().replace("id,", "ids,", 1))
    found = melon("predict", endpoint, "--data", table)
    assert found.code == 0
    assert "warning: Not used, because the model does not know them: ids." in found.err


def test_predict_says_when_the_endpoint_moved_on(
    server: Standin, melon: Melon, endpoint: str, table: Path, tmp_path: Path
) -> None:
    table.write_text(table.read_text() + "".join("d,1,1,서울,true,,no\n" for _ in range(50)))

    def moves(path: str) -> None:
        if len(server.sent("POST", path)) == 5:
            server.endpoints[endpoint]["version"] = 2

    server.on_poll = moves
    found = melon("predict", endpoint, "--data", table, "--batch", 5, "--out", tmp_path / "out.csv")
    assert "The endpoint moved on meanwhile: m:1, m:2 answered." in found.err


def test_predict_of_a_bad_table_leaves_no_file(
    server: Standin, melon: Melon, endpoint: str, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")
    table.write_text(table.read_text() + "d,eleven,1,서울,true,,no\n")
    found = melon("predict", endpoint, "--data", table, "--out", out, "--batch", 1)
    assert found.code == 1
    assert found.err == f"melon: {table}, line 5: column '나이': 'eleven' is not a number.\n"
    assert out.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", table.name}


def test_predict_into_what_is_no_file(melon: Melon, endpoint: str, table: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert melon("predict", endpoint, "--data", table, "--out", pipe).code == 0
        assert os.read(reader, 1000).startswith(b"prediction,")
    finally:
        os.close(reader)
    assert pipe.is_fifo(), "what is no file is written to, not replaced"


def test_predict_into_a_link(melon: Melon, endpoint: str, table: Path, tmp_path: Path) -> None:
    link, out = tmp_path / "link.csv", tmp_path / "out.csv"
    link.symlink_to(out)
    assert melon("predict", endpoint, "--data", table, "--out", link).code == 0
    assert link.is_symlink()
    assert out.read_text().startswith("prediction,")


def test_predict_into_a_folder_that_is_not_there(melon: Melon, endpoint: str, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "out.csv"
    found = melon("predict", endpoint, "--data", table, "--out", out)
    assert (found.code, found.err) == (1, f"melon: {out}: No such file or directory\n")


def test_predict_says_what_the_server_refuses(server: Standin, melon: Melon, endpoint: str, table: Path) -> None:
    features = [{**one, "dtype": "string"} if one["name"] == "size" else one for one in SIGNATURE["features"]]
    server.signature = {**SIGNATURE, "features": features}
    found = melon("predict", endpoint, "--data", table)
    assert found.code == 1
    assert found.err.splitlines() == [
        "melon: Some instances are not valid.",
        "melon: /instances/0/size: must be a number or null; /instances/1/size: must be a number or null",
    ]
