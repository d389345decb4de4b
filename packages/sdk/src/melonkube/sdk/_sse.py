"""Server-sent events: bytes to messages, as the WHATWG HTML standard says (section 9.2.6). Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream. ``id`` is the last that was sent, ``retry`` the wait in seconds asked for."""

    event: str
    data: str
    id: str
    retry: float | None


class SseParser:
    """Collects lines and gives out a message at each empty one. Not thread-safe; one a stream."""

    def __init__(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry: float | None = None

    def feed(self, line: str) -> Message | None:
        """Take one line, without its end; return the message it completes, if it does."""
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id":
            if "\0" not in value:
                self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value) / 1000
        return None

    def _dispatch(self) -> Message | None:
        data, event = self._data, self._event
        self._data, self._event = [], ""
        if not data:
            return None
        return Message(event=event or "message", data="\n".join(data), id=self._id, retry=self._retry)


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    r"""Yield the lines of a stream of bytes; a line ends at ``\r\n``, ``\n`` or ``\r``. An unfinished one is dropped.

    Not ``str.splitlines``: that also splits at U+2028 and others, which may stand in a message.
    """
    rest = b""
    after_return = False
    for chunk in chunks:
        if not chunk:
            continue
        begin = 1 if after_return and chunk.startswith(b"\n") else 0
        after_return = chunk.endswith(b"\r")
        rest += chunk[begin:]
        *lines, rest = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
