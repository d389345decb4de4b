"""What the engine asks of the database on the replica's behalf, over every workspace."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from melonkube.contracts.experiments import ExperimentState
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.tuner.leases.handout import OPEN
from melonkube.tuner.tables import ExperimentRow, LeaseRow

_GOING = [state.value for state in ExperimentState if not state.final]


async def claimable(session: ReadSession, replica: str, now: datetime) -> Sequence[ExperimentRow]:
    """Return the experiments that this replica may take: nobody's, a dead replica's, and its own."""
    query = (
        select(ExperimentRow)
        .where(
            ExperimentRow.state.in_(_GOING),
            or_(
                ExperimentRow.owner_id.is_(None),
                ExperimentRow.owner_until.is_(None),
                ExperimentRow.owner_until < now,
                ExperimentRow.owner_id == replica,
            ),
        )
        .order_by(ExperimentRow.id)
    )
    return (await session.execute(query)).scalars().all()


async def claim(session: WriteSession, row: ExperimentRow, replica: str, now: datetime, seconds: float) -> int | None:
    """Take an experiment under a new epoch, which is returned; None if it changed hands meanwhile."""
    epoch = row.owner_epoch + 1
    taken = await session.execute(
        update(ExperimentRow)
        .where(ExperimentRow.id == row.id, ExperimentRow.owner_epoch == row.owner_epoch)
        .values(owner_id=replica, owner_epoch=epoch, owner_until=now + timedelta(seconds=seconds))
        .returning(ExperimentRow.id)
    )
    return None if taken.first() is None else epoch


async def release(session: WriteSession, replica: str) -> None:
    """Let go of every experiment, so that another replica can take them at once."""
    await session.execute(
        update(ExperimentRow).where(ExperimentRow.owner_id == replica).values(owner_id=None, owner_until=None)
    )


async def held(session: ReadSession, workspace_id: str, experiment_id: str) -> Sequence[LeaseRow]:
    """Return the open leases of an experiment."""
    query = select(LeaseRow).where(
        LeaseRow.workspace_id == workspace_id, LeaseRow.experiment_id == experiment_id, LeaseRow.state == OPEN
    )
    return (await session.execute(query)).scalars().all()


async def all_held(session: ReadSession) -> Sequence[LeaseRow]:
    """Return the open leases of every experiment."""
    return (await session.execute(select(LeaseRow).where(LeaseRow.state == OPEN))).scalars().all()
