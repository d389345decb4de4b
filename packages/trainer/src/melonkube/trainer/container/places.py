"""Where things are in a pod, and how a file is opened that somebody else may have put there."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OUTPUT_FOLDER = "output"
RUN = "run"
SCRIPT = "main.sh"
SAID = "output"
"""What the command wrote, standard output and error together."""
EXIT = "exit"
"""Its exit code, and a second word if the pod was told to end before."""
TOLD = "told"
"""There if the pod was told to end."""
CONTROL = "control"
"""FIFO: signals for the command, by name, a line each."""
RELEASE = "release"
"""FIFO: a line lets the script end."""
SKIP = "skip"
"""There if the command must not begin any more."""
METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a pod.

    Attributes:
        shared: What the user's container sees too (``MELON_CONTAINER_DIR``, by default ``/melon``).
        own: What it does not (``MELON_CONTAINER_OWN_DIR``, by default ``/melon-own``).
        last_word: Where a container of a pod leaves its last word (``MELON_CONTAINER_LAST_WORD``).
    """

    shared: Path
    own: Path
    last_word: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Places":
        """Return the places in ``environment``."""
        return cls(
            shared=Path(environment.get("MELON_CONTAINER_DIR", "/melon")),
            own=Path(environment.get("MELON_CONTAINER_OWN_DIR", "/melon-own")),
            last_word=Path(environment.get("MELON_CONTAINER_LAST_WORD", "/dev/termination-log")),
        )

    @property
    def run(self) -> Path:
        """The folder of the script and of what it and the sidecar tell each other."""
        return self.shared / RUN


def open_below(root: Path, *parts: str, flags: int = os.O_RDONLY) -> int:
    """Open a file below ``root`` and return its descriptor, without following a link on the way, and without waiting.

    Raises:
        OSError: It is not there, or a link is in the way (``ELOOP``, ``ENOTDIR``).
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o660, dir_fd=folder)
    finally:
        os.close(folder)


def is_regular(descriptor: int) -> bool:
    """Return whether an open file is a plain one."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def read_small(root: Path, *parts: str, limit: int = 4096) -> str | None:
    """Return the beginning of a small file below ``root``; None if there is no such plain file."""
    try:
        descriptor = open_below(root, *parts)
    except OSError:
        return None
    try:
        return os.read(descriptor, limit).decode("utf-8", "replace") if is_regular(descriptor) else None
    finally:
        os.close(descriptor)


def tell(root: Path, *parts: str, word: str) -> bool:
    """Write a line to a FIFO below ``root``; return whether somebody has it open."""
    try:
        descriptor = open_below(root, *parts, flags=os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(descriptor, f"{word}\n".encode())
    except OSError:  # full: what was told before has not been read yet
        return False
    finally:
        os.close(descriptor)
    return True
