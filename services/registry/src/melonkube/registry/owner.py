"""Who is at work: a name for this process by which its successors can tell that it is gone."""

import hashlib
import os
from pathlib import Path

from melonkube.contracts.ids import new_id

_START_FIELD = 19
"""Place of the start time in ``/proc/PID/stat`` after the program's name (proc(5), field 22)."""


def _machine() -> str:
    """Return what two processes share only if they see each other's process ids: kernel boot and pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown-" + new_id()
    return hashlib.sha256(f"{boot}/{namespace}".encode()).hexdigest()[:16]


def _started(pid: int) -> str | None:
    """Return when a process of this machine started, in ticks since its boot; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[_START_FIELD]


class Owner:
    """This process as the owner of unfinished work; ``name`` goes into rows and keys."""

    def __init__(self) -> None:
        self._machine = _machine()
        pid = os.getpid()
        self.name = f"{self._machine}.{pid}.{_started(pid) or '0'}"

    def is_gone(self, name: str) -> bool:
        """Whether ``name`` is certainly a process that has ended; False when that cannot be known from here."""
        machine, _, rest = name.partition(".")
        pid, _, start = rest.partition(".")
        if machine != self._machine or not pid.isdigit() or len(pid) > 10:
            return False
        return _started(int(pid)) != start
