"""What a worker process's end means. Pure, but for one counter of the kernel's."""

import signal
from pathlib import Path

from melonkube.contracts.experiments import Cause

_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_VMSTAT = Path("/proc/vmstat")


def explain(returncode: int, tail: list[str], *, oom_killed: bool) -> tuple[Cause | None, str | None]:
    """Return why a process ended, and a sentence; (None, None) for an end in order.

    Args:
        returncode: Negative for a signal, as ``subprocess`` has it.
        tail: The last lines it wrote.
        oom_killed: Whether the kernel killed a process for want of memory meanwhile.
    """
    if returncode == 0:
        return None, None
    last = "\n".join(tail[-20:]).strip()
    said = f" Its last lines:\n{last}" if last else " It wrote nothing."
    if returncode > 0:
        return Cause.CODE_ERROR, f"The worker ended with exit code {returncode}.{said}"
    number = -returncode
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL and oom_killed:
        return Cause.OUT_OF_MEMORY, "The system had no memory left and killed the worker."
    if number in _FROM_OUTSIDE:
        return Cause.WORKER_KILLED, f"The worker was killed from outside ({name})."
    return Cause.CODE_ERROR, f"The worker crashed ({name}).{said}"


def oom_kills(path: Path = _VMSTAT) -> int:
    """Return how many processes the kernel has killed for want of memory since it started (proc(5)); 0 if unknown."""
    try:
        text = path.read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0
