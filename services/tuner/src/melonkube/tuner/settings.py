"""Settings of the tuner, read from the environment: ``MELON_...``."""

import os
import socket
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from melonkube.contracts.worker import HEARTBEAT_SECONDS, LEASE_SECONDS
from melonkube.contracts.workload import Toleration
from melonkube.kit.settings import ServiceSettings


class LeaseSettings(BaseModel):
    """How long a worker may be silent."""

    seconds: float = Field(default=LEASE_SECONDS, gt=0)
    """A lease lasts as long, by the database's clock."""
    heartbeat_seconds: float = Field(default=HEARTBEAT_SECONDS, gt=0)
    """How often a worker renews."""


class OwnerSettings(BaseModel):
    """The lease by which one replica owns an experiment."""

    seconds: float = Field(default=15.0, gt=0)
    """It lasts as long, by the database's clock; renewed after a third."""
    tick_seconds: float = Field(default=1.0, gt=0)
    """How often the clocks are looked at when nothing rings."""


class WorkerSettings(BaseModel):
    """The processes of the local executor."""

    module: str = "melonkube.trainer.worker"
    """What a worker runs: ``python -m melonkube.kit.child PID MODULE``."""
    stop_seconds: float = Field(default=3.0, gt=0)
    """How long a worker has after SIGTERM when its trial is stopped."""
    release_seconds: float = Field(default=6.0, gt=0)
    """How long it has to hand its trial back when the tuner ends."""
    turn_seconds: float = Field(default=30.0, gt=0)
    """How long an experiment keeps a slot that another one waits for."""
    cache_dir: Path | None = None
    """The data sets workers share; by default ``cache`` in ``data_dir``."""


class KubernetesSettings(BaseModel):
    """The Jobs of the Kubernetes executor. The cluster is the one the tuner runs in, else ``KUBECONFIG``'s."""

    namespace: str | None = None
    """Where workers run; by default the tuner's own namespace, or the kubeconfig's."""
    installation: str = "melonkube"
    """Tells this installation's objects from another's in the same namespace."""
    image: str = ""
    """The worker's image."""
    command: list[str] = ["python", "-m", "melonkube.trainer.worker"]
    """What it runs."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = []
    tuner_url: str | None = None
    """Where workers reach the tuner; by default ``peers.tuner``."""
    registry_url: str | None = None
    """Where workers reach the registry; by default ``peers.registry``."""
    cpu: float = Field(default=1.0, gt=0)
    """Cores a worker asks for, unless its experiment says otherwise."""
    memory_bytes: int = Field(default=1 << 30, gt=0)
    """Memory a worker asks for and may use, unless its experiment says otherwise."""
    cache_bytes: int = Field(default=10 << 30, gt=0)
    """Disk for data sets."""
    gpu_resource: str = "nvidia.com/gpu"
    """What a GPU is called in the nodes' resources."""
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    priority_class: str | None = None
    queue: str | None = None
    """A Kueue queue for experiments that name none."""
    max_workers: int = Field(default=1000, ge=1)
    """Workers at once, over all experiments."""
    parallelism: int = Field(default=8, ge=1)
    """Workers of an experiment that does not say how many."""
    pending_seconds: float = Field(default=600.0, gt=0)
    """How long an experiment may wait for an image or a node before it fails with the reason."""
    node_lost_seconds: int = Field(default=20, ge=0)
    """How long a worker stays bound to a node that is not heard of."""
    autoscaled: bool = False
    """Whether nodes come as they are needed: then no request is refused because none fits now."""
    silence_seconds: int = Field(default=1800, ge=60)
    """How long the tuner may be away before workers end by themselves."""
    preflight: bool = False
    """Whether a pod of the worker's image first shows that it reaches tuner and registry."""
    end_with_tuner: bool = False
    """Whether workers end when the tuner does; otherwise they train on while it restarts."""


class LimitSettings(BaseModel):
    """The registry's own limit, by the registry's own variable."""

    artifact_bytes: int = Field(default=2 << 30, ge=1)
    """Largest file of a run (``MELON_LIMITS__ARTIFACT_BYTES``): what is larger a trial does not try to send."""


class Settings(ServiceSettings):
    """All settings of the tuner."""

    replica: str | None = None
    """Name of this replica, the same after a restart; by default the host's and the data directory."""
    executor: str = "local"
    """Where workers run: the name of an entry point ``melonkube.executors``."""
    workers: int | None = Field(default=None, ge=0)
    """Slots of the local executor; by default the number of cores."""
    lease: LeaseSettings = LeaseSettings()
    owner: OwnerSettings = OwnerSettings()
    worker: WorkerSettings = WorkerSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    limits: LimitSettings = LimitSettings()
    warm_search: bool = True
    """Whether the search process starts with the service: importing its libraries takes seconds."""
    event_days: float = Field(default=7.0, gt=0)
    """How long events are kept."""

    @property
    def slots(self) -> int:
        """The number of workers at once."""
        return self.workers if self.workers is not None else len(os.sched_getaffinity(0))

    @property
    def replica_name(self) -> str:
        """The name of this replica."""
        return self.replica or f"{socket.gethostname()}:{self.data_dir.absolute()}"[-128:]

    @property
    def cache_dir(self) -> Path:
        """Where workers keep data sets."""
        return self.worker.cache_dir or self.data_dir.absolute() / "cache"
