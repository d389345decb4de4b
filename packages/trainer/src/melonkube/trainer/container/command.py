"""The command as the sidecar sees it: how it ended, and how it is made to."""

import os
from dataclasses import dataclass

from melonkube.trainer.container import places as at
from melonkube.trainer.container.places import Places, open_below, read_small, tell

TERM_SECONDS = 5.0
"""How long a command has between SIGTERM and SIGKILL."""
GIVEN_UP_SECONDS = 10.0
"""After so long a command that was to end is taken not to have begun."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How the command ended; ``told`` is whether the pod had been told to end before."""

    code: int
    told: bool


class Command:
    """The command, by way of its script.

    Args:
        places: Where the script and we tell each other things.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._asked: float | None = None
        self._killed = False

    def ended(self) -> Exit | None:
        """Return how the command ended, None while it runs, has not begun, or was killed with its whole container."""
        text = read_small(self._places.shared, at.RUN, at.EXIT)
        if text is None or not text.endswith(".\n"):
            return None
        code, _, told = text[:-2].partition(" ")
        return Exit(int(code) if code.isdecimal() else 1, bool(told))

    def told(self) -> bool:
        """Return whether the pod was told to end."""
        return read_small(self._places.shared, at.RUN, at.TOLD) is not None

    def end(self, now: float) -> bool:
        """Make the command end, by degrees; to be called again and again.

        Args:
            now: The present in seconds.

        Returns:
            Whether it is still to be waited for.
        """
        if self._asked is None:
            self._asked = now
            self._forbid()
            tell(self._places.shared, at.RUN, at.CONTROL, word="TERM")
        if not self._killed and now - self._asked > TERM_SECONDS:
            self._killed = True
            tell(self._places.shared, at.RUN, at.CONTROL, word="KILL")
        return now - self._asked <= GIVEN_UP_SECONDS

    def release(self) -> None:
        """Let the script end, or not run its command at all; to be called again and again."""
        self._forbid()
        tell(self._places.shared, at.RUN, at.RELEASE, word="end")

    def _forbid(self) -> None:
        """Have a command not begin that did not yet."""
        try:
            os.close(open_below(self._places.shared, at.RUN, at.SKIP, flags=os.O_WRONLY | os.O_CREAT))
        except OSError:
            return
