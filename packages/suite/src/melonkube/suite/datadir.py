"""The data directory: one suite at a time, and a file that says which."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from melonkube.contracts.base import rfc3339
from melonkube.sdk.cli.errors import CommandError, ExitCode

STATE_NAME = "suite.json"
"""Read by the command line to find the suite that runs on this machine."""

_LOCK_NAME = "suite.lock"


class DataDir:
    """A folder that holds everything a suite keeps.

    Args:
        path: The folder; made, for its owner alone, when it is missing.

    Raises:
        CommandError: It cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.logs = self.path / "logs"
        self.key_file = self.path / "token.key"
        self._state = self.path / STATE_NAME
        self._lock = self.path / _LOCK_NAME
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CommandError(f"The data directory {self.path} cannot be used: {error.strerror}.") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other suites out; the kernel lets go when this process ends, however it ends.

        Raises:
            CommandError: Another suite has it.
        """
        try:
            file = self._lock.open("a+", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"The data directory {self.path} cannot be written: {error.strerror}.") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(self._taken(), ExitCode.CONFLICT) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _taken(self) -> str:
        state = self.read_state()
        try:
            pid = self._lock.read_text(encoding="utf-8").strip()
        except OSError:
            pid = ""
        who = f"process {pid}" if pid else "another process"
        where = f" at {state['url']}" if str(state.get("pid")) == pid and "url" in state else ""
        return (
            f"MelonKube already runs on {self.path}: {who}{where}. Use that one, stop it, or give another folder with "
            "--data."
        )

    def read_state(self) -> dict[str, Any]:
        """Return what the state file says, nothing where there is none."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def write_state(self, url: str, started_at: datetime, services: Mapping[str, str]) -> None:
        """Say that the suite runs, and where; readers see the old file or the new one, never a part."""
        state = {"pid": os.getpid(), "url": url, "started_at": rfc3339(started_at), "services": dict(services)}
        temporary = self._state.with_name(f".{STATE_NAME}.{os.getpid()}")
        temporary.write_text(json.dumps(state), encoding="utf-8")
        temporary.replace(self._state)

    def remove_state(self) -> None:
        """Say that no suite runs any more."""
        self._state.unlink(missing_ok=True)
