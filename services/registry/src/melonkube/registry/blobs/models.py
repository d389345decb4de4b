"""Tables of stored content."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.kit.db import UtcDateTime
from melonkube.registry.database import RegistryBase


class BlobRow(RegistryBase):
    """Content that something of a workspace refers to, and the key under which the store has it.

    A key holds the SHA-256 and a number of its own: content that is deleted and comes back gets a new key, so that
    a late removal of the old one cannot hit it.
    """

    __tablename__ = "blobs"

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), unique=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class GarbageRow(RegistryBase):
    """A key nobody refers to any more; written with the deletion, gone when the store has removed the object."""

    __tablename__ = "garbage"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReleasedRow(RegistryBase):
    """Content that lost a reference, perhaps its last; written with the deletion, looked into afterwards.

    The deletion itself locks no content, so that it cannot deadlock with those who refer to some anew.
    """

    __tablename__ = "released"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    sha256: Mapped[str] = mapped_column(String(64))
