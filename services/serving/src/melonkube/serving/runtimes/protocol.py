"""The protocol between serving and a model runtime."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.signature import Task

GROUP = "melonkube.runtimes"

Matrix = NDArray[np.float64]


class BadModel(Exception):
    """A model that cannot be served, ever: trying again does not help. The message says why, for people."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the bundle's signature promises of its model.

    ``features`` is the length of a row, ``outputs`` how many numbers a row is answered with: one for
    regression (the value) and binary (the probability of the second class), one per class for multiclass.
    """

    task: Task
    features: int
    outputs: int


class Outputs(Protocol):
    """The numbers a row is answered with."""

    def __getitem__(self, index: int, /) -> float: ...
    def __iter__(self) -> Iterator[float]: ...


class RowScorer(Protocol):
    """Scores one row at a time, fast, in memory of its own. Belongs to one thread.

    ``row`` is a writable buffer of ``features`` float64, to be filled before each call; NaN is missing.
    """

    row: Any

    def __call__(self) -> Outputs:
        """Return the outputs for what ``row`` holds; the next call overwrites them."""
        ...


class LoadedModel(Protocol):
    """A model in memory. Immutable, safe to use from several threads; its memory is freed with the last reference."""

    def raw(self, rows: Matrix) -> Matrix:
        """Return the raw scores (before any link function) of ``rows``: shape (rows, outputs)."""
        ...

    def scores(self, rows: Matrix) -> Matrix:
        """Return values or probabilities of ``rows``: shape (rows, outputs). Lets other threads run meanwhile."""
        ...

    def row_scorer(self, samples: Matrix | None = None) -> RowScorer:
        """Return a new scorer of single rows, whose answers equal those of :meth:`scores` bit for bit.

        Args:
            samples: Rows on which a runtime that has several ways to score one makes sure that they agree.
        """
        ...


class Runtime(Protocol):
    """Loads the models of one flavor.

    Attributes:
        flavor: The ``flavor`` of the bundles it takes.
        files: Files of the bundle it reads, beside those every bundle has.
    """

    flavor: str
    files: frozenset[str]

    def load(self, folder: Path, shape: ModelShape) -> LoadedModel:
        """Return the model in ``folder``, whose files have been verified. Called off the event loop.

        Nothing in the folder is trusted: a runtime never executes what it reads, and refuses a file that
        would lead it to read beyond its memory or never to end.

        Raises:
            BadModel: It is damaged, or not what ``shape`` says.
        """
        ...


@cache
def find_runtimes() -> dict[str, Runtime]:
    """Return the installed runtimes by flavor."""
    found: dict[str, Runtime] = {}
    for point in entry_points(group=GROUP):
        runtime: Runtime = point.load()()
        found[runtime.flavor] = runtime
    return found
