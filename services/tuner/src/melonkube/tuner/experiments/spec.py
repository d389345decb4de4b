"""What an experiment fixed when it was made."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Budget, Direction, Metric, SplitSummary
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Column, Task
from melonkube.contracts.space import SearchSpace
from melonkube.contracts.workload import ContainerSpec, WorkerSpec

SPLIT_PATH = "split.parquet"
"""Path of the row numbers among the artifacts of the experiment's own run."""


class ExperimentSpec(BaseModel):
    """The part of an experiment that never changes; safe to share between tasks.

    ``depth`` is how many suggestions are kept ahead; ``budget`` has its defaults filled in.
    """

    model_config = ConfigDict(frozen=True)

    id: Id
    workspace_id: str
    name: str
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
    algorithm: str
    search_space: SearchSpace
    fixed: dict[str, Scalar]
    columns: list[Column]
    classes: list[Scalar] | None
    split: SplitSummary
    split_sha256: str
    seed: int
    parallelism: int
    depth: int
    trials_per_worker: Literal["auto"] | int
    baseline_params: dict[str, Scalar] | None
    budget: Budget
    worker: WorkerSpec = WorkerSpec()
    container: ContainerSpec | None = None
    run_id: Id
    request_id: str | None = None
    """Id of the request that made it, carried into its workers' logs."""

    @property
    def searched(self) -> SearchSpace:
        """The part of ``search_space`` that is a trial's, without the values that the user fixed for all trials."""
        return {name: parameter for name, parameter in self.search_space.items() if name not in self.fixed}
