"""Bodies read from disk as they are sent, at flat memory, their length known beforehand where it can be."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

Progress = Callable[[int, int | None], None]
"""Called with the bytes done so far and in all; the latter is None when it cannot be known."""

CHUNK = 256 * 1024

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path for reading bytes; a file that is open already is left so."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


class FileChanged(OSError):
    """The file became shorter or longer while it was sent."""


class FileBody:
    """The rest of an open file as the body of a request; each iteration begins where the file stood.

    Args:
        file: Open for reading bytes.
        progress: Told after each piece was handed to the connection.
    """

    def __init__(self, file: BinaryIO, progress: Progress | None = None) -> None:
        self._file = file
        self._progress = progress
        self._start, self.size = _measure(file)

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent a second time: whether the file can seek."""
        return self._start is not None

    def length_headers(self, further: int = 0) -> dict[str, str]:
        """Return the header that says how long the body is, ``further`` bytes around the file included."""
        if self.size is None:
            return {"Transfer-Encoding": "chunked"}
        return {"Content-Length": str(self.size + further)}

    def __iter__(self) -> Iterator[bytes]:
        if self._start is not None:
            self._file.seek(self._start)
        done = 0
        self._tell(done)
        while chunk := self._file.read(CHUNK):
            done += len(chunk)
            if self.size is not None and done > self.size:
                raise FileChanged("The file grew while it was sent; try again when nothing writes to it.")
            yield chunk
            self._tell(done)
        if self.size is not None and done < self.size:
            raise FileChanged("The file shrank while it was sent; try again when nothing writes to it.")

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self.size)


class MultipartFile:
    """A ``multipart/form-data`` body (RFC 7578): text fields, then one file called ``file``.

    Args:
        fields: Text fields, sent before the file.
        body: The file.
        file_name: Its name as the server shall see it.
        content_type: Its media type.
    """

    def __init__(self, fields: dict[str, str], body: FileBody, file_name: str, content_type: str) -> None:
        boundary = "melonkube-" + os.urandom(16).hex()
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{file_name.translate(_ESCAPES)}"\r\nContent-Type: {content_type}\r\n\r\n'
        )
        self._head = head.encode("utf-8", "replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._body = body
        self._content_type = f"multipart/form-data; boundary={boundary}"

    def headers(self) -> dict[str, str]:
        """Return the headers that describe the body."""
        around = len(self._head) + len(self._tail)
        return {"Content-Type": self._content_type, **self._body.length_headers(around)}

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._body
        yield self._tail


def _measure(file: BinaryIO) -> tuple[int | None, int | None]:
    """Return where the file stands and how many bytes follow; (None, None) when it cannot seek."""
    try:
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
    except (OSError, AttributeError):
        return None, None
    return start, max(0, end - start)
