"""SQL of stored content."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, union_all
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from melonkube.contracts.ids import new_id
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.registry.blobs.models import BlobRow, GarbageRow, ReleasedRow

GARBAGE_MADE = "garbage_made"
"""Key in ``session.info``: this transaction left objects to be removed."""


def upsert(session: WriteSession, table: Any) -> Any:
    """Return an INSERT of ``table`` in the session's dialect, which takes ``on_conflict_...``."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


class BlobRepository:
    """Rows of content and garbage.

    Args:
        references: Columns ``sha256`` of the tables that refer to content; each table has a ``workspace_id``.
    """

    def __init__(self, references: Sequence[InstrumentedAttribute[Any]]) -> None:
        self._references = references

    async def find(self, session: ReadSession, workspace_id: str, sha256: str) -> BlobRow | None:
        """Return the content with this digest, None if nothing refers to such content."""
        return await session.get(BlobRow, (workspace_id, sha256))

    async def offer(self, session: WriteSession, rows: list[dict[str, Any]]) -> dict[str, str]:
        """Note content under keys (``rows`` are values of ``BlobRow``) unless it is there under others.

        Either way the rows are locked: the content stays until this transaction ends.

        Returns:
            Digest to the key that stands.
        """
        statement = upsert(session, BlobRow)
        statement = statement.on_conflict_do_update(
            index_elements=["workspace_id", "sha256"], set_={"size_bytes": statement.excluded.size_bytes}
        ).returning(BlobRow.sha256, BlobRow.key)
        return {sha256: key for sha256, key in await session.execute(statement, rows)}

    async def lock(self, session: WriteSession, workspace_id: str, sha256: str) -> str | None:
        """Return the key of content that will stay until this transaction ends, None if there is none."""
        found: str | None = await session.scalar(
            select(BlobRow.key).where(BlobRow.workspace_id == workspace_id, BlobRow.sha256 == sha256).with_for_update()
        )
        return found

    async def condemn(self, session: WriteSession, workspace_id: str, keys: Iterable[str], now: datetime) -> None:
        """Have the objects under ``keys`` removed after this transaction."""
        rows = [{"key": key, "workspace_id": workspace_id, "created_at": now} for key in keys]
        if rows:
            await session.execute(insert(GarbageRow), rows)
            session.info[GARBAGE_MADE] = True

    async def release(self, session: WriteSession, workspace_id: str, digests: Iterable[str]) -> None:
        """Note that content lost a reference: :meth:`settle` is to look whether it was the last."""
        rows = [{"id": new_id(), "workspace_id": workspace_id, "sha256": sha256} for sha256 in set(digests)]
        if rows:
            await session.execute(insert(ReleasedRow), rows)
            session.info[GARBAGE_MADE] = True

    async def settle(self, session: WriteSession, now: datetime, limit: int) -> int:
        """Look into content that lost references; what has none is deleted, its key left as garbage.

        The rows are locked before the references are looked at: a transaction that is about to refer to one of them
        holds that lock until it has, or gets it when the row is gone.

        Returns:
            How many references lost were looked into; fewer than ``limit``: there are no more.
        """
        released = (await session.execute(select(ReleasedRow).order_by(ReleasedRow.id).limit(limit))).scalars().all()
        by_workspace: dict[str, set[str]] = defaultdict(set)
        for row in released:
            by_workspace[row.workspace_id].add(row.sha256)
        for workspace_id, digests in sorted(by_workspace.items()):
            mine = (BlobRow.workspace_id == workspace_id, BlobRow.sha256.in_(digests))
            locked = (
                await session.execute(
                    select(BlobRow.sha256, BlobRow.key).where(*mine).order_by(BlobRow.sha256).with_for_update()
                )
            ).all()
            used = union_all(
                *(
                    select(column).where(column.class_.workspace_id == workspace_id, column.in_(digests))
                    for column in self._references
                )
            )
            referred = set((await session.execute(used)).scalars())
            free = {sha256: key for sha256, key in locked if sha256 not in referred}
            if free:
                await session.execute(
                    delete(BlobRow).where(BlobRow.workspace_id == workspace_id, BlobRow.sha256.in_(free))
                )
                await self.condemn(session, workspace_id, free.values(), now)
        await session.execute(delete(ReleasedRow).where(ReleasedRow.id.in_([row.id for row in released])))
        return len(released)

    async def garbage(self, session: ReadSession, limit: int) -> list[str]:
        """Return keys whose objects are to be removed."""
        return list(await session.scalars(select(GarbageRow.key).order_by(GarbageRow.created_at).limit(limit)))

    async def forget(self, session: WriteSession, keys: Sequence[str]) -> None:
        """Drop keys whose objects have been removed."""
        await session.execute(delete(GarbageRow).where(GarbageRow.key.in_(keys)))

    async def known(self, session: ReadSession, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` that are content or garbage."""
        blobs = select(BlobRow.key).where(BlobRow.key.in_(keys))
        garbage = select(GarbageRow.key).where(GarbageRow.key.in_(keys))
        return set((await session.execute(union_all(blobs, garbage))).scalars())
