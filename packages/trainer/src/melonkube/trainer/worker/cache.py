"""Files by their SHA-256 in a folder that all workers of a machine share.

A file appears in it whole and checked, by a rename, or not at all; whoever opens one checks it again. One worker
fetches a file, others that want it wait and then find it; what a worker that died had fetched of one is resumed. The
files used longest ago go when there are too many. Whatever else happens to the folder, a file is fetched again.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

ATTEMPTS = 3
"""How often a file is fetched from its beginning that turns out not to be the one that was asked for."""

_LOCK_POLL_SECONDS = 0.1
"""``flock`` cannot be waited for and interrupted both."""

Download = Callable[[BinaryIO], None]
"""Completes the file, which is open for reading and writing and stands at its end: it may hold a beginning."""


class CorruptDownload(Exception):
    """What the other side sends under a hash has another one, every time."""


class Cache:
    """A bounded folder of files by their hash. Several processes may use one folder at once.

    Args:
        root: The folder; made when it is missing.
        limit_bytes: How much to keep. One file larger than that is kept alone.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._files = root / "files"
        self._parts = root / "parts"
        self._locks = root / "locks"
        self._limit = limit_bytes
        for folder in (self._files, self._parts, self._locks):
            folder.mkdir(parents=True, exist_ok=True)

    def open(self, sha256: str, download: Download, wait: Callable[[float], None]) -> BinaryIO:
        """Return the file with that hash, open for reading, fetched if need be.

        It can be read to its end even when it is removed from the folder meanwhile.

        Args:
            sha256: Hash of its whole content, lower-case hexadecimal.
            download: Fetches it.
            wait: Called with seconds to wait while another worker fetches it; may raise to give up.

        Raises:
            CorruptDownload: What was fetched is another file.
        """
        with self._locked(sha256, wait):
            found = self._open_checked(sha256)
            if found is None:
                self._fetch(sha256, download)
                found = self._open_checked(sha256)
                if found is None:
                    raise CorruptDownload(f"the file {sha256} changed on the disk while it was put there")
        self._evict(keep=sha256)
        return found

    def _open_checked(self, sha256: str) -> BinaryIO | None:
        path = self._files / sha256
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        if _digest(file) != sha256:
            file.close()
            path.unlink(missing_ok=True)
            return None
        with suppress(FileNotFoundError):
            os.utime(path)
        return file

    def _fetch(self, sha256: str, download: Download) -> None:
        part = self._parts / sha256
        for _ in range(ATTEMPTS):
            part.touch()
            with part.open("r+b") as file:
                file.seek(0, os.SEEK_END)
                download(file)
                file.flush()
                if _digest(file) == sha256:
                    part.replace(self._files / sha256)
                    return
            part.unlink()
        raise CorruptDownload(f"what is sent as the file {sha256} is another file")

    def _evict(self, keep: str) -> None:
        """Remove the files used longest ago until the rest is small enough; half-fetched ones count as well."""
        with self._try_lock(".evict") as mine:
            if not mine:
                return
            held = sorted(_sizes(self._files) + _sizes(self._parts))
            total = sum(size for _, size, _ in held)
            for _, size, path in held:
                if total <= self._limit:
                    return
                if path.name == keep:
                    continue
                with self._try_lock(path.name) as unused:
                    if unused:
                        path.unlink(missing_ok=True)
                        total -= size

    @contextmanager
    def _locked(self, name: str, wait: Callable[[float], None]) -> Iterator[None]:
        while True:
            with self._try_lock(name) as mine:
                if mine:
                    yield
                    return
            wait(_LOCK_POLL_SECONDS)

    @contextmanager
    def _try_lock(self, name: str) -> Iterator[bool]:
        """Hold a lock that the system lets go of when this process dies; false if another holds it."""
        descriptor = os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _digest(file: BinaryIO) -> str:
    """Return the hash of a whole file, and leave it at its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(cast("BufferedReader", file), "sha256").hexdigest()
    file.seek(0)
    return digest


def _sizes(folder: Path) -> list[tuple[float, int, Path]]:
    found = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            facts = entry.stat()
            found.append((facts.st_mtime, facts.st_size, Path(entry.path)))
    return found
