"""Files that appear when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside ``path`` that takes its place at the end of the block, and is gone if that fails."""
    part = path.parent / f".{path.name[:64]}.{os.urandom(8).hex()}.part"
    part.touch(exist_ok=False)
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
