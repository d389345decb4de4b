"""SQL of data sets. Every statement but the janitor's is of one workspace."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, text, update

from melonkube.contracts.datasets import DatasetState
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.registry.datasets.models import DatasetDetailRow, DatasetRow


async def one_at_a_time(session: WriteSession, *parts: str) -> None:
    """Let transactions that name the same ``parts`` follow each other; SQLite's do so anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": "\x1f".join(parts)}
        )


class DatasetRepository:
    """Rows of data sets."""

    def _mine(self, workspace_id: str) -> Select[DatasetRow]:
        return select(DatasetRow).where(DatasetRow.workspace_id == workspace_id)

    async def get(
        self, session: ReadSession, workspace_id: str, dataset_id: str, *, lock: bool = False
    ) -> DatasetRow | None:
        """Return a data set; with ``lock`` it stays as it is until the transaction ends."""
        statement = self._mine(workspace_id).where(DatasetRow.id == dataset_id)
        if lock:
            statement = statement.with_for_update()
        return (await session.execute(statement)).scalar_one_or_none()

    async def page(
        self, session: ReadSession, workspace_id: str, *, name: str | None, before: str | None, limit: int
    ) -> list[DatasetRow]:
        """Return data sets, the newest first, older than ``before``."""
        statement = self._mine(workspace_id).order_by(DatasetRow.id.desc()).limit(limit)
        if name is not None:
            statement = statement.where(DatasetRow.name == name)
        if before is not None:
            statement = statement.where(DatasetRow.id < before)
        return list(await session.scalars(statement))

    async def same(self, session: ReadSession, workspace_id: str, name: str, sha256: str) -> DatasetRow | None:
        """Return the newest usable version of ``name`` with these bytes."""
        return await session.scalar(
            self._mine(workspace_id)
            .where(DatasetRow.name == name, DatasetRow.sha256 == sha256, DatasetRow.state != DatasetState.FAILED)
            .order_by(DatasetRow.version.desc())
            .limit(1)
        )

    async def next_version(self, session: WriteSession, workspace_id: str, name: str) -> int:
        """Return the number of a new version of ``name``."""
        highest = await session.scalar(
            select(func.max(DatasetRow.version)).where(DatasetRow.workspace_id == workspace_id, DatasetRow.name == name)
        )
        return (highest or 0) + 1

    async def detail(self, session: ReadSession, workspace_id: str, dataset_id: str) -> DatasetDetailRow | None:
        """Return profile and first rows."""
        return await session.scalar(
            select(DatasetDetailRow).where(
                DatasetDetailRow.workspace_id == workspace_id, DatasetDetailRow.dataset_id == dataset_id
            )
        )

    async def remove(self, session: WriteSession, workspace_id: str, dataset_id: str) -> None:
        """Delete a data set and its details."""
        for table, column in ((DatasetDetailRow, DatasetDetailRow.dataset_id), (DatasetRow, DatasetRow.id)):
            await session.execute(delete(table).where(table.workspace_id == workspace_id, column == dataset_id))

    # Work in progress, of all workspaces.

    async def renew(self, session: WriteSession, dataset_id: str, owner: str, until: datetime) -> bool:
        """Keep the lease on a file being read; return whether it was still held."""
        done: Any = await session.execute(
            update(DatasetRow)
            .where(DatasetRow.id == dataset_id, DatasetRow.owner == owner, DatasetRow.state == DatasetState.PARSING)
            .values(lease_until=until)
        )
        return bool(done.rowcount)

    async def unfinished(self, session: ReadSession, owner: str) -> list[DatasetRow]:
        """Return what is being read, or should be, by others than ``owner``."""
        return list(
            await session.scalars(
                select(DatasetRow).where(
                    DatasetRow.state == DatasetState.PARSING,
                    or_(DatasetRow.owner != owner, DatasetRow.owner.is_(None)),
                )
            )
        )

    async def take_over(
        self, session: WriteSession, dataset_id: str, from_owner: str | None, owner: str, until: datetime
    ) -> bool:
        """Make ``owner`` the reader in place of ``from_owner``; return whether nobody else was faster."""
        done: Any = await session.execute(
            update(DatasetRow)
            .where(
                DatasetRow.id == dataset_id,
                DatasetRow.state == DatasetState.PARSING,
                DatasetRow.owner.is_(None) if from_owner is None else DatasetRow.owner == from_owner,
            )
            .values(owner=owner, lease_until=until, attempts=DatasetRow.attempts + 1)
        )
        return bool(done.rowcount)

    async def let_go(self, session: WriteSession, owner: str) -> None:
        """Give up all that ``owner`` reads, for another to take."""
        await session.execute(
            update(DatasetRow)
            .where(DatasetRow.owner == owner, DatasetRow.state == DatasetState.PARSING)
            .values(owner=None, lease_until=None)
        )
