"""The search space: what each hyperparameter may be."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from melonkube.contracts.base import Request, Scalar


class IntParameter(Request):
    """Whole numbers from ``low`` to ``high``, both included; ``log`` spreads trials over magnitudes."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(default=1, ge=1)
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "IntParameter":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        if self.log and self.low < 1:
            raise ValueError("low must be at least 1 when log is true")
        if self.log and self.step != 1:
            raise ValueError("step cannot be given together with log")
        return self


class FloatParameter(Request):
    """Numbers from ``low`` to ``high``; ``step`` rounds to multiples counted from ``low``."""

    type: Literal["float"]
    low: float
    high: float
    step: float | None = Field(default=None, gt=0)
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "FloatParameter":
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite")
        if self.low > self.high:
            raise ValueError("low must not be above high")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 when log is true")
        if self.log and self.step is not None:
            raise ValueError("step cannot be given together with log")
        return self


class CategoricalParameter(Request):
    """One of ``choices``."""

    type: Literal["categorical"]
    choices: list[Scalar] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _check(self) -> "CategoricalParameter":
        seen = [(type(choice), choice) for choice in self.choices]
        if len(set(seen)) != len(seen):
            raise ValueError("choices must not repeat")
        return self


class FixedParameter(Request):
    """Not searched: always ``value``."""

    value: Scalar


Searched = Annotated[IntParameter | FloatParameter | CategoricalParameter, Field(discriminator="type")]
Parameter = Searched | FixedParameter
SearchSpace = dict[str, Parameter]
