"""SQL of runs. Every statement is of one workspace."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, insert, select

from melonkube.contracts.runs import LogLine, MetricPoint
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.registry.blobs.repository import upsert
from melonkube.registry.models.models import ModelRow, ModelVersionRow
from melonkube.registry.runs.models import ArtifactRow, LogRow, MetricRow, RunRow

_AT_ONCE = 500


class RunRepository:
    """Rows of runs and of what they hold."""

    def _mine(self, workspace_id: str) -> Select[RunRow]:
        return select(RunRow).where(RunRow.workspace_id == workspace_id)

    async def get(self, session: ReadSession, workspace_id: str, run_id: str, *, lock: bool = False) -> RunRow | None:
        """Return a run; with ``lock`` it stays as it is until the transaction ends."""
        statement = self._mine(workspace_id).where(RunRow.id == run_id)
        if lock:
            statement = statement.with_for_update()
        return (await session.execute(statement)).scalar_one_or_none()

    async def by_trial(self, session: ReadSession, workspace_id: str, trial_id: str, attempt: int) -> RunRow | None:
        """Return the run of an attempt at a trial."""
        return await session.scalar(
            self._mine(workspace_id).where(RunRow.trial_id == trial_id, RunRow.attempt == attempt)
        )

    async def page(
        self, session: ReadSession, workspace_id: str, *, experiment_id: str | None, before: str | None, limit: int
    ) -> list[RunRow]:
        """Return runs, the newest first, older than ``before``."""
        statement = self._mine(workspace_id).order_by(RunRow.id.desc()).limit(limit)
        if experiment_id is not None:
            statement = statement.where(RunRow.experiment_id == experiment_id)
        if before is not None:
            statement = statement.where(RunRow.id < before)
        return list(await session.scalars(statement))

    async def of_experiment(self, session: WriteSession, workspace_id: str, experiment_id: str) -> list[str]:
        """Return the ids of an experiment's runs, locked."""
        statement = (
            select(RunRow.id)
            .where(RunRow.workspace_id == workspace_id, RunRow.experiment_id == experiment_id)
            .order_by(RunRow.id)
            .with_for_update()
        )
        return list(await session.scalars(statement))

    async def add(self, session: WriteSession, values: dict[str, Any]) -> bool:
        """Insert a run unless its id, or its trial and attempt, is there; return whether it was inserted."""
        done: Any = await session.execute(upsert(session, RunRow).values(**values).on_conflict_do_nothing())
        return bool(done.rowcount)

    async def dependent_version(
        self, session: ReadSession, workspace_id: str, run_ids: Sequence[str]
    ) -> tuple[str, int] | None:
        """Return a model version (name, number) that was made of one of the runs."""
        for start in range(0, len(run_ids), _AT_ONCE):
            found = (
                await session.execute(
                    select(ModelRow.name, ModelVersionRow.version)
                    .join(ModelRow, ModelRow.id == ModelVersionRow.model_id)
                    .where(
                        ModelVersionRow.workspace_id == workspace_id,
                        ModelVersionRow.run_id.in_(run_ids[start : start + _AT_ONCE]),
                    )
                    .limit(1)
                )
            ).first()
            if found is not None:
                return found[0], found[1]
        return None

    async def remove(self, session: WriteSession, workspace_id: str, run_ids: Sequence[str]) -> list[str]:
        """Delete runs and all they hold; return the digests of their artifacts."""
        digests: list[str] = []
        for start in range(0, len(run_ids), _AT_ONCE):
            some = run_ids[start : start + _AT_ONCE]
            digests += await session.scalars(
                select(ArtifactRow.sha256)
                .where(ArtifactRow.workspace_id == workspace_id, ArtifactRow.run_id.in_(some))
                .distinct()
            )
            await session.execute(delete(RunRow).where(RunRow.workspace_id == workspace_id, RunRow.id.in_(some)))
        return digests

    # Metrics and logs.

    async def write_points(
        self, session: WriteSession, run: RunRow, points: Sequence[MetricPoint], now: datetime
    ) -> None:
        """Write points over what is there."""
        statement = upsert(session, MetricRow)
        statement = statement.on_conflict_do_update(
            index_elements=["run_id", "name", "step"],
            set_={"value": statement.excluded.value, "at": statement.excluded.at},
        )
        rows = [
            {
                "run_id": run.id,
                "name": point.name,
                "step": point.step,
                "workspace_id": run.workspace_id,
                "value": point.value,
                "at": point.at or now,
            }
            for point in points
        ]
        await session.execute(statement, rows)

    async def points(self, session: ReadSession, workspace_id: str, run_id: str) -> list[MetricRow]:
        """Return all points in the order of name and step."""
        return list(
            await session.scalars(
                select(MetricRow)
                .where(MetricRow.workspace_id == workspace_id, MetricRow.run_id == run_id)
                .order_by(MetricRow.name, MetricRow.step)
            )
        )

    async def write_lines(self, session: WriteSession, run: RunRow, lines: Sequence[LogLine]) -> None:
        """Write lines that are not there yet."""
        rows = [
            {
                "run_id": run.id,
                "seq": line.seq,
                "workspace_id": run.workspace_id,
                "at": line.at,
                "level": line.level,
                "message": line.message,
            }
            for line in lines
        ]
        await session.execute(upsert(session, LogRow).on_conflict_do_nothing(), rows)

    async def lines(
        self, session: ReadSession, workspace_id: str, run_id: str, *, after: int, limit: int
    ) -> list[LogRow]:
        """Return lines after a sequence number, in order."""
        return list(
            await session.scalars(
                select(LogRow)
                .where(LogRow.workspace_id == workspace_id, LogRow.run_id == run_id, LogRow.seq > after)
                .order_by(LogRow.seq)
                .limit(limit)
            )
        )

    async def known_lines(self, session: ReadSession, run: RunRow, first: int, last: int) -> set[int]:
        """Return the sequence numbers from ``first`` to ``last`` that are there."""
        return set(
            await session.scalars(
                select(LogRow.seq).where(
                    LogRow.workspace_id == run.workspace_id, LogRow.run_id == run.id, LogRow.seq.between(first, last)
                )
            )
        )

    # Artifacts.

    async def run_and_artifacts(
        self, session: WriteSession, workspace_id: str, run_id: str, paths: list[str]
    ) -> tuple[RunRow, dict[str, ArtifactRow]] | None:
        """Return a run, locked, and those of its files that are under ``paths``."""
        wanted = {"workspace_id": workspace_id, "run_id": run_id, "paths": paths}
        found = (await session.execute(_RUN_AND_ARTIFACTS, wanted)).all()
        if not found:
            return None
        return found[0][0], {artifact.path: artifact for _, artifact in found if artifact is not None}

    async def add_artifacts(self, session: WriteSession, rows: list[dict[str, Any]]) -> None:
        """Insert files of a run."""
        if rows:
            await session.execute(_ADD_ARTIFACTS, rows)

    async def artifact(self, session: ReadSession, workspace_id: str, run_id: str, path: str) -> ArtifactRow | None:
        """Return one artifact."""
        return await session.scalar(
            select(ArtifactRow).where(
                ArtifactRow.workspace_id == workspace_id, ArtifactRow.run_id == run_id, ArtifactRow.path == path
            )
        )

    async def artifacts(
        self, session: ReadSession, workspace_id: str, run_id: str, *, below: str = "", after: str = "", limit: int
    ) -> list[ArtifactRow]:
        """Return artifacts in the order of their paths, those in the folder ``below`` (with its slash) alone."""
        statement = (
            select(ArtifactRow)
            .where(ArtifactRow.workspace_id == workspace_id, ArtifactRow.run_id == run_id, ArtifactRow.path > after)
            .order_by(ArtifactRow.path)
            .limit(limit)
        )
        if below:
            statement = statement.where(ArtifactRow.path.startswith(below, autoescape=True))
        return list(await session.scalars(statement))


_RUN_AND_ARTIFACTS = (
    select(RunRow, ArtifactRow)
    .outerjoin(
        ArtifactRow, and_(ArtifactRow.run_id == RunRow.id, ArtifactRow.path.in_(bindparam("paths", expanding=True)))
    )
    .where(RunRow.workspace_id == bindparam("workspace_id"), RunRow.id == bindparam("run_id"))
    .with_for_update(of=RunRow)
)
_ADD_ARTIFACTS = insert(ArtifactRow)
"""Made once: these two are what the end of every trial waits for."""
