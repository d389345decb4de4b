"""Trials in the database. Every query starts from the workspace's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, or_, select

from melonkube.contracts.experiments import Direction
from melonkube.kit.db import ReadSession
from melonkube.tuner.tables import LeaseRow, ReportRow, TrialRow


def _mine(workspace_id: str, experiment_id: str) -> Select[TrialRow]:
    return select(TrialRow).where(TrialRow.workspace_id == workspace_id, TrialRow.experiment_id == experiment_id)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the trial of this number, and of this value when sorted by it."""

    number: int
    value: float | None = None


async def by_number(
    session: ReadSession,
    workspace_id: str,
    experiment_id: str,
    *,
    states: Sequence[str],
    after: Place | None,
    descending: bool,
    limit: int,
) -> Sequence[TrialRow]:
    """Return up to ``limit`` trials in the order of their numbers."""
    query = _mine(workspace_id, experiment_id)
    if states:
        query = query.where(TrialRow.state.in_(states))
    if after is not None:
        query = query.where(TrialRow.number < after.number if descending else TrialRow.number > after.number)
    query = query.order_by(TrialRow.number.desc() if descending else TrialRow.number).limit(limit)
    return (await session.execute(query)).scalars().all()


async def by_value(
    session: ReadSession,
    workspace_id: str,
    experiment_id: str,
    *,
    states: Sequence[str],
    after: Place | None,
    direction: Direction,
    limit: int,
) -> Sequence[TrialRow]:
    """Return up to ``limit`` trials, the best first, those without a value last; ties by number."""
    query = _mine(workspace_id, experiment_id)
    if states:
        query = query.where(TrialRow.state.in_(states))
    value = TrialRow.value
    if after is not None and after.value is None:
        query = query.where(value.is_(None), TrialRow.number > after.number)
    elif after is not None:
        worse = value < after.value if direction is Direction.MAXIMIZE else value > after.value
        query = query.where(or_(worse, value.is_(None), and_(value == after.value, TrialRow.number > after.number)))
    order = value.desc() if direction is Direction.MAXIMIZE else value.asc()
    query = query.order_by(value.is_(None), order, TrialRow.number).limit(limit)
    return (await session.execute(query)).scalars().all()


async def one(session: ReadSession, workspace_id: str, experiment_id: str, number: int) -> TrialRow | None:
    """Return the trial of a number."""
    query = _mine(workspace_id, experiment_id).where(TrialRow.number == number)
    return (await session.execute(query)).scalar_one_or_none()


async def leases(session: ReadSession, workspace_id: str, trial_id: str) -> list[LeaseRow]:
    """Return the attempts at a trial, the first first."""
    query = (
        select(LeaseRow)
        .where(LeaseRow.workspace_id == workspace_id, LeaseRow.trial_id == trial_id)
        .order_by(LeaseRow.attempt)
    )
    return list((await session.execute(query)).scalars())


async def points(session: ReadSession, workspace_id: str, run_id: str) -> list[list[float]]:
    """Return the intermediate values of an attempt in the order they came."""
    query = (
        select(ReportRow.points)
        .where(ReportRow.workspace_id == workspace_id, ReportRow.run_id == run_id)
        .order_by(ReportRow.id)
    )
    return [point for batch in (await session.execute(query)).scalars() for point in batch]


async def changed_since(session: ReadSession, workspace_id: str, experiment_id: str, seq: int) -> Sequence[TrialRow]:
    """Return the trials that changed after the event ``seq``, in the order of their changes."""
    query = _mine(workspace_id, experiment_id).where(TrialRow.changed > seq).order_by(TrialRow.changed)
    return (await session.execute(query)).scalars().all()
