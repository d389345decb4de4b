"""What one can do with data sets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import func, select

from melonkube.contracts.datasets import Dataset, DatasetState, Preview, Profile
from melonkube.contracts.errors import ErrorCode, Problem
from melonkube.contracts.ids import new_id
from melonkube.kit.db import Database, ReadSession, WriteSession
from melonkube.kit.errors import Conflict, InUse, InvalidRequest, NotFound, PassedOn
from melonkube.kit.idempotency import fingerprint, recall, remember
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.service import BlobService, Body
from melonkube.registry.datasets.models import DatasetKeyRow, DatasetRow
from melonkube.registry.datasets.parsing import Parsing
from melonkube.registry.datasets.repository import DatasetRepository, one_at_a_time
from melonkube.registry.datasets.schemas import dataset_of, preview_of, profile_of
from melonkube.registry.datasets.upload import Upload
from melonkube.registry.runs.models import RunRow

_POLL_SECONDS = 0.5


class DatasetService:
    """Data sets of a workspace. Owned by the app."""

    def __init__(
        self, database: Database, repository: DatasetRepository, blobs: BlobService, parsing: Parsing, limit: int
    ) -> None:
        self._db = database
        self._repository = repository
        self._blobs = blobs
        self._parsing = parsing
        self._limit = limit

    async def upload(
        self, workspace_id: str, upload: Upload, *, key: str | None, respond_async: bool
    ) -> tuple[Dataset, bool]:
        """Take in an uploaded table.

        Args:
            workspace_id: Whose it will be.
            upload: The form, not yet read.
            key: Idempotency key.
            respond_async: Whether to answer before the file is read.

        Returns:
            The data set, and whether this call made it.

        Raises:
            BodyTooLarge: The file is over the limit.
            PassedOn: The file is not a table; then nothing is kept.
        """
        async with self._blobs.receive(upload.file(), limit=self._limit) as body:
            return await self.make(
                workspace_id, body, upload.name, upload.file_name, key=key, respond_async=respond_async
            )

    async def take(
        self, workspace_id: str, chunks: AsyncIterator[bytes], name: str, file_name: str
    ) -> tuple[Dataset, bool]:
        """Take in a table from elsewhere than a form, as :meth:`upload` does."""
        async with self._blobs.receive(chunks, limit=self._limit) as body:
            return await self.make(workspace_id, body, name, file_name, key=None, respond_async=False)

    async def make(
        self, workspace_id: str, body: Body, name: str, file_name: str, *, key: str | None, respond_async: bool
    ) -> tuple[Dataset, bool]:
        """Make a data set of content that has arrived; see :meth:`upload`."""
        if body.size_bytes == 0:
            raise InvalidRequest("The file is empty; send one with a header and rows.", code=ErrorCode.EMPTY_FILE)
        print_ = fingerprint(name, file_name, body.sha256)
        made = DatasetRow(
            id=new_id(),
            workspace_id=workspace_id,
            name=name,
            state=DatasetState.PARSING,
            sha256=body.sha256,
            size_bytes=body.size_bytes,
            file_name=file_name,
            columns=[],
            warnings=[],
            kept_when_failed=respond_async,
            owner=self._parsing.owner,
            attempts=1,
            created_at=datetime.now(UTC),
        )

        async def record(session: WriteSession) -> str:
            await one_at_a_time(session, "dataset", workspace_id, name)
            before = await recall(session, DatasetKeyRow, workspace_id, key, print_)
            if before is not None and await self._repository.get(session, workspace_id, before) is not None:
                return before
            same = await self._repository.same(session, workspace_id, name, body.sha256)
            if same is None:
                made.version = await self._repository.next_version(session, workspace_id, name)
                made.lease_until = await self._db.now(session) + self._parsing.lease
                session.add(made)
            kept = made.id if same is None else same.id
            if before is None:
                await remember(session, DatasetKeyRow, workspace_id, key, print_, kept, made.created_at)
            return kept

        dataset_id = await self._blobs.keep(body, workspace_id, record)
        new = dataset_id == made.id
        if new:
            self._parsing.begin(workspace_id, dataset_id)
        if not respond_async:
            await self._settled(workspace_id, dataset_id)
        return await self.get(workspace_id, dataset_id), new

    async def _settled(self, workspace_id: str, dataset_id: str) -> None:
        """Wait until a data set has been read.

        Raises:
            PassedOn: It could not be.
        """
        while True:
            task = self._parsing.task(dataset_id)
            if task is not None:
                problem = await asyncio.shield(task)
                if problem is not None:
                    raise PassedOn(problem)
            async with self._db.read() as session:
                row = await self._get(session, workspace_id, dataset_id)
            if row.state == DatasetState.READY:
                return
            if row.state == DatasetState.FAILED:
                raise PassedOn(Problem.model_validate(row.problem))
            await asyncio.sleep(_POLL_SECONDS)

    async def _get(self, session: ReadSession, workspace_id: str, dataset_id: str, *, lock: bool = False) -> DatasetRow:
        row = await self._repository.get(session, workspace_id, dataset_id, lock=lock)
        if row is None:
            raise NotFound(f"There is no data set {dataset_id}.")
        return row

    async def get(self, workspace_id: str, dataset_id: str) -> Dataset:
        """Return a data set.

        Raises:
            NotFound: There is none.
        """
        async with self._db.read() as session:
            return dataset_of(await self._get(session, workspace_id, dataset_id))

    async def page(self, workspace_id: str, *, name: str | None, before: str | None, limit: int) -> list[Dataset]:
        """Return data sets, the newest first."""
        async with self._db.read() as session:
            rows = await self._repository.page(session, workspace_id, name=name, before=before, limit=limit)
        return [dataset_of(row) for row in rows]

    async def _ready(self, session: ReadSession, workspace_id: str, dataset_id: str) -> DatasetRow:
        row = await self._get(session, workspace_id, dataset_id)
        if row.state == DatasetState.PARSING:
            raise Conflict(
                "The data set is still being read; ask again when its state is ready.",
                code=ErrorCode.DATASET_NOT_READY,
            )
        if row.state == DatasetState.FAILED:
            detail = (row.problem or {}).get("detail", "")
            raise Conflict(f"The data set could not be read: {detail}", code=ErrorCode.DATASET_FAILED)
        return row

    async def preview(self, workspace_id: str, dataset_id: str, limit: int) -> Preview:
        """Return the first rows."""
        async with self._db.read() as session:
            row = await self._ready(session, workspace_id, dataset_id)
            detail = await self._repository.detail(session, workspace_id, dataset_id)
        if detail is None:
            raise NotFound(f"There is no data set {dataset_id}.")
        return preview_of(row, detail, limit)

    async def profile(self, workspace_id: str, dataset_id: str) -> Profile:
        """Return the profile of every column."""
        async with self._db.read() as session:
            row = await self._ready(session, workspace_id, dataset_id)
            detail = await self._repository.detail(session, workspace_id, dataset_id)
        if detail is None:
            raise NotFound(f"There is no data set {dataset_id}.")
        return profile_of(row, detail)

    async def content(self, workspace_id: str, dataset_id: str) -> tuple[Dataset, BlobRow]:
        """Return a data set and where its uploaded bytes are."""
        dataset = await self.get(workspace_id, dataset_id)
        return dataset, await self._blobs.find(workspace_id, dataset.sha256)

    async def parquet(self, workspace_id: str, dataset_id: str) -> tuple[Dataset, BlobRow]:
        """Return a data set and where its typed copy is."""
        async with self._db.read() as session:
            row = await self._ready(session, workspace_id, dataset_id)
        dataset = dataset_of(row)
        return dataset, await self._blobs.find(workspace_id, dataset.parquet_sha256 or "")

    async def delete(self, workspace_id: str, dataset_id: str) -> None:
        """Delete a data set.

        Raises:
            InUse: Runs were made with it.
        """
        async with self._db.write() as session:
            row = await self._get(session, workspace_id, dataset_id, lock=True)
            used = (RunRow.workspace_id == workspace_id, RunRow.dataset_id == dataset_id)
            runs = await session.scalar(select(func.count()).select_from(RunRow).where(*used)) or 0
            if runs:
                experiments = await session.scalar(select(func.count(func.distinct(RunRow.experiment_id))).where(*used))
                raise InUse(
                    f"{runs} {'run was' if runs == 1 else 'runs were'} made with this data set"
                    + (
                        f" by {experiments} experiment(s); delete these first."
                        if experiments
                        else "; delete them first."
                    )
                )
            await self._repository.remove(session, workspace_id, dataset_id)
            digests = [row.sha256] + ([row.parquet_sha256] if row.parquet_sha256 else [])
            await self._blobs.release(session, workspace_id, digests)
        self._blobs.committed(session)
