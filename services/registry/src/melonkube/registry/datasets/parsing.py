"""Files become data sets in the background, each under a lease, so that no crash leaves one half-read for ever."""

import asyncio
import contextlib
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from melonkube.contracts.datasets import DatasetState
from melonkube.contracts.errors import ErrorCode, Problem
from melonkube.kit.db import Database, WriteSession
from melonkube.kit.errors import Conflict, InvalidRequest, MelonError, NotFound, StorageFull
from melonkube.kit.logs import get_logger
from melonkube.registry.blobs.service import BlobService, Body
from melonkube.registry.datasets.job import Task
from melonkube.registry.datasets.models import DatasetDetailRow, DatasetRow
from melonkube.registry.datasets.readers import ReaderDied, ReaderPool
from melonkube.registry.datasets.repository import DatasetRepository
from melonkube.registry.owner import Owner
from melonkube.registry.settings import Settings

_RETRY_SECONDS = 1.0

log = get_logger("melonkube.registry.parsing")


class Parsing:
    """Reads files of data sets. Owned by the app; lives on its event loop."""

    def __init__(
        self,
        database: Database,
        repository: DatasetRepository,
        blobs: BlobService,
        readers: ReaderPool,
        owner: Owner,
        settings: Settings,
    ) -> None:
        self._db = database
        self._repository = repository
        self._blobs = blobs
        self._readers = readers
        self._owner = owner
        self._settings = settings
        self._lease = timedelta(seconds=settings.parsing.lease_seconds)
        self._tasks: dict[str, asyncio.Task[Problem | None]] = {}

    @property
    def owner(self) -> str:
        """The name under which this process reads."""
        return self._owner.name

    @property
    def lease(self) -> timedelta:
        """For how long a file is this process's without a renewal."""
        return self._lease

    def begin(self, workspace_id: str, dataset_id: str) -> "asyncio.Task[Problem | None]":
        """Start to read a file whose row names this process as owner; the task gives the problem, if there is one."""
        task = asyncio.create_task(self._read(workspace_id, dataset_id), name=f"parse {dataset_id}")
        self._tasks[dataset_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(dataset_id, None))
        return task

    def task(self, dataset_id: str) -> "asyncio.Task[Problem | None] | None":
        """Return the task that reads a file here and now."""
        return self._tasks.get(dataset_id)

    async def take_over(self) -> None:
        """Begin to read what a process that is gone, or silent for a lease, was reading."""
        async with self._db.read() as session:
            now = await self._db.now(session)
            orphans = [
                row
                for row in await self._repository.unfinished(session, self._owner.name)
                if row.owner is None
                or row.lease_until is None
                or row.lease_until < now
                or self._owner.is_gone(row.owner)
            ]
        for row in orphans:
            async with self._db.write() as writing:
                until = await self._db.now(writing) + self._lease
                mine = await self._repository.take_over(writing, row.id, row.owner, self._owner.name, until)
            if mine:
                log.info("reading a data set anew", dataset_id=row.id, attempt=row.attempts + 1)
                self.begin(row.workspace_id, row.id)

    async def close(self) -> None:
        """Stop reading, and leave what is unfinished to a successor."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            async with self._db.write() as session:
                await self._repository.let_go(session, self._owner.name)

    async def _read(self, workspace_id: str, dataset_id: str) -> Problem | None:
        renewal = asyncio.create_task(self._renew(dataset_id))
        try:
            while True:
                try:
                    return await self._try(workspace_id, dataset_id)
                except ReaderDied as error:
                    log.warning("the process that read a data set died", dataset_id=dataset_id, error=str(error))
                    if not await self._may_try_again(workspace_id, dataset_id):
                        return await self._give_up(workspace_id, dataset_id, _TOO_MUCH.problem())
                except StorageFull as error:
                    return await self._give_up(workspace_id, dataset_id, error.problem())
                except (NotFound, Conflict):
                    return _DELETED.problem()
                except (MelonError, SQLAlchemyError, OSError) as error:
                    log.warning("a data set cannot be read now", dataset_id=dataset_id, error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                except Exception:
                    log.exception("reading a data set failed in a way that it should not", dataset_id=dataset_id)
                    return await self._give_up(workspace_id, dataset_id, _BROKEN.problem())
        finally:
            renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewal

    async def _renew(self, dataset_id: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with self._db.write() as session:
                    until = await self._db.now(session) + self._lease
                    await self._repository.renew(session, dataset_id, self._owner.name, until)
            except SQLAlchemyError as error:
                log.warning("a lease was not renewed", dataset_id=dataset_id, error=str(error))

    async def _try(self, workspace_id: str, dataset_id: str) -> Problem | None:
        async with self._db.read() as session:
            row = await self._repository.get(session, workspace_id, dataset_id)
        if row is None:
            raise NotFound("The data set was deleted.")
        blob = await self._blobs.find(workspace_id, row.sha256)
        store = self._blobs.store
        async with store.local_file(blob.key) as source, store.scratch() as folder:
            target = folder / "table.parquet"
            answer = await self._readers.read(
                Task(str(source), row.file_name, str(target), self._settings.limits.columns)
            )
            error = answer.get("error")
            if error is not None:
                kind = StorageFull if error["code"] == ErrorCode.STORAGE_FULL else InvalidRequest
                problem = kind(error["detail"], code=ErrorCode(error["code"])).problem()
                return await self._give_up(workspace_id, dataset_id, problem)

            async def record(session: WriteSession) -> None:
                held = await self._held(session, workspace_id, dataset_id)
                held.state = DatasetState.READY
                held.owner = held.lease_until = None
                for field in ("rows", "format", "encoding", "delimiter", "columns", "warnings"):
                    setattr(held, field, answer[field])
                held.parquet_sha256, held.parquet_bytes = answer["parquet_sha256"], answer["parquet_bytes"]
                session.add(
                    DatasetDetailRow(
                        dataset_id=dataset_id,
                        workspace_id=workspace_id,
                        profile=answer["profile"],
                        preview=answer["preview"],
                    )
                )

            body = Body(answer["parquet_sha256"], answer["parquet_bytes"], file=target)
            await self._blobs.keep(body, workspace_id, record)
        return None

    async def _held(self, session: WriteSession, workspace_id: str, dataset_id: str) -> DatasetRow:
        """Return the row, locked, if it is still this process's to finish.

        Raises:
            NotFound: It was deleted.
            Conflict: It is another's, or finished.
        """
        row = await self._repository.get(session, workspace_id, dataset_id, lock=True)
        if row is None:
            raise NotFound("The data set was deleted.")
        if row.owner != self._owner.name or row.state != DatasetState.PARSING:
            raise Conflict("Another process reads this data set.")
        return row

    async def _may_try_again(self, workspace_id: str, dataset_id: str) -> bool:
        """Count one more attempt, unless there have been enough."""
        async with self._db.write() as session:
            row = await self._held(session, workspace_id, dataset_id)
            if row.attempts >= self._settings.parsing.attempts:
                return False
            row.attempts += 1
            return True

    async def _give_up(self, workspace_id: str, dataset_id: str, problem: Problem) -> Problem:
        """End with ``problem``: the data set stays as failed if anyone may know of it, else nothing stays."""
        try:
            async with self._db.write() as session:
                row = await self._held(session, workspace_id, dataset_id)
                row.owner = row.lease_until = None
                if row.kept_when_failed or row.attempts > 1:
                    row.state = DatasetState.FAILED
                    row.problem = problem.model_dump(mode="json", exclude_none=True)
                else:
                    await self._repository.remove(session, workspace_id, dataset_id)
                    await self._blobs.release(session, workspace_id, [row.sha256])
        except (NotFound, Conflict):
            return _DELETED.problem()
        self._blobs.committed(session)
        return problem


class Broken(MelonError):
    """A fault of ours, not of the file."""

    status = 500
    code = ErrorCode.INTERNAL


_BROKEN = Broken("Reading the file failed here in a way that it should not; the log says how.")
_DELETED = NotFound("The data set was deleted while it was read.")
_TOO_MUCH = InvalidRequest(
    "The file could not be read: reading it ended its process each time, most often for want of memory. "
    "Send fewer columns, or split the file.",
    code=ErrorCode.UNDECODABLE,
)
