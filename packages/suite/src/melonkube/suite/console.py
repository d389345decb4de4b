"""What a person sees of the suite: few, calm lines; every one of them is in ``logs/suite.log`` too."""

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from melonkube.contracts.base import rfc3339
from melonkube.sdk.cli.text import printable
from melonkube.suite.logfile import RotatingFile

REPEAT_SECONDS = 60.0
"""A notice that is the same is shown again after this time."""


class Console:
    """Writes lines to a terminal and to the suite's own log.

    Args:
        stream: The terminal, or whatever stands for it; one that is gone is no reason to stop.
        log: The suite's own log.
        clock: Seconds, never going back.
    """

    def __init__(self, stream: TextIO, log: RotatingFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._log = log
        self._clock = clock
        self._shown: dict[str, float] = {}

    def say(self, text: str, *, level: str = "info", bold: bool = False) -> None:
        """Write a line."""
        entry = {"event": text, "service": "suite", "level": level, "timestamp": rfc3339(datetime.now(UTC))}
        self._log.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        with contextlib.suppress(OSError, ValueError):
            shown = printable(text)
            print(f"\033[1m{shown}\033[0m" if bold and self._stream.isatty() else shown, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        """Write a warning, unless the same one was written a short while ago."""
        now = self._clock()
        self._shown = {said: when for said, when in self._shown.items() if now - when < REPEAT_SECONDS}
        if text not in self._shown:
            self._shown[text] = now
            self.say(text, level="warning")
