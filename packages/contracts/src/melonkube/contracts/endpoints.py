"""Endpoints: a name that answers predictions, and how one asks."""

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from melonkube.contracts.base import Answer, Instant, JsonObject, Name, Request, Scalar
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Signature


class EndpointState(StrEnum):
    """``loading`` before anything answers, ``failed`` only if nothing can, else ``ready``."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class EndpointPut(Request):
    """What an endpoint shall answer with: an experiment's winner, a pinned version, or whatever an alias names."""

    experiment_id: Id | None = None
    model: Name | None = None
    version: int | None = Field(default=None, ge=1, lt=2**31)
    alias: Name | None = None

    @model_validator(mode="after")
    def _check(self) -> "EndpointPut":
        if self.experiment_id is not None:
            if self.model is not None or self.version is not None or self.alias is not None:
                raise ValueError("give experiment_id alone, or model with version or alias")
        elif self.model is None or (self.version is None) == (self.alias is None):
            raise ValueError("give experiment_id, or model with either version or alias")
        return self


class EndpointTarget(Answer):
    """What is coming, or has come. ``state`` is of the target, not of the endpoint."""

    model: str
    version: int | None
    alias: str | None = None
    state: EndpointState
    reason: str | None = None


class Endpoint(Answer):
    """An endpoint. The top names what answers now; ``target`` what was asked for.

    ``generation`` counts the PUTs, ``observed_generation`` is the one that answers.
    """

    name: str
    state: EndpointState
    model: str | None = None
    version: int | None = None
    digest: str | None = None
    generation: int
    observed_generation: int
    target: EndpointTarget
    experiment_id: Id | None = None
    created_at: Instant
    updated_at: Instant


class EndpointSchema(Answer):
    """What to send to an endpoint: the signature and a real row of the training data."""

    name: str
    model: str
    version: int
    signature: Signature
    input_example: JsonObject


class PredictRequest(Request):
    """Rows to predict, each an object of column and value."""

    instances: list[dict[str, Any]] = Field(min_length=1)


class PredictAnswer(Answer):
    """One prediction per row, in order, in the label's own type; probabilities keyed by the class as text."""

    predictions: list[Scalar]
    probabilities: list[dict[str, float]] | None = None
    model: str
    version: int
    digest: str
    warnings: list[str] = []
