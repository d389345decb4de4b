"""Settings of the tuner, read from the environment: ``MELON_...``."""

import os
import socket
from pathlib import Path

from pydantic import BaseModel, Field

from melonkube.contracts.worker import HEARTBEAT_SECONDS, LEASE_SECONDS
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
