"""Runs: parameters, metric series, logs and artifacts of one training, by a worker or by a notebook."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from melonkube.contracts.base import Answer, Instant, Name, Request, Scalar
from melonkube.contracts.ids import Id

SYSTEM_SERIES = "system."
"""Begins the names of series that tell what a run used of its machine, not what came of it."""
CPU_SERIES = SYSTEM_SERIES + "cpu_cores"
MEMORY_SERIES = SYSTEM_SERIES + "memory_bytes"


class RunState(StrEnum):
    """Where a run is; all but ``running`` are final."""

    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"
    """Its worker is gone and another attempt has taken its place."""


class RunCreate(Request):
    """A run. Made again with the same ``id``, or the same (``trial_id``, ``attempt``), it answers what is there."""

    id: Id | None = None
    name: Name | None = None
    experiment_id: Id | None = None
    trial_id: Id | None = None
    trial_number: int | None = Field(default=None, ge=1, lt=2**31)
    attempt: int | None = Field(default=None, ge=1, lt=2**31)
    dataset_id: Id | None = None
    params: dict[str, Scalar] = {}
    tags: dict[str, str] = {}


class RunFinish(Request):
    """Ends a run. Safe to repeat with the same state; another final state is a conflict.

    The tuner alone may still call an attempt at a trial lost, stopped or failed, whose worker had ended it: it did not
    count.
    """

    state: Literal[RunState.COMPLETED, RunState.PRUNED, RunState.FAILED, RunState.STOPPED, RunState.LOST]
    reason: str | None = None


class Run(Answer):
    """A run; ``metrics`` holds the last value of each series.

    Series ``system.cpu_cores`` (cores busy on average since the point before) and ``system.memory_bytes`` (resident
    memory) tell what a worker of ours used while it trained.
    """

    id: Id
    name: str | None = None
    state: RunState
    reason: str | None = None
    experiment_id: Id | None = None
    trial_id: Id | None = None
    trial_number: int | None = None
    attempt: int | None = None
    dataset_id: Id | None = None
    params: dict[str, Scalar]
    tags: dict[str, str]
    metrics: dict[str, float]
    created_at: Instant
    finished_at: Instant | None = None


class MetricPoint(Request):
    """One value of a series. Sent again with the same (``name``, ``step``), the later value stands."""

    name: str = Field(min_length=1, max_length=128)
    step: int = Field(ge=0, lt=2**31)
    value: float
    at: Instant | None = None


class MetricBatch(Request):
    """Up to 10,000 points at once."""

    points: list[MetricPoint] = Field(max_length=10_000)


class SeriesPoint(Answer):
    """A point of a series as read back."""

    step: int
    value: float
    at: Instant


class MetricSeries(Answer):
    """A series in the order of its steps."""

    name: str
    points: list[SeriesPoint]


class MetricList(Answer):
    """All series of a run."""

    items: list[MetricSeries]


class LogLine(Request):
    """A line of a run's log. ``seq`` is the writer's own count from 0: a line sent twice is kept once."""

    seq: int = Field(ge=0, lt=2**31)
    at: Instant
    level: Literal["debug", "info", "warning", "error"] = "info"
    message: str = Field(max_length=16_384)


class LogBatch(Request):
    """Up to 5,000 lines at once."""

    lines: list[LogLine] = Field(max_length=5_000)


class LogEntry(Answer):
    """A log line as read back."""

    seq: int
    at: Instant
    level: str
    message: str


class Artifact(Answer):
    """A file of a run; ``path`` is relative, with ``/`` between its parts."""

    path: str
    size_bytes: int
    sha256: str
    content_type: str
    created_at: Instant
