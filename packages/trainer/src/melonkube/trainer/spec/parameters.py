"""Types and bounds of a trainer's parameters, and the check of a search space against them."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.space import (
    CategoricalParameter,
    FixedParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    SearchSpace,
)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from ``low`` to ``high``; ``default`` where none is given."""

    default: int
    low: int
    high: int

    def fault(self, value: Scalar) -> str | None:
        """Return what is wrong with ``value``, None if nothing is."""
        if type(value) is not int:
            return "must be a whole number"
        return None if self.low <= value <= self.high else f"must be from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number from ``low`` (not itself, if ``above``) to ``high``; ``default`` where none is given."""

    default: float
    low: float
    high: float
    above: bool = False

    def fault(self, value: Scalar) -> str | None:
        """Return what is wrong with ``value``, None if nothing is."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "must be a number"
        if (self.low < value if self.above else self.low <= value) and value <= self.high:
            return None
        return f"must be {'above' if self.above else 'at least'} {self.low:g} and at most {self.high:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``options``; ``default`` where none is given."""

    default: Scalar
    options: tuple[Scalar, ...]

    def fault(self, value: Scalar) -> str | None:
        """Return what is wrong with ``value``, None if nothing is."""
        if any(type(value) is type(option) and value == option for option in self.options):
            return None
        return f"must be one of {', '.join(map(_shown, self.options))}"


ParameterSpec = Integer | Number | Choice


def value_fault(name: str, value: Scalar, parameters: Mapping[str, ParameterSpec]) -> str | None:
    """Return what is wrong with ``value`` as the parameter ``name``, None if nothing is."""
    spec = parameters.get(name)
    return "is not a parameter of this trainer" if spec is None else spec.fault(value)


def space_faults(
    space: SearchSpace,
    parameters: Mapping[str, ParameterSpec],
    aliases: Mapping[str, str],
    bound: Mapping[str, str],
    constants: Mapping[str, ParameterSpec] = MappingProxyType({}),
) -> list[ProblemItem]:
    """Return every fault of ``space``.

    Args:
        space: What a user wants searched.
        parameters: What there is to search.
        aliases: Other names of parameters, for a helpful answer.
        bound: Names that cannot be searched, with the reason.
        constants: Those of them that may be given one value for the whole experiment.
    """
    faults = []
    for name, parameter in space.items():
        spec = (constants if isinstance(parameter, FixedParameter) else parameters).get(name) or parameters.get(name)
        if spec is not None:
            detail = _parameter_fault(parameter, spec)
            code = ErrorCode.SEARCH_SPACE_INVALID
        elif name in bound:
            detail, code = bound[name], ErrorCode.SEARCH_SPACE_INVALID
        else:
            detail, code = _unknown(name, parameters, aliases), ErrorCode.PARAMETER_UNKNOWN
        if detail is not None:
            pointer = "/search_space/" + name.replace("~", "~0").replace("/", "~1")
            faults.append(ProblemItem(pointer=pointer, code=code, detail=f"{name} {detail}."))
    return faults or nothing_to_search(space)


def nothing_to_search(space: SearchSpace) -> list[ProblemItem]:
    """Return the fault of a space in which nothing varies, none if something does."""
    if not all(isinstance(parameter, FixedParameter) for parameter in space.values()):
        return []
    return [
        ProblemItem(
            pointer="/search_space",
            code=ErrorCode.SEARCH_SPACE_INVALID,
            detail="The search space has nothing to search; give at least one parameter a range or choices.",
        )
    ]


def _parameter_fault(parameter: Parameter, spec: ParameterSpec) -> str | None:
    match parameter:
        case FixedParameter():
            return spec.fault(parameter.value)
        case CategoricalParameter():
            for choice in parameter.choices:
                if (fault := spec.fault(choice)) is not None:
                    return f"{fault}; {_shown(choice)} is not"
            return None
        case IntParameter():
            return spec.fault(parameter.low) or spec.fault(parameter.high)
        case FloatParameter():
            if not isinstance(spec, Number):
                return spec.fault(0.5)
            return spec.fault(parameter.low) or spec.fault(parameter.high)


def _unknown(name: str, parameters: Mapping[str, ParameterSpec], aliases: Mapping[str, str]) -> str:
    if name in aliases:
        return f"is another name of {aliases[name]}; use that"
    near = difflib.get_close_matches(name, parameters, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(parameters))}"
    return f"is not a parameter of this trainer; {hint}".removesuffix(".")


def _shown(value: Scalar) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
