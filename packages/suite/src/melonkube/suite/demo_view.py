"""What ``melon demo`` shows: plain lines where nobody looks on, a moving bar where somebody does."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from melonkube.contracts.datasets import Dataset, Sample
from melonkube.contracts.endpoints import PredictAnswer
from melonkube.contracts.experiments import Direction, Experiment, Metric, Trial, TrialResult, TrialState
from melonkube.sdk.cli.text import number, printable, scalar, seconds

LEADERBOARD = 5
_SHOWN_PARAMETERS = 4
_WELL_KNOWN = ("learning_rate", "num_leaves", "min_data_in_leaf", "feature_fraction")
_ERROR_LEFT = {Metric.AUC: 1.0, Metric.ACCURACY: 1.0, Metric.F1_MACRO: 1.0, Metric.R2: 1.0}
"""Metrics that end at 1: there, progress is told as the share of the way to it."""


def better(metric: Metric, direction: Direction, value: float, than: float) -> str:
    """Return in words how ``value`` compares with ``than``."""
    gain = value - than if direction is Direction.MAXIMIZE else than - value
    if gain == 0:
        return "the same"
    word = "better" if gain > 0 else "worse"
    left = _ERROR_LEFT[metric] - than if metric in _ERROR_LEFT else than
    share = f", {abs(gain) / left:.1%} of what was left to gain" if metric in _ERROR_LEFT and left > 0 else ""
    if metric not in _ERROR_LEFT and than > 0:
        share = f", {abs(gain) / than:.1%}"
    return f"{abs(gain):.4f} {word}{share}"


def curl_line(url: str, endpoint: str, instance: dict[str, Any]) -> str:
    """Return a command that predicts ``instance``, to be pasted into a shell."""
    body = json.dumps({"instances": [instance]}, ensure_ascii=False)
    address = f"{url}/api/v1/endpoints/{endpoint}/predict"
    return f"curl -sS {shlex.quote(address)} -H 'Content-Type: application/json' -d {shlex.quote(body)}"


class DemoView:
    """Writes the demo, step by step.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(printable(text), markup=False, highlight=False)

    def step(self, text: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(printable(text), style="bold", markup=False, highlight=False)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is waited for."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(printable(text)):
            yield

    def sample(self, sample: Sample) -> None:
        """Tell which data it is about."""
        self.step(sample.title)
        self.say(sample.description)
        self.say(f"Source: {sample.source} ({sample.licence})")

    def dataset(self, dataset: Dataset) -> None:
        """Tell what was found in the file."""
        kinds: dict[str, int] = {}
        for column in dataset.columns:
            kinds[column.kind] = kinds.get(column.kind, 0) + 1
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        holes = sum(column.nullable for column in dataset.columns)
        self.say(f"{dataset.rows:,} rows, {len(dataset.columns)} columns: {told}; {holes} with missing values")

    @contextmanager
    def tuning(self, experiment: Experiment) -> Iterator["TrialLines"]:
        """Show trials as they end."""
        left_out = [column.name for column in experiment.columns if column.role in ("id", "ignored")]
        split = experiment.split
        self.say(
            f"{experiment.task} · {experiment.metric} ({experiment.direction}) · {split.train:,} rows to train on, "
            f"{split.validation:,} to score trials on, {split.holdout:,} set aside unseen"
        )
        if left_out:
            self.say(f"Left out as no model should learn from it: {', '.join(left_out)}")
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            yield TrialLines(self, bar, experiment)

    def leaderboard(self, experiment: Experiment, trials: Sequence[Trial]) -> None:
        """Show the best trials, and the defaults among them."""
        self.step("Leaderboard")
        shown = list(trials[:LEADERBOARD])
        baseline = next((trial for trial in trials if trial.source == "baseline"), None)
        if baseline is not None and baseline not in shown:
            shown.append(baseline)
        names = _telling_parameters(shown)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("rank", "trial", str(experiment.metric), "took"):
            table.add_column(heading, justify="right")
        for name in names:
            table.add_column(name, justify="right")
        for trial in shown:
            rank = trials.index(trial) + 1
            label = f"{trial.number} (defaults)" if trial is baseline else str(trial.number)
            values = [scalar(trial.params[name]) if name in trial.params else "" for name in names]
            table.add_row(str(rank), label, f"{trial.value:.4f}", seconds(trial.duration_seconds), *values)
        self._console.print(table)

    def winner(self, experiment: Experiment, best: TrialResult) -> None:
        """Say how good the winner is, and how much better than the library's own defaults."""
        self.step(f"The winner is trial {best.number}")
        base = experiment.baseline
        self._compare("on the rows that scored the search", experiment, best.value, base.value if base else None)
        if best.holdout_value is not None:
            than = base.holdout_value if base else None
            self._compare("on rows the search never saw", experiment, best.holdout_value, than)

    def _compare(self, where: str, experiment: Experiment, value: float, than: float | None) -> None:
        told = f"{experiment.metric} {value:.4f} {where}"
        if than is not None:
            told += f"; LightGBM's defaults {than:.4f}"
            told += f" ({better(experiment.metric, experiment.direction, value, than)})"
        self.say(told)

    def predictions(
        self, rows: Sequence[dict[str, Any]], columns: Sequence[str], target: str, answer: PredictAnswer
    ) -> None:
        """Show rows, by some of their columns, what was predicted, and what is true."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in (*columns, "predicted", "certainty", f"{target} in truth"):
            table.add_column(printable(heading))
        for index, (row, prediction) in enumerate(zip(rows, answer.predictions, strict=True)):
            certainty = ""
            if answer.probabilities is not None:
                certainty = f"{max(answer.probabilities[index].values()):.0%}"
            cells = ["" if row[name] is None else scalar(row[name]) for name in columns]
            table.add_row(*cells, scalar(prediction), certainty, scalar(row[target]))
        self._console.print(table)

    def command(self, line: str) -> None:
        """Show a command to copy, on one line however long it is."""
        self._console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


class TrialLines:
    """Tells of each trial that ends; a line for each that is the best so far."""

    def __init__(self, view: DemoView, bar: Progress, experiment: Experiment) -> None:
        self._view = view
        self._bar = bar
        self._experiment = experiment
        self._task = bar.add_task("searching", total=experiment.budget.max_trials)
        self._best: float | None = None
        self._ended: set[str] = set()

    def ended(self, trial: Trial) -> None:
        """Take a trial in its final state; the same one again changes nothing."""
        if trial.id in self._ended:
            return
        self._ended.add(trial.id)
        metric = self._experiment.metric
        if trial.state is not TrialState.COMPLETED or trial.value is None:
            self._view.say(f"  trial {trial.number:>3}  {trial.state}  {trial.reason or ''}".rstrip())
        elif self._is_best(trial.value):
            self._best = trial.value
            label = "LightGBM's defaults" if trial.source == "baseline" else "best so far"
            self._view.say(f"  trial {trial.number:>3}  {metric} {trial.value:.4f}  {label}")
        best = "" if self._best is None else f", best {metric} {number(self._best, 4)}"
        self._bar.update(self._task, completed=len(self._ended), description=f"searching{best}")

    def _is_best(self, value: float) -> bool:
        if self._best is None:
            return True
        return value > self._best if self._experiment.direction is Direction.MAXIMIZE else value < self._best


def _telling_parameters(trials: Iterable[Trial]) -> list[str]:
    """Return the parameters that the search varied: those people know first, then by name."""
    seen: dict[str, set[Any]] = {}
    for trial in trials:
        if trial.source != "baseline":
            for name, value in trial.params.items():
                seen.setdefault(name, set()).add(value)
    varied = sorted(name for name, values in seen.items() if len(values) > 1)
    return [*(name for name in _WELL_KNOWN if name in varied), *(name for name in varied if name not in _WELL_KNOWN)][
        :_SHOWN_PARAMETERS
    ]
