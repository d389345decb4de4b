"""A file for writers that want one, whose bytes go out as they come."""

import io
from typing import Any


class Sink(io.RawIOBase):
    """Holds what was written until it is taken; cannot be read or searched."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Keep ``data``."""
        self._parts.append(bytes(data))
        return len(data)

    def writable(self) -> bool:
        """Yes."""
        return True

    def take(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
