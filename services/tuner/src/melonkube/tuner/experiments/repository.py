"""Experiments in the database. Every query starts from the workspace's own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, delete, func, or_, select

from melonkube.kit.db import ReadSession, WriteSession
from melonkube.kit.errors import NameTaken
from melonkube.tuner.engine.ledger import not_found
from melonkube.tuner.experiments.spec import ExperimentSpec
from melonkube.tuner.tables import ExperimentRow, ExperimentSpecRow


def _mine(workspace_id: str) -> Select[ExperimentRow]:
    return select(ExperimentRow).where(ExperimentRow.workspace_id == workspace_id)


async def get(session: ReadSession, workspace_id: str, experiment_id: str) -> ExperimentRow:
    """Return an experiment.

    Raises:
        NotFound: It is not there.
    """
    row = (await session.execute(_mine(workspace_id).where(ExperimentRow.id == experiment_id))).scalar_one_or_none()
    if row is None:
        raise not_found(experiment_id)
    return row


async def page(
    session: ReadSession,
    workspace_id: str,
    *,
    limit: int,
    before: str | None,
    dataset_id: str | None,
    states: Sequence[str],
    name: str | None,
) -> Sequence[ExperimentRow]:
    """Return up to ``limit`` experiments, newest first (ids sort by time), older than ``before``."""
    query = _mine(workspace_id)
    if dataset_id is not None:
        query = query.where(ExperimentRow.dataset_id == dataset_id)
    if states:
        query = query.where(ExperimentRow.state.in_(states))
    if name is not None:
        query = query.where(ExperimentRow.name == name)
    if before is not None:
        query = query.where(ExperimentRow.id < before)
    query = query.order_by(ExperimentRow.id.desc()).limit(limit)
    return (await session.execute(query)).scalars().all()


async def names_like(session: ReadSession, workspace_id: str, stem: str) -> set[str]:
    """Return the names taken that are ``stem`` or begin with it and a hyphen."""
    escaped = stem.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = select(ExperimentRow.name).where(
        ExperimentRow.workspace_id == workspace_id,
        or_(ExperimentRow.name == stem, ExperimentRow.name.like(f"{escaped}-%", escape="\\")),
    )
    return set((await session.execute(query)).scalars())


async def lock_names(session: WriteSession, workspace_id: str) -> None:
    """Let no other transaction choose a name in the workspace until this one ends. SQLite has but one writer."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(
            select(func.pg_advisory_xact_lock(func.hashtext(f"melonkube.tuner.names.{workspace_id}")))
        )


def name_taken(name: str) -> NameTaken:
    """Return the error for a name that another experiment has."""
    return NameTaken(f"There is already an experiment named {name!r}; choose another name, or delete that one.")


def add(session: WriteSession, spec: ExperimentSpec, warnings: list[str], now: datetime) -> ExperimentRow:
    """Add an experiment, queued and without a trial."""
    row = ExperimentRow(
        id=spec.id,
        workspace_id=spec.workspace_id,
        name=spec.name,
        dataset_id=spec.dataset_id,
        run_id=spec.run_id,
        state="queued",
        phase="searching",
        warnings=warnings,
        suggested=0,
        numbered=0,
        queued=0,
        running=0,
        completed=0,
        pruned=0,
        failed=0,
        stopped=0,
        trial_seconds=0.0,
        scoring_errors=0,
        scoring_losses=0,
        active_seconds=0.0,
        last_event=0,
        owner_epoch=0,
        created_at=now,
    )
    session.add(row)
    return row


def add_spec(session: WriteSession, spec: ExperimentSpec) -> None:
    """Add the part that never changes; the experiment must be flushed before."""
    session.add(
        ExperimentSpecRow(experiment_id=spec.id, workspace_id=spec.workspace_id, spec=spec.model_dump(mode="json"))
    )


async def remove(session: WriteSession, workspace_id: str, experiment_id: str) -> None:
    """Delete an experiment and all that hangs on it."""
    await session.execute(
        delete(ExperimentRow).where(ExperimentRow.workspace_id == workspace_id, ExperimentRow.id == experiment_id)
    )
