"""Settings of the registry, read from the environment: ``MELON_GROUP__FIELD``."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, model_validator

from melonkube.kit.settings import ServiceSettings

GIB = 1 << 30


class StoreSettings(BaseModel):
    """Where the bytes of data sets and artifacts are kept."""

    kind: Literal["local", "s3"] = "local"
    folder: Path | None = None
    """Local: the folder; by default ``blobs`` in the data directory."""
    bucket: str | None = None
    """S3: the bucket, which must be there."""
    prefix: str = ""
    """S3: put before every key."""
    endpoint: str | None = None
    """S3: address of a server other than Amazon's, with its scheme."""
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    """S3: without keys the machine's own credentials are used."""
    secret_key: SecretStr | None = None
    virtual_hosted: bool = False
    """S3: address the bucket as a host name instead of the first part of the path."""

    @model_validator(mode="after")
    def _check(self) -> "StoreSettings":
        if self.kind == "s3" and not self.bucket:
            raise ValueError("an S3 store needs MELON_STORE__BUCKET")
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("give both MELON_STORE__ACCESS_KEY and MELON_STORE__SECRET_KEY, or neither")
        return self


class LimitSettings(BaseModel):
    """What is too much."""

    upload_bytes: int = Field(default=4 * GIB, ge=1, le=5 * GIB)
    """Largest data set file. S3 copies an object of up to 5 GiB in one call."""
    artifact_bytes: int = Field(default=2 * GIB, ge=1, le=5 * GIB)
    """Largest artifact of a run."""
    columns: int = Field(default=4096, ge=1)
    """Most columns of a data set."""


class ParsingSettings(BaseModel):
    """How uploaded files are read."""

    processes: int = Field(default=1, ge=1)
    """Files read at once, each by a process of its own."""
    lease_seconds: float = Field(default=15.0, gt=0)
    """After how long another process takes over a file whose reader has gone silent."""
    attempts: int = Field(default=5, ge=1)
    """How often a file is tried whose reader died, before it is given up."""


class JanitorSettings(BaseModel):
    """How what crashes left behind is cleaned up."""

    interval_seconds: float = Field(default=5.0, gt=0)
    """Between two looks for abandoned work."""
    sweep_seconds: float = Field(default=3600.0, gt=0)
    """Between two searches of the whole store for objects nobody knows."""
    grace_seconds: float = Field(default=3600.0, ge=0)
    """How old an object nobody knows must be before it is removed."""


class Settings(ServiceSettings):
    """Everything the registry can be told."""

    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    parsing: ParsingSettings = ParsingSettings()
    janitor: JanitorSettings = JanitorSettings()
    samples_dir: Path | None = None
    """Folder with sample data sets and their ``samples.json``; unset: there are none."""
