"""``Idempotency-Key``: a POST that makes something, sent twice, makes it once.

A service adds a table by subclassing :class:`IdempotencyRow`; a key is kept a day. The fingerprint of the
request is stored beside it, so that a key used for something else is told apart.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Header
from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from melonkube.contracts.errors import ErrorCode
from melonkube.kit.db import UtcDateTime, WriteSession
from melonkube.kit.errors import Conflict

KEEP = timedelta(days=1)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your own; the same call with the same key is carried out once.",
    ),
]


class IdempotencyRow:
    """Columns of a service's table of keys; a mixin."""

    workspace_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    object_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def fingerprint(*parts: str) -> str:
    """Return a digest of what the request asked for."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


async def recall(
    session: WriteSession, table: type[IdempotencyRow], workspace_id: str, key: str | None, print_: str
) -> str | None:
    """Return the id that the same call made before, None if it is new.

    Raises:
        Conflict: The key was used for a different request.
    """
    if key is None:
        return None
    row = (
        await session.execute(select(table).where(table.workspace_id == workspace_id, table.key == key))
    ).scalar_one_or_none()
    if row is None:
        return None
    if row.fingerprint != print_:
        raise Conflict(
            "This Idempotency-Key was used for a different request; send a new key.",
            code=ErrorCode.IDEMPOTENCY_KEY_REUSED,
        )
    return row.object_id


async def remember(
    session: WriteSession,
    table: type[IdempotencyRow],
    workspace_id: str,
    key: str | None,
    print_: str,
    object_id: str,
    now: datetime,
) -> None:
    """Note in the same transaction what the call made, and forget keys older than a day."""
    if key is None:
        return
    await session.execute(delete(table).where(table.created_at < now - KEEP))
    row = table()
    row.workspace_id, row.key, row.fingerprint, row.object_id, row.created_at = (
        workspace_id,
        key,
        print_,
        object_id,
        now,
    )
    session.add(row)
