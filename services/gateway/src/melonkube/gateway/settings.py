"""Settings of the gateway: ``MELON_GATEWAY__HOSTS`` and the like, beside those of every service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from melonkube.gateway.door.hosts import parse_authority
from melonkube.gateway.forward.settings import ForwardSettings
from melonkube.kit.settings import ServiceSettings


class GatewaySettings(ForwardSettings):
    """Who may come in, and how long things may take."""

    hosts: Annotated[list[str], NoDecode] = []
    """Names under which people reach the gateway beside loopback's, such as ``melon.example`` or ``box:8080``;
    separated by commas. One without a port means the customary ports 80 and 443."""
    owner_key: SecretStr | None = Field(default=None, min_length=16)
    """The key that people must give; needed to listen beyond loopback. At least 16 characters."""
    session_seconds: float = Field(default=7 * 86_400.0, gt=0)
    """How long a sign-in is good."""
    data_dir: Path | None = None
    """The suite's data directory, to be told to people."""

    @field_validator("hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, value: list[str]) -> list[str]:
        for entry in value:
            if parse_authority(entry) is None:
                raise ValueError(f"{entry!r} is not a host name with or without a port, such as melon.example:8080")
        return value


class Settings(ServiceSettings):
    """All settings of the gateway."""

    gateway: GatewaySettings = GatewaySettings()
    web_dir: Path | None = None
    """Folder of the built page (``MELON_WEB_DIR``)."""
