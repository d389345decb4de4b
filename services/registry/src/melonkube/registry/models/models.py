"""Tables of models."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.kit.db import JsonType, UtcDateTime
from melonkube.registry.database import RegistryBase


class ModelRow(RegistryBase):
    """A model. ``last_version`` never goes down, so that a number is never given twice."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(128))
    description: Mapped[str] = mapped_column(Text)
    last_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ModelVersionRow(RegistryBase):
    """A version: the bundle that a run left under ``artifact_path``, which can no longer change."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("model_id", "run_id", "digest"),
        Index(None, "workspace_id", "run_id"),
    )

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    artifact_path: Mapped[str] = mapped_column(String(512))
    digest: Mapped[str] = mapped_column(String(64))
    flavor: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[list[Any]] = mapped_column(JsonType)
    signature: Mapped[dict[str, Any]] = mapped_column(JsonType)
    input_example: Mapped[dict[str, Any]] = mapped_column(JsonType)
    metrics: Mapped[dict[str, Any]] = mapped_column(JsonType)
    lineage: Mapped[dict[str, Any]] = mapped_column(JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AliasRow(RegistryBase):
    """A name that points at a version of a model."""

    __tablename__ = "model_aliases"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    version: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReferenceRow(RegistryBase):
    """Something outside the registry that depends on a version or an alias, such as an endpoint."""

    __tablename__ = "model_references"
    __table_args__ = (Index(None, "model_id"),)

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    holder: Mapped[str] = mapped_column(String(255), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    version: Mapped[int | None]
    alias: Mapped[str | None] = mapped_column(String(128))


class AliasChangeRow(RegistryBase):
    """The last change of an alias; ``version`` is null when it is gone.

    One row an alias is enough: a follower needs to know where an alias points, not where it has pointed.
    """

    __tablename__ = "alias_changes"
    __table_args__ = (Index(None, "workspace_id", "seq", unique=True),)

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int | None]


class ChangeCounterRow(RegistryBase):
    """The number of the last alias change; locked by who counts, so that numbers are visible in their order."""

    __tablename__ = "change_counters"

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
