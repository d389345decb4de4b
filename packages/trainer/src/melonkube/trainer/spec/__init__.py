"""What there is to know of a trainer without running it: its tasks, its parameters, where a search begins.

Imports nothing heavy, so that the tuner may use it. A trainer is found by an entry point in the group
``melonkube.trainers`` that names its :class:`TrainerSpec`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ProblemItem
from melonkube.contracts.signature import Task
from melonkube.contracts.space import SearchSpace
from melonkube.trainer.spec.parameters import Choice, Integer, Number, ParameterSpec

__all__ = [
    "Choice",
    "Integer",
    "Number",
    "ParameterSpec",
    "TrainerSpec",
    "UnknownTrainer",
    "find_spec",
    "trainer_names",
]

ENTRY_POINTS = "melonkube.trainers"


@runtime_checkable
class TrainerSpec(Protocol):
    """What the tuner knows of a trainer. Immutable and free of I/O; safe to share among threads."""

    @property
    def name(self) -> str:
        """Name by which an experiment asks for it."""

    @property
    def description(self) -> str:
        """A sentence for people."""

    @property
    def tasks(self) -> frozenset[Task]:
        """What it can learn."""

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """Every parameter that a search space may name, with its type and hard bounds."""

    @property
    def implementation(self) -> str:
        """``module:attribute`` of the class that trains, imported by workers alone; empty where none of ours does."""

    def default_space(self, rows: int, features: int, task: Task) -> SearchSpace:
        """Return where a search begins for a table of so many training rows and features."""

    def baseline_params(self) -> dict[str, Scalar]:
        """Return the library's own defaults, against which a winner is compared."""

    def fixed_params(self) -> dict[str, Scalar]:
        """Return the parameters that hold for a whole experiment, because they shape the prepared data.

        A search space may give one of them another value, and nothing to search.
        """

    def validate_space(self, space: SearchSpace) -> list[ProblemItem]:
        """Return every fault of a user's search space; pointers begin with ``/search_space``."""

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return ``params`` with every parameter that they leave out.

        Raises:
            ValueError: One is unknown, of the wrong type or out of bounds.
        """


class UnknownTrainer(LookupError):
    """No installed trainer has that name; the message lists those there are."""


def trainer_names() -> list[str]:
    """Return the names of the installed trainers, sorted."""
    return sorted(point.name for point in entry_points(group=ENTRY_POINTS))


@cache
def find_spec(name: str) -> TrainerSpec:
    """Return the spec of the trainer called ``name``.

    Raises:
        UnknownTrainer: None is installed under that name.
    """
    for point in entry_points(group=ENTRY_POINTS, name=name):
        spec = point.load()
        if not isinstance(spec, TrainerSpec):
            raise TypeError(f"the entry point {point.value!r} is no trainer spec")
        return spec
    raise UnknownTrainer(f"there is no trainer {name!r}; there are: {', '.join(trainer_names())}")
