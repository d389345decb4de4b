"""Finds algorithms, trainers and executors by their entry points."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from melonkube.contracts.experiments import ParameterInfo, TrainerInfo
from melonkube.trainer.spec import Choice, Integer, ParameterSpec, TrainerSpec, find_spec, trainer_names

ALGORITHMS = "melonkube.algorithms"
EXECUTORS = "melonkube.executors"


def find(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, in alphabetical order, none of them loaded."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


@dataclass(frozen=True)
class Catalog:
    """What an experiment can name. Algorithms are not loaded here: they live in the search's own process."""

    algorithms: tuple[str, ...]
    trainers: dict[str, TrainerSpec]

    @classmethod
    def installed(cls) -> "Catalog":
        """Return what is installed."""
        return cls(
            algorithms=tuple(find(ALGORITHMS)),
            trainers={name: find_spec(name) for name in trainer_names()},
        )


def trainer_info(spec: TrainerSpec) -> TrainerInfo:
    """Return a trainer as people see it."""
    return TrainerInfo(
        name=spec.name,
        description=spec.description,
        tasks=sorted(spec.tasks),
        parameters={name: _parameter(parameter) for name, parameter in sorted(spec.parameters.items())},
    )


def _parameter(spec: ParameterSpec) -> ParameterInfo:
    if isinstance(spec, Choice):
        return ParameterInfo(type="categorical", default=spec.default, choices=list(spec.options))
    if isinstance(spec, Integer):
        return ParameterInfo(type="int", default=spec.default, low=spec.low, high=spec.high)
    return ParameterInfo(type="float", default=spec.default, low=spec.low, high=spec.high, above=spec.above)
