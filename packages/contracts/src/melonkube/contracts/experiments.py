"""Experiments and trials: the search as people see it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from melonkube.contracts.base import Answer, Instant, Name, Request, Scalar
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Column, Kind, Role, Task
from melonkube.contracts.space import SearchSpace
from melonkube.contracts.workload import ContainerSpec as ContainerSpec
from melonkube.contracts.workload import Toleration as Toleration
from melonkube.contracts.workload import WorkerSpec as WorkerSpec

CONTAINER = "container"
"""Name of the trainer whose trials run in an image of the user's."""


class Metric(StrEnum):
    """What is optimised, on the validation rows; always in its own unit, never negated."""

    AUC = "auc"
    LOGLOSS = "logloss"
    ACCURACY = "accuracy"
    F1_MACRO = "f1_macro"
    RMSE = "rmse"
    MAE = "mae"
    R2 = "r2"


class Direction(StrEnum):
    """Whether a larger or a smaller value is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


DIRECTIONS: dict[Metric, Direction] = {
    Metric.AUC: Direction.MAXIMIZE,
    Metric.LOGLOSS: Direction.MINIMIZE,
    Metric.ACCURACY: Direction.MAXIMIZE,
    Metric.F1_MACRO: Direction.MAXIMIZE,
    Metric.RMSE: Direction.MINIMIZE,
    Metric.MAE: Direction.MINIMIZE,
    Metric.R2: Direction.MAXIMIZE,
}

TASK_METRICS: dict[Task, tuple[Metric, ...]] = {
    Task.BINARY: (Metric.AUC, Metric.LOGLOSS, Metric.ACCURACY, Metric.F1_MACRO),
    Task.MULTICLASS: (Metric.LOGLOSS, Metric.ACCURACY, Metric.F1_MACRO),
    Task.REGRESSION: (Metric.RMSE, Metric.MAE, Metric.R2),
}
"""The metrics each task may be tuned for; the first is the default."""


class ExperimentState(StrEnum):
    """Where an experiment is. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (ExperimentState.COMPLETED, ExperimentState.STOPPED, ExperimentState.FAILED)


class TrialState(StrEnum):
    """Where a trial is. The last four are final."""

    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (TrialState.COMPLETED, TrialState.PRUNED, TrialState.FAILED, TrialState.STOPPED)


class Cause(StrEnum):
    """Why an attempt ended without a result, or why a worker cannot begin."""

    LEASE_LOST = "lease_lost"
    WORKER_KILLED = "worker_killed"
    PREEMPTED = "preempted"
    """Its node was drained, or its place was wanted by something more important."""
    NODE_LOST = "node_lost"
    IMAGE_UNAVAILABLE = "image_unavailable"
    """The worker's image cannot be pulled."""
    UNSCHEDULABLE = "unschedulable"
    """No node takes the worker."""
    RELEASED = "released"
    OUT_OF_MEMORY = "out_of_memory"
    CODE_ERROR = "code_error"
    DEADLINE = "deadline"
    STOPPED = "stopped"


class Budget(Request):
    """When to stop. ``max_trials`` counts completed, pruned and failed trials; ``max_seconds`` time not paused.

    Neither given: 50 trials or 600 seconds, whichever is first. One given: that one alone. ``max_failed_trials``
    defaults to the larger of 5 and 20% of ``max_trials``. ``max_trial_seconds`` bounds one trial.
    """

    max_trials: int | None = Field(default=None, ge=1, le=100_000)
    max_seconds: float | None = Field(default=None, gt=0, le=30 * 86_400)
    max_failed_trials: int | None = Field(default=None, ge=0, lt=2**31)
    max_trial_seconds: float | None = Field(default=None, gt=0)


class ColumnOverride(Request):
    """What the user decides about a column against the inference."""

    kind: Kind | None = None
    role: Literal[Role.FEATURE, Role.ID, Role.IGNORED] | None = None


class SplitFractions(Request):
    """Shares of the rows that the search scores on and that it never sees; the rest trains."""

    validation: float = Field(default=0.2, gt=0, lt=0.9)
    holdout: float = Field(default=0.2, gt=0, lt=0.9)

    @model_validator(mode="after")
    def _check(self) -> "SplitFractions":
        if self.validation + self.holdout > 0.9:
            raise ValueError("validation and holdout must together leave at least a tenth of the rows to train on")
        return self


class ExperimentCreate(Request):
    """A search. Only the data set and the target are needed; all else is inferred from the data."""

    dataset_id: Id
    target: str
    name: Name | None = None
    task: Task | None = None
    metric: Metric | None = None
    trainer: str = "lightgbm"
    algorithm: str = "tpe"
    search_space: SearchSpace | None = None
    columns: dict[str, ColumnOverride] = {}
    split: SplitFractions = SplitFractions()
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    parallelism: int | None = Field(default=None, ge=1, le=1000)
    trials_per_worker: Literal["auto"] | Annotated[int, Field(ge=1, lt=2**31)] = "auto"
    baseline: bool = True
    """Whether trial 1 is the trainer's own defaults, against which the winner is then compared."""
    budget: Budget = Budget()
    worker: WorkerSpec = WorkerSpec()
    container: ContainerSpec | None = None
    """Trials run this image's command instead of a trainer of ours, each in a pod of its own."""

    @model_validator(mode="after")
    def _fill_in(self) -> "ExperimentCreate":
        if self.container is not None:
            if "trainer" not in self.model_fields_set:
                self.trainer = CONTAINER
            if self.trials_per_worker == "auto":
                self.trials_per_worker = 1
        return self


class TrialCounts(Answer):
    """How many trials are in which state. ``total`` is what the budget allows, null when only time bounds it."""

    total: int | None
    completed: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    queued: int = 0
    stopped: int = 0


class TrialResult(Answer):
    """A trial that stands for the experiment: its winner, or its baseline.

    ``value`` is on the validation rows, ``holdout_value`` on the rows the search never saw; the latter is
    computed once, when the search has ended.
    """

    number: int
    trial_id: Id
    value: float
    holdout_value: float | None = None
    params: dict[str, Scalar]
    run_id: Id


class SplitSummary(Answer):
    """How the rows were divided. ``method`` is ``stratified`` or ``random``; ``excluded`` rows had no target."""

    method: str
    seed: int
    train: int
    validation: int
    holdout: int
    excluded: int


class Experiment(Answer):
    """An experiment as it stands. ``reason`` is a sentence when it waits, failed or was stopped.

    ``phase`` says what happens inside ``running``: ``searching``, ``finishing`` (last trials), ``evaluating``
    (the winner meets the holdout). ``remaining_seconds`` is an estimate, null when there is none yet.
    """

    id: Id
    name: str
    state: ExperimentState
    phase: str | None = None
    reason: str | None = None
    warnings: list[str] = []
    dataset_id: Id
    dataset_name: str
    dataset_version: int
    target: str
    task: Task
    metric: Metric
    direction: Direction
    trainer: str
    algorithm: str
    search_space: SearchSpace
    columns: list[Column]
    split: SplitSummary
    seed: int
    parallelism: int
    trials_per_worker: Literal["auto"] | int
    baseline: TrialResult | None = None
    budget: Budget
    worker: WorkerSpec = WorkerSpec()
    container: ContainerSpec | None = None
    trials: TrialCounts
    elapsed_seconds: float
    remaining_seconds: float | None = None
    best: TrialResult | None = None
    run_id: Id
    last_event: int = 0
    """Sequence number of the newest event this state includes: where a stream may begin."""
    created_at: Instant
    started_at: Instant | None = None
    finished_at: Instant | None = None


class Trial(Answer):
    """A trial.

    ``run_id`` is the run of its current or winning attempt; ``last_step`` and ``last_value`` are of the newest
    intermediate report. ``source`` is ``baseline`` or the search algorithm's name.
    """

    id: Id
    experiment_id: Id
    number: int
    state: TrialState
    source: str
    value: float | None = None
    params: dict[str, Scalar]
    run_id: Id | None = None
    attempt: int
    cause: Cause | None = None
    reason: str | None = None
    last_step: int | None = None
    last_value: float | None = None
    metrics: dict[str, float] = {}
    worker_id: str | None = None
    created_at: Instant
    started_at: Instant | None = None
    finished_at: Instant | None = None
    duration_seconds: float | None = None


class AttemptSummary(Answer):
    """One attempt at a trial: each is a run of its own."""

    attempt: int
    run_id: Id
    worker_id: str
    outcome: str | None = None
    cause: Cause | None = None
    reason: str | None = None
    started_at: Instant
    finished_at: Instant | None = None


class TrialDetail(Trial):
    """A trial with its attempts and intermediate values, ``[step, value]`` each."""

    attempts: list[AttemptSummary] = []
    intermediate: list[tuple[int, float]] = []


class Suggestion(Answer):
    """What the inference would choose for a data set and a target, for a form to start from."""

    task: Task
    metric: Metric
    metrics: list[Metric]
    columns: list[Column]
    search_space: SearchSpace
    budget: Budget
    parallelism: int
    warnings: list[str] = []


class SuggestionRequest(Request):
    """Asks for the defaults of an experiment without making one."""

    dataset_id: Id
    target: str
    task: Task | None = None
    columns: dict[str, ColumnOverride] = {}


class AlgorithmInfo(Answer):
    """A search algorithm or trainer that can be named in an experiment."""

    name: str
    description: str


class ParameterInfo(Answer):
    """What a trainer's parameter may be. ``above`` says that ``low`` itself is not allowed."""

    type: Literal["int", "float", "categorical"]
    default: Scalar
    low: float | None = None
    high: float | None = None
    above: bool = False
    choices: list[Scalar] | None = None


class TrainerInfo(AlgorithmInfo):
    """A trainer, with every parameter that a search space may name."""

    tasks: list[Task]
    parameters: dict[str, ParameterInfo]


class NodeInfo(Answer):
    """A node that workers may run on: what it has for pods, and what of it no pod has asked for yet."""

    name: str
    ready: bool
    schedulable: bool
    """Whether it takes new pods: it is not cordoned."""
    cpu: float
    memory_bytes: int
    gpu: int = 0
    free_cpu: float
    free_memory_bytes: int
    free_gpu: int = 0
    workers: int = 0
    """How many of this installation's workers run there."""


class ExecutorInfo(Answer):
    """Where workers run. ``slots`` is how many may run at once, null where nothing bounds them.

    ``nodes`` is null where there are none to speak of, or where the tuner may not see them. ``problem`` says why no
    worker could run there at all, as far as that has been tried.
    """

    name: str
    slots: int | None
    busy: int
    namespace: str | None = None
    nodes: list[NodeInfo] | None = None
    problem: str | None = None
