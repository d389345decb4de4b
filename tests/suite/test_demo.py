"""``melon demo``: its words, and the whole of it on the real services."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from melonkube.contracts.experiments import Direction, Experiment, Metric, Trial, TrialState
from melonkube.contracts.ids import new_id
from melonkube.sdk.cli.errors import CommandError
from melonkube.suite.demo import find_sample
from melonkube.suite.demo_view import DemoView, TrialLines, better, curl_line

NOW = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("metric", "direction", "value", "than", "said"),
    [
        (Metric.AUC, Direction.MAXIMIZE, 0.8, 0.75, "0.0500 better, 20.0% of what was left to gain"),
        (Metric.AUC, Direction.MAXIMIZE, 0.7, 0.75, "0.0500 worse, 20.0% of what was left to gain"),
        (Metric.AUC, Direction.MAXIMIZE, 1.0, 1.0, "the same"),
        (Metric.RMSE, Direction.MINIMIZE, 9.0, 10.0, "1.0000 better, 10.0%"),
        (Metric.RMSE, Direction.MINIMIZE, 11.0, 10.0, "1.0000 worse, 10.0%"),
        (Metric.LOGLOSS, Direction.MINIMIZE, 0.5, 0.0, "0.5000 worse"),
    ],
)
def test_a_comparison_in_words(metric: Metric, direction: Direction, value: float, than: float, said: str) -> None:
    assert better(metric, direction, value, than) == said


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.none(), st.booleans(), st.integers(), st.text())))
def test_the_curl_line_survives_the_shell(instance: dict[str, Any]) -> None:
    words = shlex.split(curl_line("http://127.0.0.1:1", "flights", instance))
    assert words[2] == "http://127.0.0.1:1/api/v1/endpoints/flights/predict"
    assert json.loads(words[-1]) == {"instances": [instance]}


def make_trial(number: int, value: float | None, **more: Any) -> Trial:
    content = {
        "id": new_id(),
        "experiment_id": new_id(),
        "number": number,
        "state": TrialState.COMPLETED,
        "source": "tpe",
        "value": value,
        "params": {"num_leaves": number, "learning_rate": 0.1, "seed": 1},
        "attempt": 1,
        "created_at": NOW,
        **more,
    }
    return Trial.model_validate(content)


class Recorder(DemoView):
    def __init__(self) -> None:
        self.stream = io.StringIO()
        super().__init__(Console(file=self.stream, width=200))


def make_experiment(**more: Any) -> Experiment:
    content = {
        "id": new_id(),
        "name": "flights-late",
        "state": "completed",
        "dataset_id": new_id(),
        "dataset_name": "flights",
        "dataset_version": 1,
        "target": "late",
        "task": "binary",
        "metric": "auc",
        "direction": "maximize",
        "trainer": "lightgbm",
        "algorithm": "tpe",
        "search_space": {},
        "columns": [],
        "split": {"method": "stratified", "seed": 1, "train": 6, "validation": 2, "holdout": 2, "excluded": 0},
        "seed": 1,
        "parallelism": 2,
        "trials_per_worker": "auto",
        "budget": {"max_trials": 4},
        "trials": {"total": 4},
        "elapsed_seconds": 1.0,
        "run_id": new_id(),
        "created_at": NOW,
        **more,
    }
    return Experiment.model_validate(content)


def test_a_line_for_each_best_trial_and_for_each_that_failed() -> None:
    view = Recorder()
    with view.tuning(make_experiment()) as lines:
        assert isinstance(lines, TrialLines)
        baseline = make_trial(1, 0.70, source="baseline")
        for trial in (
            baseline,
            baseline,
            make_trial(2, 0.69),
            make_trial(3, None, state="failed", reason="It broke."),
            make_trial(4, 0.75),
        ):
            lines.ended(trial)
    told = [line.split() for line in view.stream.getvalue().splitlines() if line.startswith("  trial")]
    assert told == [
        ["trial", "1", "auc", "0.7000", "LightGBM's", "defaults"],
        ["trial", "3", "failed", "It", "broke."],
        ["trial", "4", "auc", "0.7500", "best", "so", "far"],
    ]


def test_the_defaults_are_on_the_leaderboard_with_their_true_rank() -> None:
    view = Recorder()
    trials = [make_trial(number, 0.9 - number / 100) for number in range(2, 12)]
    view.leaderboard(make_experiment(), [*trials, make_trial(1, 0.5, source="baseline")])
    lines = view.stream.getvalue().split("\n")
    rows = [line.split() for line in lines if re.match(r"\s+\d", line)]
    assert [row[:2] for row in rows] == [["1", "2"], ["2", "3"], ["3", "4"], ["4", "5"], ["5", "6"], ["11", "1"]]
    assert "(defaults)" in rows[-1]
    heading = next(line for line in lines if "rank" in line)
    assert "num_leaves" in heading
    assert "learning_rate" not in heading


def test_a_winner_that_is_worse_unseen_is_not_sold_as_better() -> None:
    view = Recorder()
    result = {"trial_id": new_id(), "params": {}, "run_id": new_id()}
    experiment = make_experiment(
        best={"number": 4, "value": 0.8, "holdout_value": 0.7, **result},
        baseline={"number": 1, "value": 0.7, "holdout_value": 0.75, **result},
    )
    assert experiment.best is not None
    view.winner(experiment, experiment.best)
    told = view.stream.getvalue().splitlines()
    assert "better" in next(line for line in told if "scored the search" in line)
    assert "worse" in next(line for line in told if "never saw" in line)


def test_without_samples_there_is_no_demo(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="needs the sample data"):
        find_sample({"MELON_SAMPLES_DIR": str(tmp_path)})
    sample, file = find_sample({})
    assert file.is_file()
    assert sample.rows >= 10_000


@pytest.mark.e2e
@pytest.mark.timeout(280)
def test_the_whole_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "melonkube.suite", "demo", "--data", str(tmp_path / "demo data"), "--workers", "2"],
        env={**os.environ, "MELON_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("15,000 rows", "Leaderboard", "(defaults)", "never saw", "curl -sS http://127.0.0.1:", "is stopped"):
        assert words in done.stdout
    assert re.search(r"on rows the search never saw; LightGBM's defaults 0\.\d{4} \(0\.\d{4} better", done.stdout)
    assert not (tmp_path / "demo data" / "suite.json").exists()


@pytest.mark.e2e
def test_a_demo_that_cannot_be_given_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "melonkube.suite", "demo", "--data", str(tmp_path / "data")],
        env={**os.environ, "MELON_SAMPLES_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs the sample data" in done.stderr
