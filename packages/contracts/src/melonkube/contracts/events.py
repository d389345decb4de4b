"""Events of an experiment, as the stream carries them."""

from enum import StrEnum

from melonkube.contracts.base import Answer, Instant, JsonObject
from melonkube.contracts.ids import Id


class EventType(StrEnum):
    """What happened. ``data`` of ``experiment`` is an ``Experiment``, of ``trial`` a ``Trial``."""

    EXPERIMENT = "experiment"
    TRIAL = "trial"
    REPORT = "report"
    """An intermediate value: ``{trial_id, number, step, value}``."""


class Event(Answer):
    """One event: ``seq`` counts from 1 within the experiment, without gaps, and is the SSE ``id``."""

    seq: int
    experiment_id: Id
    type: EventType
    at: Instant
    data: JsonObject
