"""``melon tune --file``: experiments and search spaces as YAML and JSON."""

from pathlib import Path
from typing import Any

import pytest

from melonkube.sdk.cli.errors import CommandError
from melonkube.sdk.cli.experiment_file import merge, read_mapping
from tests.sdk.conftest import Melon
from tests.sdk.standin import Standin
from tests.sdk.test_tune import made

EXPERIMENT = """\
# An experiment as a file.
dataset: ../고객.csv
target: y
name: from file
metric: auc
budget: {max_trials: 5, max_failed_trials: 1}
columns:
  id: {role: ignored}
search_space:
  eta: {type: float, low: 1e-3, high: 0.3}
  boosting: {type: categorical, choices: [yes, no, 12:30, 2026-01-01, 0o7, true, 1, .5, ~x]}
  num_leaves: {value: 31}
"""


@pytest.fixture
def file(table: Path) -> Path:
    path = table.parent / "experiments" / "one.yaml"
    path.parent.mkdir()
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


def test_an_experiment_file(server: Standin, melon: Melon, file: Path) -> None:
    assert melon("tune", "--file", file, "--no-watch").code == 0
    assert made(server) == {
        "dataset_id": next(iter(server.datasets)),
        "target": "y",
        "name": "from file",
        "metric": "auc",
        "budget": {"max_trials": 5, "max_failed_trials": 1},
        "columns": {"id": {"role": "ignored"}},
        "search_space": {
            "eta": {"type": "float", "low": 0.001, "high": 0.3},
            "boosting": {
                "type": "categorical",
                "choices": ["yes", "no", "12:30", "2026-01-01", "0o7", True, 1, 0.5, "~x"],
            },
            "num_leaves": {"value": 31},
        },
    }


def test_options_win_over_a_file(server: Standin, melon: Melon, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,y\n1,2\n")
    arguments = ("--name", "mine", "--trials", 9, "--kind", "id=text", "--metric", "logloss")
    assert melon("tune", other, "--file", file, "--no-watch", *arguments).code == 0
    body = made(server)
    assert (body["name"], body["metric"]) == ("mine", "logloss")
    assert body["budget"] == {"max_trials": 9, "max_failed_trials": 1}
    assert body["columns"] == {"id": {"role": "ignored", "kind": "text"}}
    assert [one["name"] for one in server.datasets.values()] == ["other"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.yaml", b"a: [1", "is not YAML: expected"),
        ("e.yaml", b"a: 1\na: 2\n", "'a' is there twice (line 2)"),
        ("e.yaml", b"? [1, 2]\n: 3\n", "a key must be a text (line 1)"),
        ("e.yaml", b"- 1\n", "must hold an experiment: a mapping of names"),
        ("e.yaml", b"1: 2\n", "must hold an experiment: a mapping of names"),
        ("e.yaml", b"", "must hold an experiment"),
        ("e.yaml", b"a: !!python/object/apply:os.system [ls]\n", "is not YAML: could not determine a constructor"),
        ("e.yaml", b"\xff\xfe", "is not UTF-8 text"),
        ("e.json", b"{'a': 1}", "is not JSON: Expecting"),
        ("e.json", b"[" * 100_000, "is not JSON"),
        ("e.yaml", b"[" * 100_000, "is not YAML"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CommandError) as caught:
        read_mapping(path, "an experiment")
    assert said in str(caught.value)
    assert caught.value.code == 2


def test_yaml_is_read_as_its_newer_standard_says(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(
        "\ufeff# mark\nnulls: [~, null, '']\nbool: [true, False, yes, on, n]\nint: [1, -2, +3, 010, 1_000]\n"
        "float: [1.5, 1e3, 1E-3, .5, 2., -.inf]\ntext: [2026-01-01, 12:30:00, =, <<]\nkey: &a {x: 1}\nagain: *a\n"
    )
    assert read_mapping(path, "x") == {
        "nulls": [None, None, ""],
        "bool": [True, False, "yes", "on", "n"],
        "int": [1, -2, 3, 10, "1_000"],
        "float": [1.5, 1000.0, 0.001, 0.5, 2.0, float("-inf")],
        "text": ["2026-01-01", "12:30:00", "=", "<<"],
        "key": {"x": 1},
        "again": {"x": 1},
    }


def test_merging_changes_neither_side() -> None:
    file = {"columns": {"a": {"kind": "text"}}, "budget": {"max_trials": 5}, "seed": 1}
    merged = merge(file, {"seed": None, "name": "x"}, ["a"], {}, {"max_trials": None, "max_seconds": 3.0})
    assert merged == {
        "columns": {"a": {"kind": "text", "role": "ignored"}},
        "budget": {"max_trials": 5, "max_seconds": 3.0},
        "seed": 1,
        "name": "x",
    }
    assert file == {"columns": {"a": {"kind": "text"}}, "budget": {"max_trials": 5}, "seed": 1}
    assert merge({"columns": {}, "budget": None}, {}, [], {}, {}) == {}
    bad: list[dict[str, Any]] = [{"columns": []}, {"columns": {"a": "text"}}, {"budget": 5}]
    for wrong in bad:
        with pytest.raises(CommandError, match="must be a mapping"):
            merge(wrong, {}, [], {}, {})
