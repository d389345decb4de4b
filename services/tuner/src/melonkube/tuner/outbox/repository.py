"""The outbox in the database. Its rows are the service's own business: it works through every workspace's."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from melonkube.contracts.ids import new_id
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.tuner.tables import OutboxRow

DELETE_RUN = "delete_run"
FINISH_RUN = "finish_run"


def intend_delete(session: WriteSession, workspace_id: str, run_id: str, due_at: datetime) -> str:
    """Note that a run is to be deleted at ``due_at`` unless :func:`done` is called before; return the note's id."""
    row = OutboxRow(id=new_id(), workspace_id=workspace_id, kind=DELETE_RUN, run_id=run_id, attempts=0, due_at=due_at)
    session.add(row)
    return row.id


async def due(session: ReadSession, now: datetime, limit: int) -> Sequence[OutboxRow]:
    """Return the calls to make now, the longest due first."""
    query = select(OutboxRow).where(OutboxRow.due_at <= now).order_by(OutboxRow.due_at, OutboxRow.id).limit(limit)
    return (await session.execute(query)).scalars().all()


async def next_due(session: ReadSession) -> tuple[int, datetime | None]:
    """Return how many calls wait, and when the first is due."""
    count, first = (await session.execute(select(func.count(), func.min(OutboxRow.due_at)))).one()
    return count, first


async def done(session: WriteSession, note_id: str) -> None:
    """Remove a call that was taken or is not wanted any more."""
    await session.execute(delete(OutboxRow).where(OutboxRow.id == note_id))


async def postpone(session: WriteSession, note_id: str, attempts: int, now: datetime) -> None:
    """Try a call again later: after 1, 2, 4 ... seconds, at most a minute."""
    pause = min(60.0, 2.0 ** min(attempts, 6))
    await session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == note_id)
        .values(attempts=attempts + 1, due_at=now + timedelta(seconds=pause))
    )
