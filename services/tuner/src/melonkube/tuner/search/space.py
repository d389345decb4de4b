"""A search space as hyperopt's, and back. Pure but for hyperopt's own objects."""

import math
from collections.abc import Mapping
from typing import Any

from melonkube.contracts.base import Scalar
from melonkube.contracts.space import (
    CategoricalParameter,
    FixedParameter,
    FloatParameter,
    IntParameter,
    SearchSpace,
)
from melonkube.tuner.search.lean import Node, hp

_EDGE = 1e-12


def searched(space: SearchSpace) -> dict[str, IntParameter | FloatParameter | CategoricalParameter]:
    """Return the parameters that leave a choice, by name in alphabetical order: a database may forget another one."""
    return {
        name: parameter
        for name, parameter in sorted(space.items())
        if not isinstance(parameter, FixedParameter) and not _single(parameter)
    }


def _single(parameter: IntParameter | FloatParameter | CategoricalParameter) -> bool:
    if isinstance(parameter, CategoricalParameter):
        return len(parameter.choices) == 1
    return parameter.low == parameter.high


def to_hyperopt(space: SearchSpace) -> dict[str, Node]:
    """Return hyperopt's space of the parameters that leave a choice.

    Whole numbers and steps are drawn from a continuous range that gives each of them an equal share, and rounded
    by :func:`to_params`: hyperopt's own quantised densities loop in Python over the whole history.
    """
    return {name: _node(name, parameter) for name, parameter in searched(space).items()}


def _node(name: str, parameter: IntParameter | FloatParameter | CategoricalParameter) -> Node:
    if isinstance(parameter, CategoricalParameter):
        return hp.choice(name, list(range(len(parameter.choices))))
    if isinstance(parameter, IntParameter):
        if parameter.log:
            return hp.loguniform(name, math.log(parameter.low - 0.5), math.log(parameter.high + 0.5))
        return hp.uniform(name, -0.5, _steps(parameter) + 0.5)
    if parameter.log:
        return hp.loguniform(name, math.log(parameter.low), math.log(parameter.high))
    if parameter.step is not None:
        return hp.uniform(name, -0.5, _steps(parameter) + 0.5)
    return hp.uniform(name, parameter.low, parameter.high)


def _steps(parameter: IntParameter | FloatParameter) -> int:
    """Return how many steps fit between ``low`` and ``high``."""
    step = parameter.step
    assert step is not None
    return math.floor((parameter.high - parameter.low) / step + _EDGE)


def to_params(space: SearchSpace, drawn: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the parameters behind hyperopt's draw (its values by name), the fixed ones among them."""
    params: dict[str, Scalar] = {}
    for name, parameter in sorted(space.items()):
        if isinstance(parameter, FixedParameter):
            params[name] = parameter.value
        elif name not in drawn:
            params[name] = parameter.choices[0] if isinstance(parameter, CategoricalParameter) else parameter.low
        else:
            params[name] = _value(parameter, drawn[name])
    return params


def _value(parameter: IntParameter | FloatParameter | CategoricalParameter, drawn: Any) -> Scalar:
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[int(drawn)]
    point = float(drawn)
    if isinstance(parameter, IntParameter):
        whole = round(point) if parameter.log else parameter.low + parameter.step * round(point)
        top = parameter.high if parameter.log else parameter.low + parameter.step * _steps(parameter)
        return int(min(max(whole, parameter.low), top))
    if parameter.step is not None:
        taken = min(max(round(point), 0), _steps(parameter))
        rounded = float(f"{parameter.low + parameter.step * taken:.12g}")
        return float(min(max(rounded, parameter.low), parameter.high))
    return float(min(max(point, parameter.low), parameter.high))


def to_drawn(space: SearchSpace, params: Mapping[str, Scalar]) -> dict[str, Any] | None:
    """Return what hyperopt would have drawn for ``params``; None if they lie outside of the space."""
    drawn: dict[str, Any] = {}
    for name, parameter in searched(space).items():
        if name not in params:
            return None
        value = _drawn(parameter, params[name])
        if value is None:
            return None
        drawn[name] = value
    return drawn


def _drawn(parameter: IntParameter | FloatParameter | CategoricalParameter, value: Scalar) -> int | float | None:
    if isinstance(parameter, CategoricalParameter):
        for index, choice in enumerate(parameter.choices):
            if type(choice) is type(value) and choice == value:
                return index
        return None
    if isinstance(value, bool | str) or not parameter.low <= value <= parameter.high:
        return None
    if parameter.log or parameter.step is None:
        return float(value)
    return (value - parameter.low) / parameter.step
