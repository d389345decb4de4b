"""What a trainer is: the plug point behind which LightGBM, and whatever comes next, trains.

A worker makes one trainer per experiment with :meth:`Trainer.prepare` and then calls :meth:`Trainer.train` once a
trial, so that the data is loaded once. A trainer does no networking: it is handed the data, and asked for files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import pyarrow as pa

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction, Metric
from melonkube.contracts.signature import Column, Task
from melonkube.tabular.split import Split


class TrainingError(Exception):
    """A trial cannot be trained as asked; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Job:
    """What holds for all trials of an experiment.

    Attributes:
        task: What is predicted.
        metric: What is tuned, on the validation rows.
        direction: Which way is better.
        target: Name of the target.
        columns: All columns of the data set, with their kinds and roles.
        classes: The label's values in order; null for regression.
        split: Which rows train, choose and judge.
        seed: Of everything random.
        threads: How many to use.
        fixed: Parameters of the prepared data and of the machine.
        read: Returns the data set's columns of these names, all rows.
    """

    task: Task
    metric: Metric
    direction: Direction
    target: str
    columns: Sequence[Column]
    classes: Sequence[Scalar] | None
    split: Split
    seed: int
    threads: int
    fixed: Mapping[str, Scalar]
    read: Callable[[Sequence[str]], pa.Table]


class Control(Protocol):
    """A running trial's line to its worker; calls are cheap and never block."""

    def proceed(self) -> bool:
        """Whether to go on. Ask once a round; when false, return what there is at once."""

    def report(self, step: int, value: float) -> None:
        """Report the objective's value after ``step`` rounds; some 20 to 50 times a trial."""


class Fitted(Protocol):
    """A trained model, not yet stored."""

    @property
    def value(self) -> float:
        """The objective on the validation rows, in the metric's own unit; always finite."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """All metrics of the task on the validation rows."""

    @property
    def step(self) -> int:
        """After how many rounds the model stands."""

    def save(self) -> dict[str, bytes]:
        """Return the files of the bundle that are this trial's own, by name, without the manifest."""


@runtime_checkable
class Trainer(Protocol):
    """Trains the trials of one experiment, one after another, in one thread."""

    @classmethod
    def prepare(cls, job: Job) -> Self:
        """Load and prepare the data of an experiment.

        Raises:
            TrainingError: It cannot be trained on.
        """

    @property
    def flavor(self) -> str:
        """Name of the bundle's format, by which serving chooses a runtime."""

    @property
    def library_versions(self) -> Mapping[str, str]:
        """What the bundle was made with."""

    def shared_files(self) -> Mapping[str, bytes]:
        """Return the files of the bundle that are the same for every trial, by name."""

    def train(self, params: Mapping[str, Scalar], control: Control) -> Fitted | None:
        """Train one trial; the same parameters give the same model.

        Returns:
            The model, or None if ``control`` ended the trial before there was any.

        Raises:
            TrainingError: The parameters are not possible, or the objective became infinite.
        """

    def evaluate(self, files: Mapping[str, bytes]) -> dict[str, float]:
        """Return all metrics of the task on the holdout rows for the model in a bundle's files."""
