"""Lines of a file that grows, in bounded memory, read from its beginning: whoever begins again reads the same lines."""

import os
from collections.abc import Iterator
from pathlib import Path

from melonkube.trainer.container.places import is_regular, open_below

LINE_BYTES = 64 << 10
"""Of a longer line the rest is passed over."""

_CHUNK_BYTES = 256 << 10


class Tail:
    """Follows one file below a folder in which others write, too.

    Args:
        root: The folder.
        parts: Path of the file in it.
    """

    def __init__(self, root: Path, *parts: str) -> None:
        self._root = root
        self._parts = parts
        self._descriptor: int | None = None
        self._offset = 0
        self._begun = b""
        self._passing = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def lines(self, chunks: int) -> Iterator[str]:
        """Yield the lines that were ended since the last time, out of at most so many pieces of the file."""
        for _ in range(chunks):
            chunk = self._read()
            if not chunk:
                return
            yield from self._lines(chunk)

    def rest(self) -> Iterator[str]:
        """Yield all that is there now, the last line even if it was not ended. Nothing may follow."""
        left = self.behind()
        while left > 0 and (chunk := self._read()):
            left -= len(chunk)
            yield from self._lines(chunk)
        if self._begun and not self._passing:
            yield _text(self._begun)
        self._begun = b""

    def behind(self) -> int:
        """Return how many bytes are there that were not read yet."""
        descriptor = self._open()
        return 0 if descriptor is None else max(0, os.fstat(descriptor).st_size - self._offset)

    def _open(self) -> int | None:
        if self._descriptor is None:
            try:
                descriptor = open_below(self._root, *self._parts)
            except OSError:
                return None
            if not is_regular(descriptor):
                os.close(descriptor)
                return None
            self._descriptor = descriptor
        return self._descriptor

    def _read(self) -> bytes:
        descriptor = self._open()
        if descriptor is None:
            return b""
        chunk = os.pread(descriptor, _CHUNK_BYTES, self._offset)
        self._offset += len(chunk)
        return chunk

    def _lines(self, chunk: bytes) -> Iterator[str]:
        *ended, begun = chunk.split(b"\n")
        for piece in ended:
            if not self._passing:
                yield _text(self._begun + piece)
            self._begun, self._passing = b"", False
        if self._passing:
            return
        self._begun += begun
        if len(self._begun) > LINE_BYTES:
            yield _text(self._begun)
            self._begun, self._passing = b"", True


def _text(line: bytes) -> str:
    return line[:LINE_BYTES].decode("utf-8", "replace")
