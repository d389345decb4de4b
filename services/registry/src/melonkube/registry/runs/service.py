"""What one can do with runs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import (
    Artifact,
    LogEntry,
    LogLine,
    MetricList,
    MetricPoint,
    Run,
    RunCreate,
    RunFinish,
    RunState,
)
from melonkube.kit.db import Database, ReadSession, WriteSession
from melonkube.kit.errors import Conflict, InUse, NotFound
from melonkube.kit.tokens import SCOPE_SERVICE, SCOPE_WORKER, Principal
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.service import STRAIGHT_BYTES, BlobService, Body
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.runs.domain import (
    check_path,
    checksum_mismatch,
    content_type_of,
    last_points,
    refuse_unsafe,
    unique_points,
)
from melonkube.registry.runs.models import RunRow
from melonkube.registry.runs.repository import RunRepository
from melonkube.registry.runs.schemas import artifact_of, log_of, run_of, series_of


class RunService:
    """Runs of a workspace; a worker's principal reaches those of its own experiment alone. Owned by the app."""

    def __init__(self, database: Database, repository: RunRepository, blobs: BlobService, limit: int) -> None:
        self._db = database
        self._repository = repository
        self._blobs = blobs
        self._limit = limit

    async def create(self, who: Principal, wanted: RunCreate) -> tuple[Run, bool]:
        """Make a run, or return the one with this id, or of this trial and attempt; and whether it was made.

        Raises:
            NotFound: There is no such data set, or the experiment is not the worker's.
            Conflict: The id is taken.
        """
        if SCOPE_WORKER in who.scopes and (
            wanted.experiment_id != who.experiment_id or wanted.dataset_id not in (None, who.dataset_id)
        ):
            raise NotFound("The experiment or data set is not this worker's.")
        values = {
            "id": wanted.id or new_id(),
            "workspace_id": who.workspace_id,
            "name": wanted.name,
            "state": RunState.RUNNING,
            "experiment_id": wanted.experiment_id,
            "trial_id": wanted.trial_id,
            "trial_number": wanted.trial_number,
            "attempt": wanted.attempt,
            "dataset_id": wanted.dataset_id,
            "params": wanted.params,
            "tags": wanted.tags,
            "latest": {},
            "created_at": datetime.now(UTC),
        }
        async with self._db.write() as session:
            if wanted.dataset_id is not None:
                await self._demand_dataset(session, who.workspace_id, wanted.dataset_id)
            made = await self._repository.add(session, values)
            row = await self._repository.get(session, who.workspace_id, str(values["id"]))
            if row is None and wanted.trial_id is not None and wanted.attempt is not None:
                row = await self._repository.by_trial(session, who.workspace_id, wanted.trial_id, wanted.attempt)
            if row is None or not _may_touch(who, row):
                raise Conflict("A run with this id is there already and is not yours; leave the id out.")
            return run_of(row), made

    async def _demand_dataset(self, session: WriteSession, workspace_id: str, dataset_id: str) -> None:
        found = await session.scalar(
            select(DatasetRow.id)
            .where(DatasetRow.workspace_id == workspace_id, DatasetRow.id == dataset_id)
            .with_for_update(read=True, key_share=True)
        )
        if found is None:
            raise NotFound(f"There is no data set {dataset_id}.")

    async def _get(self, session: ReadSession, who: Principal, run_id: str, *, lock: bool = False) -> RunRow:
        row = await self._repository.get(session, who.workspace_id, run_id, lock=lock)
        if row is None or not _may_touch(who, row):
            raise NotFound(f"There is no run {run_id}.")
        return row

    async def get(self, who: Principal, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFound: There is none, as far as the caller may know.
        """
        async with self._db.read() as session:
            return run_of(await self._get(session, who, run_id))

    async def page(self, who: Principal, *, experiment_id: str | None, before: str | None, limit: int) -> list[Run]:
        """Return runs, the newest first."""
        async with self._db.read() as session:
            rows = await self._repository.page(
                session, who.workspace_id, experiment_id=experiment_id, before=before, limit=limit
            )
        return [run_of(row) for row in rows]

    async def finish(self, who: Principal, run_id: str, end: RunFinish) -> Run:
        """End a run. An attempt at a trial that did not count after all is written off, whatever its worker said.

        Raises:
            Conflict: It has ended in another state.
        """
        async with self._db.write() as session:
            row = await self._get(session, who, run_id, lock=True)
            if row.state == RunState.RUNNING:
                row.state, row.reason, row.finished_at = end.state, end.reason, datetime.now(UTC)
            elif row.state != end.state and _is_written_off(who, row, end):
                row.state, row.reason = end.state, end.reason
            elif row.state != end.state:
                raise Conflict(f"The run has ended as {row.state} and stays so.")
            return run_of(row)

    async def delete(self, who: Principal, run_id: str) -> None:
        """Delete a run.

        Raises:
            InUse: A model version is made of it, or it belongs to an experiment (only a service may then delete it).
        """
        async with self._db.write() as session:
            row = await self._get(session, who, run_id, lock=True)
            if row.trial_id is not None and SCOPE_SERVICE not in who.scopes:
                raise InUse(f"The run belongs to experiment {row.experiment_id}; delete that.")
            await self._remove(session, who.workspace_id, [run_id])
        self._blobs.committed(session)

    async def delete_experiment(self, who: Principal, experiment_id: str) -> None:
        """Delete all runs of an experiment.

        Raises:
            InUse: A model version is made of one of them.
        """
        async with self._db.write() as session:
            run_ids = await self._repository.of_experiment(session, who.workspace_id, experiment_id)
            await self._remove(session, who.workspace_id, run_ids)
        self._blobs.committed(session)

    async def _remove(self, session: WriteSession, workspace_id: str, run_ids: list[str]) -> None:
        dependent = await self._repository.dependent_version(session, workspace_id, run_ids)
        if dependent is not None:
            raise InUse(f"Version {dependent[1]} of model '{dependent[0]}' is made of it; delete that version first.")
        digests = await self._repository.remove(session, workspace_id, run_ids)
        await self._blobs.release(session, workspace_id, digests)

    # Metrics and logs.

    async def write_metrics(self, who: Principal, run_id: str, points: list[MetricPoint]) -> None:
        """Add points to series, all in one transaction.

        Raises:
            Conflict: The run has ended, and the points are not all there already.
        """
        points = unique_points(points)
        async with self._db.write() as session:
            row = await self._get(session, who, run_id, lock=True)
            if not points:
                return
            if row.state != RunState.RUNNING:
                known = {
                    (point.name, point.step): point.value
                    for point in await self._repository.points(session, who.workspace_id, run_id)
                }
                if any(known.get((point.name, point.step)) != point.value for point in points):
                    raise _ended(row)
                return
            await self._repository.write_points(session, row, points, datetime.now(UTC))
            row.latest = last_points(row.latest, points)

    async def metrics(self, who: Principal, run_id: str) -> MetricList:
        """Return all series of a run."""
        async with self._db.read() as session:
            await self._get(session, who, run_id)
            return series_of(await self._repository.points(session, who.workspace_id, run_id))

    async def write_logs(self, who: Principal, run_id: str, lines: list[LogLine]) -> None:
        """Add lines to the log, all in one transaction; those already there are left as they are.

        Raises:
            Conflict: The run has ended, and the lines are not all there already.
        """
        async with self._db.write() as session:
            row = await self._get(session, who, run_id, lock=True)
            if not lines:
                return
            if row.state != RunState.RUNNING:
                numbers = {line.seq for line in lines}
                known = await self._repository.known_lines(session, row, min(numbers), max(numbers))
                if not numbers <= known:
                    raise _ended(row)
                return
            await self._repository.write_lines(session, row, lines)

    async def logs(self, who: Principal, run_id: str, *, after: int, limit: int) -> list[LogEntry]:
        """Return log lines after a sequence number."""
        async with self._db.read() as session:
            await self._get(session, who, run_id)
            rows = await self._repository.lines(session, who.workspace_id, run_id, after=after, limit=limit)
        return [log_of(row) for row in rows]

    # Artifacts.

    async def put_artifact(
        self,
        who: Principal,
        run_id: str,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        content_type: str | None,
        sha256: str | None,
        declared_bytes: int | None,
    ) -> tuple[Artifact, bool]:
        """Keep a file of a run; return it, and whether there was none under that path.

        Args:
            who: The caller.
            run_id: The run.
            path: Where in the run; what is there is replaced while the run is not over.
            chunks: The bytes.
            content_type: As declared.
            sha256: The digest that the sender computed, if it did.
            declared_bytes: The size as declared; only where it is large or unknown the run is looked for first.

        Raises:
            InvalidRequest: The path cannot be one, the digest differs, or the file is unsafe.
            BodyTooLarge: The file is over the limit.
            Conflict: The run has ended, and has no such file.
        """
        check_path(path)
        refuse_unsafe(path, b"")
        if declared_bytes is None or declared_bytes > STRAIGHT_BYTES:
            async with self._db.read() as reading:
                await self._get(reading, who, run_id)
        async with self._blobs.receive(
            chunks, limit=self._limit, inspect=lambda head: refuse_unsafe(path, head)
        ) as body:
            if sha256 is not None and sha256.lower() != body.sha256:
                raise checksum_mismatch(body.sha256)

            async def record(session: WriteSession) -> tuple[Artifact, bool]:
                types = {path: content_type_of(path, content_type)}
                made = await self._record(session, who, run_id, {path: body}, types)
                return made[0]

            return await self._blobs.keep(body, who.workspace_id, record)

    async def put_artifacts(self, who: Principal, run_id: str, files: dict[str, Body]) -> list[Artifact]:
        """Keep several small files of a run at once, all or none.

        Raises:
            Conflict: The run has ended, and has not all these files.
        """

        async def record(session: WriteSession) -> list[Artifact]:
            types = {path: content_type_of(path, None) for path in files}
            return [artifact for artifact, _ in await self._record(session, who, run_id, files, types)]

        return await self._blobs.keep_all(files.values(), who.workspace_id, record)

    async def _record(
        self, session: WriteSession, who: Principal, run_id: str, files: dict[str, Body], types: dict[str, str]
    ) -> list[tuple[Artifact, bool]]:
        """Note files of a run; return each with whether there was none under its path."""
        found = await self._repository.run_and_artifacts(session, who.workspace_id, run_id, list(files))
        if found is None or not _may_touch(who, found[0]):
            raise NotFound(f"There is no run {run_id}.")
        run, there = found
        now = datetime.now(UTC)
        made: list[tuple[Artifact, bool]] = []
        added: list[dict[str, Any]] = []
        replaced: list[str] = []
        for path, body in files.items():
            row = there.get(path)
            if row is not None and row.sha256 == body.sha256:
                made.append((artifact_of(row), False))
                continue
            if run.state != RunState.RUNNING:
                raise _ended(run)
            values = {
                "sha256": body.sha256,
                "size_bytes": body.size_bytes,
                "content_type": types[path],
                "created_at": now,
            }
            if row is None:
                added.append({"run_id": run_id, "path": path, "workspace_id": who.workspace_id, **values})
            else:
                replaced.append(row.sha256)
                for field, value in values.items():
                    setattr(row, field, value)
            made.append((Artifact.model_validate({"path": path, **values}), row is None))
        await self._repository.add_artifacts(session, added)
        if replaced:
            await self._blobs.release(session, who.workspace_id, replaced)
        return made

    async def artifacts(self, who: Principal, run_id: str, *, after: str, limit: int) -> list[Artifact]:
        """Return the files of a run in the order of their paths."""
        async with self._db.read() as session:
            await self._get(session, who, run_id)
            rows = await self._repository.artifacts(session, who.workspace_id, run_id, after=after, limit=limit)
        return [artifact_of(row) for row in rows]

    async def artifact(self, who: Principal, run_id: str, path: str) -> tuple[Artifact, BlobRow]:
        """Return a file of a run and where its bytes are."""
        check_path(path)
        async with self._db.read() as session:
            await self._get(session, who, run_id)
            row = await self._repository.artifact(session, who.workspace_id, run_id, path)
        if row is None:
            raise NotFound(f"The run has no artifact '{path}'.")
        return artifact_of(row), await self._blobs.find(who.workspace_id, row.sha256)


def _is_written_off(who: Principal, row: RunRow, end: RunFinish) -> bool:
    """Whether the tuner says that an attempt did not count, though its worker had ended the run.

    The worker died, or the experiment was stopped, between the run's end and the trial's.
    """
    return end.state is not RunState.COMPLETED and row.trial_id is not None and SCOPE_SERVICE in who.scopes


def _may_touch(who: Principal, row: RunRow) -> bool:
    return SCOPE_WORKER not in who.scopes or row.experiment_id == who.experiment_id


def _ended(row: RunRow) -> Conflict:
    return Conflict(f"The run has ended as {row.state}; nothing can be added to it.")
