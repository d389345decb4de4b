"""Tables of data sets."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.kit.db import JsonType, UtcDateTime
from melonkube.kit.idempotency import IdempotencyRow
from melonkube.registry.database import RegistryBase


class DatasetRow(RegistryBase):
    """A data set version.

    While it is ``parsing``, ``owner`` is the process that reads it, good until ``lease_until``; ``attempts`` counts
    the processes that have tried. ``kept_when_failed``: someone was told of it before it was read (202), so that
    it stays, as ``failed``, when it cannot be.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        UniqueConstraint("workspace_id", "name", "version"),
        ForeignKeyConstraint(["workspace_id", "sha256"], ["blobs.workspace_id", "blobs.sha256"]),
        ForeignKeyConstraint(["workspace_id", "parquet_sha256"], ["blobs.workspace_id", "blobs.sha256"]),
        Index(None, "workspace_id", "id"),
        Index(None, "workspace_id", "sha256"),
        Index(None, "workspace_id", "parquet_sha256"),
        Index(None, "state", "lease_until"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(128))
    version: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    rows: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    format: Mapped[str | None] = mapped_column(String(16))
    encoding: Mapped[str | None] = mapped_column(String(16))
    delimiter: Mapped[str | None] = mapped_column(String(1))
    file_name: Mapped[str] = mapped_column(Text)
    parquet_sha256: Mapped[str | None] = mapped_column(String(64))
    parquet_bytes: Mapped[int | None] = mapped_column(BigInteger)
    columns: Mapped[list[Any]] = mapped_column(JsonType)
    warnings: Mapped[list[Any]] = mapped_column(JsonType)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    kept_when_failed: Mapped[bool]
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DatasetDetailRow(RegistryBase):
    """What a list of data sets does not need: the profile of each column and the first rows."""

    __tablename__ = "dataset_details"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    profile: Mapped[list[Any]] = mapped_column(JsonType)
    preview: Mapped[list[Any]] = mapped_column(JsonType)


class DatasetKeyRow(IdempotencyRow, RegistryBase):
    """Idempotency keys of uploads."""

    __tablename__ = "dataset_keys"
