"""The object store: a local folder or S3, both through obstore.

Keys: ``staging/<owner>/<id>`` for what is still arriving, ``sha256/<2>/<sha256>-<id>`` for what is kept.
"""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from melonkube.contracts.ids import new_id
from melonkube.kit.errors import DISK_FULL, MelonError, NotReady, StorageFull
from melonkube.registry.owner import Owner
from melonkube.registry.settings import Settings

STAGING = "staging"
CONTENT = "sha256"
PART_BYTES = 8 << 20
"""Size of one part of a multipart upload; a few of them are what an upload of any size holds in memory."""
READ_BYTES = 4 << 20
"""Size of the pieces in which an object is read."""

_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the store."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStore:
    """Moves bytes to and from the store. Safe for concurrent use; owned by the app.

    Errors of the store come out as ``StorageFull`` or ``NotReady``, a missing object as ``FileNotFoundError``.
    """

    def __init__(self, store: Any, owner: Owner, scratch: Path, folder: Path | None) -> None:
        self._store = store
        self._owner = owner
        self._scratch = scratch / owner.name
        self._folder = folder

    @classmethod
    def from_settings(cls, settings: Settings, owner: Owner) -> "ObjectStore":
        """Return the store that ``settings`` name."""
        wanted = settings.store
        scratch = settings.data_dir.absolute() / "scratch"
        if wanted.kind == "local":
            folder = (wanted.folder or settings.data_dir / "blobs").absolute()
            return cls(LocalStore(folder, mkdir=True, automatic_cleanup=True), owner, scratch, folder)
        options: dict[str, Any] = {
            "virtual_hosted_style_request": wanted.virtual_hosted,
            # A copy within the store of some gigabytes is one request.
            "client_options": {"timeout": "10m", "allow_http": (wanted.endpoint or "").startswith("http://")},
            "retry_config": {"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
        }
        if wanted.endpoint is not None:
            options["endpoint"] = wanted.endpoint
        if wanted.access_key is not None and wanted.secret_key is not None:
            options["access_key_id"] = wanted.access_key.get_secret_value()
            options["secret_access_key"] = wanted.secret_key.get_secret_value()
        store = S3Store(wanted.bucket, prefix=wanted.prefix or None, region=wanted.region, **options)
        return cls(store, owner, scratch, None)

    def staging_key(self) -> str:
        """Return a new key for something that is still arriving at this process."""
        return f"{STAGING}/{self._owner.name}/{new_id()}"

    @staticmethod
    def content_key(sha256: str) -> str:
        """Return a new key for content with this digest; no two calls give the same."""
        return f"{CONTENT}/{sha256[:2]}/{sha256}-{new_id()}"

    async def check(self) -> None:
        """Ask the store for a sign of life.

        Raises:
            NotReady: It gave none.
        """
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                async for _ in obstore.list(self._store, prefix=f"{STAGING}/{self._owner.name}", chunk_size=1):
                    break
        except Exception as error:
            raise NotReady("The object store does not answer.") from error

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data``, whole or not at all."""
        with _translated():
            await obstore.put_async(self._store, key, data, use_multipart=len(data) > PART_BYTES)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Store what ``chunks`` yields; when it raises, nothing is stored and the error goes on to the caller."""
        with _translated():
            await obstore.put_async(
                self._store, key, chunks, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=2
            )

    async def put_file(self, key: str, path: Path) -> None:
        """Store a local file."""
        with _translated():
            await obstore.put_async(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=2)

    async def move(self, source: str, target: str) -> None:
        """Give an object another key."""
        with _translated():
            await obstore.rename_async(self._store, source, target)

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""
        for key in keys:
            with _translated():
                try:
                    await obstore.delete_async(self._store, key)
                except FileNotFoundError:
                    continue

    async def read(self, key: str) -> bytes:
        """Return a whole object; for small ones."""
        with _translated():
            got = await obstore.get_async(self._store, key)
            return bytes(await got.bytes_async())

    async def open(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Return the bytes from ``start`` to ``end`` (exclusive, beyond ``start``) in pieces.

        Each piece is a request of its own, so that a slow reader holds none open. Raises before the first if the
        object is gone.
        """
        first = await self._range(key, start, end)

        async def pieces() -> AsyncIterator[bytes]:
            yield first
            at = start + len(first)
            while at < end:
                piece = await self._range(key, at, end)
                at += len(piece)
                yield piece

        return pieces()

    async def _range(self, key: str, start: int, end: int) -> bytes:
        with _translated():
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=min(end, start + READ_BYTES)))

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Yield the objects below ``prefix``."""
        with _translated():
            async for page in obstore.list(self._store, prefix=prefix):
                for meta in page:
                    yield Stored(meta["path"], meta["size"], meta["last_modified"])

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """An object as a file to read: the store's own in a local folder, else a copy that is removed at the end."""
        if self._folder is not None:
            yield self._folder / key
            return
        async with self.scratch() as folder:
            path = folder / "object"
            with _translated():
                size = (await obstore.head_async(self._store, key))["size"]
            with await asyncio.to_thread(path.open, "wb") as file:
                if size:
                    async for piece in await self.open(key, 0, size):
                        await asyncio.to_thread(file.write, piece)
            yield path

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A local folder for work in progress, removed at the end."""
        folder = self._scratch / new_id()
        await asyncio.to_thread(folder.mkdir, parents=True)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def sweep_staging(self, grace: timedelta) -> int:
        """Remove what processes that are gone left half-arrived; return how many objects that were.

        A local owner's end is seen at once; of an owner elsewhere only what is older than ``grace`` is taken.
        A multipart upload cut off on S3 is invisible to listing: the bucket's own lifecycle rule ends it.
        """
        await asyncio.to_thread(self._sweep_folder, self._scratch.parent, timedelta(days=365_000))
        if self._folder is not None:
            return await asyncio.to_thread(self._sweep_folder, self._folder / STAGING, grace)
        removed = 0
        before = datetime.now(UTC) - grace
        async for found in self.list(STAGING):
            owner = found.key.split("/")[1]
            if self._owner.is_gone(owner) or (owner != self._owner.name and found.modified_at < before):
                await self.delete([found.key])
                removed += 1
        return removed

    def _sweep_folder(self, folder: Path, grace: timedelta) -> int:
        if not folder.is_dir():
            return 0
        removed = 0
        before = (datetime.now(UTC) - grace).timestamp() if grace < timedelta(days=3650) else 0.0
        for owner in folder.iterdir():
            gone = self._owner.is_gone(owner.name)
            for path in owner.rglob("*"):
                if path.is_file() and (gone or (owner.name != self._owner.name and path.stat().st_mtime < before)):
                    path.unlink(missing_ok=True)
                    removed += 1
            if gone:
                shutil.rmtree(owner, ignore_errors=True)
        return removed


class _translated:
    """Turns the store's errors into ours. A class, because a generator would wrap ``StopAsyncIteration``."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (MelonError, FileNotFoundError)):
            return
        if isinstance(error, OSError):
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(DISK_FULL) from error
            return
        if isinstance(error, BaseError):
            said = str(error).lower()
            if "no space left" in said or "os error 28" in said or "quota exceeded" in said:
                raise StorageFull(DISK_FULL) from error
            raise NotReady("The object store does not answer; try again shortly.") from error
