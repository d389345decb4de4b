"""A service's log: its lines in a file of bounded size, the newest ones and the warnings at hand."""

import json
import os
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 10 << 20
KEPT_FILES = 3
LONGEST_LINE = 256 << 10

_LONGEST_WORDS = 1000
_SHOWN_LEVELS = frozenset({"warning", "error", "critical"})
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*(?P<name>[A-Z]\w*): (?P<said>.+)$")


@dataclass(frozen=True, slots=True)
class Notice:
    """A line worth a person's eye."""

    level: str
    event: str


class RotatingFile:
    """Appends to a file, and begins a new one when it is large; the older ones end in ``.1``, ``.2``, ...

    A disk that is full costs log lines, not the suite.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        try:
            if self._descriptor is not None and self._size + len(data) > self._max_bytes:
                self._rotate()
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                self._size = os.fstat(self._descriptor).st_size
            self._size += os.write(self._descriptor, data)
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            if newer.exists():
                newer.replace(older)


class ServiceLog:
    """Takes what a service writes, in pieces of any size.

    Args:
        file: Where the lines go.
        on_notice: Called with each line of a level worth showing.
    """

    def __init__(self, file: RotatingFile, on_notice: Callable[[Notice], None]) -> None:
        self._file = file
        self._on_notice = on_notice
        self._rest = b""
        self.recent: deque[str] = deque(maxlen=50)
        """The newest lines, for when the service cannot start."""

    def feed(self, data: bytes) -> None:
        """Take a piece of output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line)

    def close(self) -> None:
        """Take the last line, if it had no end, and close the file."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        self._file.close()

    def _take(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        text = line.decode("utf-8", "replace")
        self.recent.append(text)
        entry = _parse(text)
        if entry is not None and entry.get("level") in _SHOWN_LEVELS:
            event = str(entry.get("event", "")).strip()
            # Of a traceback what was raised says more than its first line.
            said = _last_exception(event) if event.startswith("Traceback") else None
            self._on_notice(Notice(str(entry["level"]), (said or event.partition("\n")[0])[:300]))

    def last_words(self) -> str:
        """Return the sentence that says best why the service ended."""
        after: list[str] = []
        for text in reversed(self.recent):
            entry = _parse(text)
            if entry is None:
                # A traceback: what follows the error's name belongs to its message.
                match = _EXCEPTION.match(text)
                if match is not None:
                    return " ".join([match["said"], *(line.strip() for line in reversed(after))])[:_LONGEST_WORDS]
                after.append(text)
            elif entry.get("level") in _SHOWN_LEVELS:
                said = _last_exception(f"{entry.get('event', '')}\n{entry.get('exception', '')}")
                if said is not None:
                    return said[:_LONGEST_WORDS]
        return next(
            (text.strip()[:_LONGEST_WORDS] for text in reversed(self.recent) if text.strip()), "It said nothing."
        )


def _last_exception(text: str) -> str | None:
    matches = (_EXCEPTION.match(line.strip()) for line in reversed(text.splitlines()))
    return next((match["said"] for match in matches if match is not None), None)


def _parse(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
