"""What a search algorithm is: an entry point ``melonkube.algorithms`` names a class of this shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction
from melonkube.contracts.space import SearchSpace


class Outcome(StrEnum):
    """What is known of a trial."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial as a search sees it; ``value`` (in the metric's own unit) is set when it is done."""

    number: int
    params: dict[str, Scalar]
    outcome: Outcome
    value: float | None = None

    def to_json(self) -> list[Any]:
        """Return a form that JSON can carry."""
        return [self.number, self.params, self.outcome.value, self.value]

    @classmethod
    def from_json(cls, stored: Sequence[Any]) -> "Observation":
        """Return what :meth:`to_json` wrote."""
        number, params, outcome, value = stored
        return cls(number, params, Outcome(outcome), value)


class SearchAlgorithm(Protocol):
    """A search over one space. Keeps nothing between calls but what the space alone determines.

    So an experiment can be taken over by another process at any time: the same history gives the same suggestion.
    Used by one thread at a time.
    """

    name: ClassVar[str]
    description: ClassVar[str]

    def __init__(self, space: SearchSpace, direction: Direction) -> None:
        """Prepare for a space."""
        ...

    def suggest(self, number: int, seed: int, history: Sequence[Observation]) -> dict[str, Scalar]:
        """Return the parameters of trial ``number``: one value for each name of the space.

        Args:
            number: The trial's number, from 1.
            seed: The experiment's seed; the same arguments give the same answer.
            history: Earlier trials in the order of their numbers, some of them perhaps pending or failed.
        """
        ...
