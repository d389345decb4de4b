"""Bundles on disk, a folder each, named by digest: what lets serving restart while the registry is away."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from melonkube.contracts.ids import new_id
from melonkube.kit.logs import get_logger

log = get_logger("melonkube.serving.cache")

_PARTIAL = ".partial-"
_LOADING = ".loading"

MAX_CRASHES = 3
"""So often may loading a bundle have ended the process before it is not tried any more."""

Fill = Callable[[Path], Awaitable[None]]


class BundleCache:
    """Folders of bundles, bounded in bytes. One process owns the folder; of a digest, one caller at a time.

    Its plain methods touch the disk: off the event loop, please.

    Args:
        root: The folder.
        limit_bytes: What unused bundles may take together.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root = root
        self._limit = limit_bytes

    def open(self) -> None:
        """Make the folder, and remove what an interrupted process left half-written."""
        self._root.mkdir(parents=True, exist_ok=True)
        for leftover in self._root.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def find(self, digest: str) -> Path | None:
        """Return the folder of a bundle, None if it is not here; marks it as used now."""
        folder = self._root / digest
        try:
            os.utime(folder)
        except FileNotFoundError:
            return None
        return folder

    async def add(self, digest: str, fill: Fill) -> Path:
        """Return the folder of a bundle, filled by ``fill`` if it is not here; seen whole or not at all.

        Args:
            digest: Its name.
            fill: Writes the files into an empty folder.
        """
        found = await asyncio.to_thread(self.find, digest)
        if found is not None:
            return found
        partial = self._root / f"{_PARTIAL}{new_id()}"
        await asyncio.to_thread(partial.mkdir)
        try:
            await fill(partial)
            return await asyncio.to_thread(partial.rename, self._root / digest)
        finally:
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)

    def drop(self, digest: str) -> None:
        """Remove a bundle."""
        shutil.rmtree(self._root / digest, ignore_errors=True)

    def trim(self, used: Collection[str]) -> None:
        """Remove bundles that are not ``used``, the longest unused first, until the rest fits the limit."""
        unused: list[tuple[float, Path, int]] = []
        for folder in self._root.iterdir():
            if folder.name in used or folder.name.startswith("."):
                continue
            files = [entry.stat() for entry in folder.iterdir()]
            unused.append((folder.stat().st_mtime, folder, sum(file.st_size for file in files)))
        total = sum(size for _, _, size in unused)
        for _, folder, size in sorted(unused):
            if total <= self._limit:
                return
            log.info("bundle leaves the cache", digest=folder.name, size_bytes=size)
            shutil.rmtree(folder, ignore_errors=True)
            total -= size

    def crashes(self, digest: str) -> int:
        """Return how often the process ended while it was loading this bundle, since it last loaded well."""
        try:
            return int((self._root / f"{_LOADING}-{digest}").read_text() or "0")
        except (FileNotFoundError, ValueError):
            return 0

    def begin_load(self, digest: str) -> None:
        """Note that a bundle is being loaded; the note outlives a crash."""
        (self._root / f"{_LOADING}-{digest}").write_text(str(self.crashes(digest) + 1))

    def end_load(self, digest: str) -> None:
        """Note that loading is over, well or not, and the process lives."""
        (self._root / f"{_LOADING}-{digest}").unlink(missing_ok=True)
