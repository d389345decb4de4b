"""Keeping content: bytes arrive, are named by their SHA-256, and stay while something refers to them.

Order of things, so that no crash and no race loses content or leaves a reference to nothing:
bytes into the store, then one transaction that notes the content and what refers to it. A deletion notes which content
lost a reference; a later transaction deletes what lost its last, leaving its key as garbage; only then is the object
removed. Keys are never used twice. An object whose transaction never came is found by the sweep.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from melonkube.kit.db import Database, WriteSession
from melonkube.kit.errors import BodyTooLarge, MelonError, NotFound, NotReady
from melonkube.kit.logs import get_logger
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.repository import GARBAGE_MADE, BlobRepository
from melonkube.registry.blobs.store import CONTENT, ObjectStore

T = TypeVar("T")
Inspect = Callable[[bytes], None]

STRAIGHT_BYTES = 4 << 20
"""Up to this size content is held in memory and stored in one go."""
HEAD_BYTES = 4096
_GARBAGE_AT_ONCE = 200
_ATTEMPTS = 5
_SEEN_AT_MOST = 10_000

log = get_logger("melonkube.registry.blobs")


@dataclass(slots=True)
class Body:
    """Content that has arrived whole: in memory, under a staging key, or as a local file.

    ``placed`` is the content key under which it has been put, though no row knows it yet.
    """

    sha256: str
    size_bytes: int
    data: bytes | None = None
    staging: str | None = None
    file: Path | None = None
    placed: str | None = None


class _Vanished(Exception):
    """Content that was there has been removed meanwhile."""


class BlobService:
    """Keeps content. Safe for concurrent use, also by several processes on one database and store."""

    def __init__(self, database: Database, store: ObjectStore, repository: BlobRepository) -> None:
        self._db = database
        self.store = store
        self._repository = repository
        self._seen: dict[tuple[str, str], None] = {}
        self.garbage_made = asyncio.Event()
        """Set when there may be garbage to remove."""

    @asynccontextmanager
    async def receive(
        self, chunks: AsyncIterator[bytes], *, limit: int, inspect: Inspect | None = None
    ) -> AsyncIterator[Body]:
        """Take in a stream and give it as a ``Body``; what was not kept is removed at the end.

        Args:
            chunks: The bytes; an error it raises goes on to the caller and leaves nothing.
            limit: The most bytes that are taken.
            inspect: Is shown the first bytes (up to 4 KiB, fewer if there are no more) and may raise.

        Raises:
            BodyTooLarge: There are more than ``limit`` bytes.
        """
        arrival = _Arrival(chunks, limit, inspect)
        first = await arrival.read_up_to(STRAIGHT_BYTES)
        if arrival.ended:
            yield Body(arrival.hexdigest(), arrival.size, data=first)
            return
        key = self.store.staging_key()
        await self.store.put_stream(key, arrival.rest(first))
        body = Body(arrival.hexdigest(), arrival.size, staging=key)
        try:
            yield body
        finally:
            if body.staging is not None:
                await self.store.delete([body.staging])

    async def keep(self, body: Body, workspace_id: str, record: Callable[[WriteSession], Awaitable[T]]) -> T:
        """Keep one body; see :meth:`keep_all`."""
        return await self.keep_all([body], workspace_id, record)

    async def keep_all(
        self, bodies: Iterable[Body], workspace_id: str, record: Callable[[WriteSession], Awaitable[T]]
    ) -> T:
        """Store bodies and, in one transaction, note them and do ``record``, which makes what refers to them.

        ``record`` may be called again when the transaction has to be repeated. It may call :meth:`release`.

        Raises:
            MelonError: What ``record`` raised; then nothing is kept.
        """
        wanted = {body.sha256: body for body in bodies}
        for _ in range(_ATTEMPTS):
            keys = dict(
                zip(
                    wanted,
                    await asyncio.gather(*(self._place(body, workspace_id) for body in wanted.values())),
                    strict=True,
                )
            )
            try:
                async with self._db.write() as session:
                    await self._note(session, workspace_id, wanted, keys)
                    made = await record(session)
            except _Vanished:
                for sha256 in wanted:
                    self._seen.pop((workspace_id, sha256), None)
                continue
            except MelonError:
                for key in keys.values():
                    if key is not None:
                        await self._drop(key)
                raise
            for sha256 in wanted:
                self._remember(workspace_id, sha256)
            self.committed(session)
            return made
        raise NotReady("The content is being deleted at this moment; try again.")

    def committed(self, session: WriteSession) -> None:
        """See to the garbage that a transaction left; to be called after each that may have released content."""
        if session.info.get(GARBAGE_MADE):
            self.garbage_made.set()

    def _remember(self, workspace_id: str, sha256: str) -> None:
        self._seen[workspace_id, sha256] = None
        if len(self._seen) > _SEEN_AT_MOST:
            del self._seen[next(iter(self._seen))]

    async def _drop(self, key: str) -> None:
        try:
            await self.store.delete([key])
        except MelonError:
            log.warning("an object nobody refers to was left for the sweep", key=key)

    async def _place(self, body: Body, workspace_id: str) -> str | None:
        """Put ``body`` under a content key and return that, or None where the workspace has such content already.

        What this process has lately kept is taken to be there, which the transaction then finds true or not. Of small
        content nothing more is asked: an object too many costs less than the question.
        """
        if body.placed is not None:
            return body.placed
        if (workspace_id, body.sha256) in self._seen:
            return None
        if body.data is None:
            async with self._db.read() as session:
                if await self._repository.find(session, workspace_id, body.sha256) is not None:
                    self._remember(workspace_id, body.sha256)
                    return None
        key = self.store.content_key(body.sha256)
        if body.data is not None:
            await self.store.put(key, body.data)
        elif body.file is not None:
            await self.store.put_file(key, body.file)
        elif body.staging is not None:
            await self.store.move(body.staging, key)
            body.staging = None
        body.placed = key
        return key

    async def _note(
        self, session: WriteSession, workspace_id: str, bodies: dict[str, Body], keys: dict[str, str | None]
    ) -> None:
        """Note content that was placed, and make sure of that which was there; in the order of digests, as all do."""
        now = datetime.now(UTC)
        for known, group in groupby(sorted(keys), lambda sha256: keys[sha256] is None):
            if known:
                for sha256 in group:
                    if await self._repository.lock(session, workspace_id, sha256) is None:
                        raise _Vanished
                continue
            placed = {sha256: keys[sha256] for sha256 in group}
            rows = [
                {
                    "workspace_id": workspace_id,
                    "sha256": sha256,
                    "key": key,
                    "size_bytes": bodies[sha256].size_bytes,
                    "created_at": now,
                }
                for sha256, key in placed.items()
            ]
            stands = await self._repository.offer(session, rows)
            lost = [key for sha256, key in placed.items() if key is not None and stands[sha256] != key]
            await self._repository.condemn(session, workspace_id, lost, now)

    async def release(self, session: WriteSession, workspace_id: str, digests: Iterable[str]) -> None:
        """Note, in the transaction that does so, that references to content are deleted; :meth:`committed` follows."""
        await self._repository.release(session, workspace_id, digests)

    async def find(self, workspace_id: str, sha256: str) -> BlobRow:
        """Return where content is.

        Raises:
            NotFound: It is not kept.
        """
        async with self._db.read() as session:
            row = await self._repository.find(session, workspace_id, sha256)
        if row is None:
            raise NotFound("This content is no longer kept.")
        return row

    async def read(self, workspace_id: str, sha256: str) -> bytes:
        """Return content whole; for what is small.

        Raises:
            NotFound: It is not kept.
        """
        try:
            return await self.store.read((await self.find(workspace_id, sha256)).key)
        except FileNotFoundError as error:
            raise NotFound("This content is no longer kept.") from error

    async def collect(self) -> int:
        """Delete content that nothing refers to any more, and remove its objects; return how many there were."""
        self.garbage_made.clear()
        more = True
        while more:
            async with self._db.write() as session:
                settled = await self._repository.settle(session, datetime.now(UTC), _GARBAGE_AT_ONCE)
            more = settled == _GARBAGE_AT_ONCE
        removed = 0
        while True:
            async with self._db.read() as reading:
                keys = await self._repository.garbage(reading, _GARBAGE_AT_ONCE)
            if not keys:
                return removed
            await self.store.delete(keys)
            async with self._db.write() as writing:
                await self._repository.forget(writing, keys)
            removed += len(keys)

    async def sweep(self, grace: timedelta) -> int:
        """Remove content objects older than ``grace`` that no row knows; return how many there were."""
        removed = 0
        before = datetime.now(UTC) - grace
        old: list[str] = []
        async for found in self.store.list(CONTENT):
            if found.modified_at < before:
                old.append(found.key)
            if len(old) >= _GARBAGE_AT_ONCE:
                removed += await self._sweep_some(old)
                old = []
        return removed + (await self._sweep_some(old) if old else 0)

    async def _sweep_some(self, keys: list[str]) -> int:
        async with self._db.read() as session:
            known = await self._repository.known(session, keys)
        strangers = [key for key in keys if key not in known]
        await self.store.delete(strangers)
        return len(strangers)


class _Arrival:
    """Counts, hashes and inspects a stream while it passes."""

    def __init__(self, chunks: AsyncIterator[bytes], limit: int, inspect: Inspect | None) -> None:
        self._chunks = chunks
        self._limit = limit
        self._inspect = inspect
        self._hash = hashlib.sha256()
        self.size = 0
        self.ended = False

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    async def _next(self) -> bytes | None:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise BodyTooLarge(
                    f"The file is larger than the limit of {self._limit:,} bytes; "
                    "send a smaller one, or have the limit raised."
                )
            self._hash.update(chunk)
            return chunk
        self.ended = True
        return None

    async def read_up_to(self, size: int) -> bytes:
        """Return the stream if it has at most about ``size`` bytes (``ended``), else its beginning."""
        buffer = bytearray()
        while len(buffer) <= size:
            chunk = await self._next()
            if chunk is not None:
                buffer += chunk
            if self._inspect is not None and (chunk is None or len(buffer) >= HEAD_BYTES):
                self._inspect(bytes(buffer[:HEAD_BYTES]))
                self._inspect = None
            if chunk is None:
                break
        return bytes(buffer)

    async def rest(self, first: bytes) -> AsyncIterator[bytes]:
        """Yield ``first`` and whatever follows."""
        yield first
        while (chunk := await self._next()) is not None:
            yield chunk
