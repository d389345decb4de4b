"""A trainer for tests: finds the bottom of a bowl. Light, as every spec is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ProblemItem
from melonkube.contracts.signature import Task
from melonkube.contracts.space import FloatParameter, SearchSpace
from melonkube.trainer.spec import Choice, Integer, Number, ParameterSpec
from melonkube.trainer.spec.parameters import space_faults

PARAMETERS: Mapping[str, ParameterSpec] = {
    "x": Number(0.0, -10.0, 10.0),
    "y": Number(0.0, -10.0, 10.0),
    "depth": Integer(3, 1, 12),
    "mode": Choice("plain", ("plain", "odd")),
}


@dataclass(frozen=True)
class QuadraticSpec:
    name: str = "quadratic"
    description: str = "The bottom of a bowl."
    tasks: frozenset[Task] = frozenset(Task)
    implementation: str = "tests.tuner.fake_worker:none"

    @property
    def parameters(self) -> Mapping[str, ParameterSpec]:
        return PARAMETERS

    def default_space(self, rows: int, features: int, task: Task) -> SearchSpace:
        return {
            "x": FloatParameter(type="float", low=-5.0, high=5.0),
            "y": FloatParameter(type="float", low=-5.0, high=5.0),
        }

    def baseline_params(self) -> dict[str, Scalar]:
        return {"x": 4.0, "y": -4.0}

    def fixed_params(self) -> dict[str, Scalar]:
        return {"max_bin": 255}

    def validate_space(self, space: SearchSpace) -> list[ProblemItem]:
        return space_faults(space, PARAMETERS, {}, {}, {"max_bin": Integer(255, 2, 65_535)})

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        return {name: spec.default for name, spec in PARAMETERS.items()} | dict(params)


SPEC = QuadraticSpec()
