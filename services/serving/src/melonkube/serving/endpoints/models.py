"""Tables of serving."""

from datetime import datetime

from sqlalchemy import Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.kit.db import Base, UtcDateTime, metadata


class ServingBase(Base):
    """Base of serving's tables."""

    __abstract__ = True
    metadata = metadata()


class EndpointRow(ServingBase):
    """What an endpoint shall answer with, and what answered last.

    ``active_*`` name the version that was last swapped in: after a restart it answers before anything else, from the
    disk if the registry is away. ``active_generation`` is the PUT it came from.
    """

    __tablename__ = "endpoints"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(63))
    model: Mapped[str] = mapped_column(String(128))
    version: Mapped[int | None] = mapped_column(Integer)
    alias: Mapped[str | None] = mapped_column(String(128))
    experiment_id: Mapped[str | None] = mapped_column(String(36))
    generation: Mapped[int] = mapped_column(Integer)
    active_model: Mapped[str | None] = mapped_column(String(128))
    active_version: Mapped[int | None] = mapped_column(Integer)
    active_digest: Mapped[str | None] = mapped_column(String(64))
    active_generation: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReleaseRow(ServingBase):
    """An endpoint's references at the registry that are to be given up, once no endpoint of the name is there.

    Written in the transaction that deletes an endpoint, and before a new one's references are taken: so that none
    stays behind, wherever the process ends.
    """

    __tablename__ = "reference_releases"

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime)
