"""What the programs beside a trial leave each other, where the trial does not see it."""

import os
from pathlib import Path

from pydantic import BaseModel

from melonkube.contracts.worker import TrialAssignment, WorkerSetup

_HANDOVER = "handover.json"
_MARKS = "marks.json"
_TOKEN = "token"  # noqa: S105 - the name of a file


class Handover(BaseModel):
    """The trial that is held; ``number_of_lines`` is how many the run's log may hold already."""

    setup: WorkerSetup
    trial: TrialAssignment


class Marks(BaseModel):
    """What a sidecar that begins again must know.

    ``began`` is the first one's moment in seconds of the machine's clock, ``done`` that the trial is handed in.
    """

    starts: int = 0
    began: float | None = None
    done: bool = False


class Own:
    """The folder of the programs beside a trial. Files appear in it whole, or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def hand_over(self, handover: Handover, token: str) -> None:
        """Leave the trial to the sidecar."""
        self.keep_token(token)
        self._write(_HANDOVER, handover.model_dump_json())

    def handover(self) -> Handover | None:
        """Return the trial that is held, None if there is none."""
        text = self._read(_HANDOVER)
        return None if text is None else Handover.model_validate_json(text)

    def keep_token(self, token: str) -> None:
        """Keep the newest token: the environment's grows old."""
        self._write(_TOKEN, token)

    def token(self) -> str | None:
        """Return the newest token that was kept."""
        return self._read(_TOKEN)

    def mark(self, marks: Marks) -> None:
        """Keep what the next sidecar must know."""
        self._write(_MARKS, marks.model_dump_json())

    def marks(self) -> Marks:
        """Return what the last sidecar knew."""
        text = self._read(_MARKS)
        return Marks() if text is None else Marks.model_validate_json(text)

    def _write(self, name: str, text: str) -> None:
        new = self._root / f"{name}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(self._root / name)

    def _read(self, name: str) -> str | None:
        try:
            return (self._root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
