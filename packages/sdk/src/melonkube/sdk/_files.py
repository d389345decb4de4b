"""Files that appear when they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside ``path`` that takes its place at the end of the block, and is gone if that fails.

    A link stays and the file it names is replaced. What is no file, such as a pipe or ``/dev/null``, cannot be
    replaced, and is yielded itself.

    Raises:
        OSError: There can be no file at ``path``, which it names.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    part = path.parent / f".{path.name[:64]}.{os.urandom(8).hex()}.part"
    try:
        part.touch(exist_ok=False)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
