"""Events in the database. Every query starts from the workspace's own, but for the sweeping of old ones."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from melonkube.kit.db import ReadSession, WriteSession
from melonkube.tuner.tables import EventRow


async def after(
    session: ReadSession, workspace_id: str, experiment_id: str, seq: int, limit: int
) -> Sequence[EventRow]:
    """Return up to ``limit`` events that follow ``seq``."""
    query = (
        select(EventRow)
        .where(EventRow.workspace_id == workspace_id, EventRow.experiment_id == experiment_id, EventRow.seq > seq)
        .order_by(EventRow.seq)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


async def first(session: ReadSession, workspace_id: str, experiment_id: str) -> int | None:
    """Return the sequence number of the oldest event that is kept."""
    query = select(func.min(EventRow.seq)).where(
        EventRow.workspace_id == workspace_id, EventRow.experiment_id == experiment_id
    )
    return (await session.execute(query)).scalar_one()


async def sweep(session: WriteSession, before: datetime) -> None:
    """Delete the events of every workspace that are older than ``before``."""
    await session.execute(delete(EventRow).where(EventRow.at < before))
