"""Any container image: its parameters are what its command makes of them, so any name may be searched."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.experiments import CONTAINER
from melonkube.contracts.signature import Task
from melonkube.contracts.space import SearchSpace
from melonkube.trainer.spec.parameters import ParameterSpec, nothing_to_search

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class ContainerTrainerSpec:
    """A command in an image of the user's. Nothing is known of it: no defaults, no bounds."""

    name: str = CONTAINER
    description: str = "Any container image, by a command (Kubernetes only)"
    tasks: frozenset[Task] = frozenset(Task)
    implementation: str = ""

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        """None that is known: a search space may name any."""
        return {}

    def default_space(self, rows: int, features: int, task: Task) -> SearchSpace:
        """Return nothing: what to search is for the user to say."""
        return {}

    def baseline_params(self) -> dict[str, Scalar]:
        """Return nothing: there are no defaults."""
        return {}

    def fixed_params(self) -> dict[str, Scalar]:
        """Return nothing: the data is not prepared here."""
        return {}

    def validate_space(self, space: SearchSpace) -> list[ProblemItem]:
        """Return every fault of a user's search space: a name that is none, or nothing to search."""
        faults = [
            ProblemItem(
                pointer="/search_space/" + name.replace("~", "~0").replace("/", "~1"),
                code=ErrorCode.SEARCH_SPACE_INVALID,
                detail=f"{name[:80]!r} cannot name a parameter; use letters, digits, '_', '.' and '-', a letter first.",
            )
            for name in space
            if _NAME.fullmatch(name) is None
        ]
        return faults or nothing_to_search(space)

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return ``params``: there are no others."""
        return dict(params)


SPEC = ContainerTrainerSpec()
