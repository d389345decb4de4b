"""Settings of the door for workers: ``MELON_WORKER_DOOR__...``, beside those of every service."""

from pydantic import BaseModel, Field

from melonkube.gateway.forward.settings import ForwardSettings
from melonkube.kit.settings import ServiceSettings


class WorkerDoorSettings(ForwardSettings):
    """What a worker may send."""

    call_bytes: int = Field(default=512 << 20, ge=1)
    """Longest body of a call that is no file: the largest batch of log lines there may be, every character escaped."""


class LimitSettings(BaseModel):
    """The registry's own limit, by the registry's own variable."""

    artifact_bytes: int = Field(default=2 << 30, ge=1)
    """Largest file of a run (``MELON_LIMITS__ARTIFACT_BYTES``)."""


class Settings(ServiceSettings):
    """All settings of the door."""

    worker_door: WorkerDoorSettings = WorkerDoorSettings()
    limits: LimitSettings = LimitSettings()
