"""The worker's side of the tuner: what a worker is told, what it reports, what it is answered.

A *lease* is one attempt at one trial, and is named by the id of that attempt's run. Every call is safe to
repeat: the tuner answers a repeat as it answered the first.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from melonkube.contracts.base import Answer, Request, Scalar
from melonkube.contracts.experiments import Cause, Direction, Metric
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Column, Task
from melonkube.contracts.workload import ContainerSpec

LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 10.0
MAX_ATTEMPTS = 5


class Verdict(StrEnum):
    """What a worker is to do with the trial it holds."""

    CONTINUE = "continue"
    PRUNE = "prune"
    STOP = "stop"
    LOST = "lost"
    """The lease is another's, or over: drop the trial, report nothing more of it."""


class WorkerSetup(Answer):
    """What holds for all trials of an experiment; asked for once, when a worker starts.

    ``split_run_id`` and ``split_path`` name the registry artifact with the row numbers. ``fixed`` are parameters
    of the data set's binning and of the machine, which the search must not vary. ``artifact_bytes`` is the largest file
    that the registry takes.
    """

    experiment_id: Id
    experiment_name: str
    dataset_id: Id
    dataset_name: str
    dataset_version: int
    dataset_sha256: str
    parquet_sha256: str
    parquet_bytes: int
    target: str
    task: Task
    metric: Metric
    direction: Direction
    trainer: str
    columns: list[Column]
    classes: list[Scalar] | None
    split_run_id: Id
    split_path: str
    split_sha256: str
    seed: int
    threads: int = 1
    fixed: dict[str, Scalar] = {}
    container: ContainerSpec | None = None
    artifact_bytes: int = 2 << 30
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    lease_seconds: float = LEASE_SECONDS


class TrialAssignment(Answer):
    """A trial to train. ``run_id`` names the lease and the run to report to."""

    kind: Literal["trial"] = "trial"
    run_id: Id
    trial_id: Id
    number: int
    attempt: int
    source: str
    params: dict[str, Scalar]
    max_seconds: float | None = None


class EvaluationAssignment(Answer):
    """Models to score on the holdout, once: each is the bundle under ``model/`` of a run."""

    kind: Literal["evaluation"] = "evaluation"
    run_id: Id
    """Names the lease; no registry run is made for it."""
    models: dict[str, Id]
    """Label (``best``, ``baseline``) to the run that holds the bundle."""


Assignment = TrialAssignment | EvaluationAssignment


class LeaseRequest(Request):
    """Asks for work, waiting up to ``wait_seconds`` for some to appear."""

    worker_id: str = Field(min_length=1, max_length=128)
    wait_seconds: float = Field(default=0.0, ge=0, le=30)


class LeaseAnswer(Answer):
    """``assignment`` is null when there is nothing now; ``exit`` tells the worker to end."""

    assignment: TrialAssignment | EvaluationAssignment | None = Field(default=None, discriminator="kind")
    exit: bool = False
    token: str | None = None
    """A fresh token, when the present one is past half of its life."""


class Report(Request):
    """An intermediate value of the objective."""

    step: int = Field(ge=0, lt=2**31)
    value: float


class RenewRequest(Request):
    """The heartbeat: renews the lease and carries what was reported since the last."""

    worker_id: str = Field(min_length=1, max_length=128)
    reports: list[Report] = Field(default=[], max_length=10_000)


class RenewAnswer(Answer):
    """What to do now, and a fresh token when it is time."""

    verdict: Verdict
    token: str | None = None


class CompleteRequest(Request):
    """A trial's result; sent after its artifacts are stored and its run is finished."""

    worker_id: str = Field(min_length=1, max_length=128)
    state: Literal["completed", "pruned", "stopped"] = "completed"
    value: float | None = None
    metrics: dict[str, float] = {}
    reports: list[Report] = Field(default=[], max_length=10_000)
    wait_seconds: float = Field(default=0.0, ge=0, le=30)
    """How long the answer may wait for a next trial."""
    want_next: bool = True
    """False: the worker is about to end, and must be handed nothing more."""


class EvaluationResult(Request):
    """Scores on the holdout, label to metrics (among them the experiment's own).

    ``reason`` is a sentence for people where the winner has none, and never could.
    """

    worker_id: str = Field(min_length=1, max_length=128)
    values: dict[str, dict[str, float]]
    reason: str | None = Field(default=None, max_length=4_000)
    wait_seconds: float = Field(default=0.0, ge=0, le=30)
    want_next: bool = True


class FailRequest(Request):
    """A trial that ended without a result, with the reason and the last log lines."""

    worker_id: str = Field(min_length=1, max_length=128)
    cause: Literal[Cause.CODE_ERROR, Cause.OUT_OF_MEMORY, Cause.DEADLINE, Cause.RELEASED]
    reason: str = Field(max_length=8_192)
    wait_seconds: float = Field(default=0.0, ge=0, le=30)
    want_next: bool = True


class FinishAnswer(Answer):
    """Whether the result was taken (false: the lease was lost, the work is another's), and what comes next."""

    accepted: bool
    next: LeaseAnswer
