"""A large body on its way through a process, and what the process holds meanwhile."""

import hashlib
from collections.abc import Iterator

import psutil

from tests.gateway.upstream import BLOCK

MIB = 1 << 20


class MeasuredBody:
    """A body to send, its digest, and by how much the resident memory of ``pid`` grew while it was sent.

    Args:
        pid: Of the process that is watched.
        size: Of the body in bytes, a multiple of a MiB.
    """

    def __init__(self, pid: int, size: int) -> None:
        self._process = psutil.Process(pid)
        self._size = size
        self._digest = hashlib.sha256()
        self._before = self._peak = self._process.memory_info().rss

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._size // MIB):
            piece = BLOCK * (MIB // len(BLOCK))
            self._digest.update(piece)
            yield piece
            self._peak = max(self._peak, self._process.memory_info().rss)

    @property
    def told(self) -> dict[str, object]:
        """What the upstream answers to it."""
        return {"size": self._size, "sha256": self._digest.hexdigest()}

    @property
    def growth(self) -> int:
        """Bytes by which the process grew at most."""
        return self._peak - self._before
