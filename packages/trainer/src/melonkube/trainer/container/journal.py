"""What the command writes, passed on to the log of its run and to our own standard output, within bounds."""

import sys
from collections import deque
from datetime import UTC, datetime

from melonkube.trainer.worker.recorder import Recorder

MOST_LINES = 20_000
MOST_BYTES = 8 << 20
_LINE_CHARACTERS = 4_000
_LAST_LINES = 20
_LAST_CHARACTERS = 400

_FIRST = 1_000
"""Lines before are of who prepared the trial."""
_OWN = 10_000_000
_OWN_EACH = 10_000


class Journal:
    """The command's lines, counted from its first: who begins again gives each the number that it had.

    Args:
        recorder: Writes the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lines = 0
        self._bytes = 0
        self._cut = 0
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @staticmethod
    def own_lines(starts: int) -> int:
        """Return the number of the first line that the sidecar says itself, in its so manieth life."""
        return _OWN + starts * _OWN_EACH

    @property
    def last_lines(self) -> str:
        """The last lines, for whoever asks why the command failed."""
        return "\n".join(self._last)

    @property
    def cut(self) -> int:
        """How many lines were not passed on."""
        return self._cut

    def write(self, line: str) -> None:
        """Take a line of the command."""
        line = line.rsplit("\r", 1)[-1] if not line.endswith("\r") else line.rstrip("\r")
        if line.strip():
            self._last.append(line if len(line) <= _LAST_CHARACTERS else line[:_LAST_CHARACTERS] + "...")
        if self._lines >= MOST_LINES or self._bytes >= MOST_BYTES:
            self._cut += 1
            return
        if len(line) > _LINE_CHARACTERS:
            line = line[:_LINE_CHARACTERS] + "..."
        self._recorder.write_numbered_line(_FIRST + self._lines, datetime.now(UTC), line)
        sys.stdout.write(line + "\n")
        self._lines += 1
        self._bytes += len(line)

    def flush(self) -> None:
        """Pass on what was taken."""
        sys.stdout.flush()
