"""Settings that every service has, read from the environment: ``MELON_GROUP__FIELD``.

The database alone also answers to the customary ``DATABASE_URL``.
"""

from pathlib import Path

from pydantic import AliasChoices, BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ListenSettings(BaseModel):
    """Where a service listens."""

    host: str = "127.0.0.1"
    """Address to bind when no descriptor is inherited."""
    port: int = 0
    """Port to bind; 0 lets the system choose."""
    fd: int | None = None
    """A listening socket inherited from the supervisor: connections wait in it while the service restarts."""
    shutdown_seconds: float = 10.0
    """How long running requests may take to finish after SIGTERM."""


class PeerSettings(BaseModel):
    """Addresses of the other services, without a trailing slash."""

    registry: str = "http://127.0.0.1:8081"
    tuner: str = "http://127.0.0.1:8082"
    serving: str = "http://127.0.0.1:8083"


class TokenSettings(BaseModel):
    """The key with which services sign and check each other's calls."""

    key_file: Path | None = None
    """PEM file with an Ed25519 private key, readable by its owner alone."""
    key: SecretStr | None = None
    """The same PEM as text, where a file is not at hand."""
    lifetime_seconds: float = 300.0
    """How long a token between services is good."""
    worker_lifetime_seconds: float = 3600.0
    """How long a worker's token is good; the tuner renews it with the heartbeat."""


class LogSettings(BaseModel):
    """What is logged, to standard error, a JSON object a line."""

    level: str = "INFO"


class ServiceSettings(BaseSettings):
    """What every service needs. A service adds its own groups in a subclass."""

    model_config = SettingsConfigDict(
        env_prefix="MELON_", env_nested_delimiter="__", extra="ignore", populate_by_name=True
    )

    data_dir: Path = Path(".melon")
    """Folder for the files of the service."""
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("database_url", "MELON_DATABASE_URL", "DATABASE_URL")
    )
    """PostgreSQL, ``postgresql://user:password@host/name``; unset: an SQLite file in ``data_dir``."""
    listen: ListenSettings = ListenSettings()
    peers: PeerSettings = PeerSettings()
    tokens: TokenSettings = TokenSettings()
    logs: LogSettings = LogSettings()
    parent_pid: int | None = None
    """The supervisor: when it dies, so does the service."""
