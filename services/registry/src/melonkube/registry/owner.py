"""Who is at work: a name for this process by which its successors can tell that it is gone."""

import hashlib
import os
from pathlib import Path

from melonkube.contracts.ids import new_id


def _machine() -> str:
    """Return what two processes share only if they see each other's process ids: kernel boot and pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return "unknown-" + new_id()
    return hashlib.sha256(f"{boot}/{namespace}".encode()).hexdigest()[:16]


class Owner:
    """This process as the owner of unfinished work; ``name`` goes into rows and keys."""

    def __init__(self) -> None:
        self._machine = _machine()
        self._pid = os.getpid()
        self.name = f"{self._machine}.{self._pid}.{new_id()[-12:]}"

    def is_gone(self, name: str) -> bool:
        """Whether ``name`` is certainly a process that has ended; False when that cannot be known from here."""
        machine, _, rest = name.partition(".")
        pid, _, _nonce = rest.partition(".")
        if name == self.name or machine != self._machine or not pid.isdigit():
            return False
        if int(pid) == self._pid:
            return True
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            return False
        return False
