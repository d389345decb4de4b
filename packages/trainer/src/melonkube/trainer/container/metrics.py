"""Values in what a command writes: ``auc=0.93`` anywhere on a line, or JSON objects, a line each. Pure."""

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field

_STEP = "step"
_NUMBER = r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf(?:inity)?)(?!\w))"
_MOST_STEPS = 2**31


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that was written; ``step`` is null where none was given."""

    name: str
    step: int | None
    value: float


class Reader:
    """Finds readings in lines.

    Args:
        names: What is looked for.
        json_only: Whether only JSON objects count.
    """

    def __init__(self, names: Collection[str], *, json_only: bool) -> None:
        self._names = frozenset(names)
        self._json_only = json_only
        known = "|".join(re.escape(name) for name in sorted({*names, _STEP}))
        # A name is not a part of a longer one; looked for by itself, so that a long line costs no more than its length.
        self._pattern = re.compile(rf"(?<![\w.|-])({known})\s*=\s*({_NUMBER})")

    def read(self, line: str) -> list[Reading]:
        """Return what a line says, in its order. A progress bar's returns divide a line as ends of line do."""
        found: list[Reading] = []
        for part in line.split("\r"):
            text = part.strip()
            if text.startswith("{") and text.endswith("}"):
                spoken = _object(text)
                if spoken is not None:
                    found += self._from_object(spoken)
                    continue
            if not self._json_only:
                found += self._from_text(text)
        return found

    def _from_object(self, spoken: dict[str, object]) -> list[Reading]:
        step = _step(spoken.get(_STEP))
        return [
            Reading(name, step, _float(value))
            for name, value in spoken.items()
            if name in self._names and isinstance(value, int | float) and not isinstance(value, bool)
        ]

    def _from_text(self, text: str) -> list[Reading]:
        pairs = self._pattern.findall(text)
        step = next((_step(float(value)) for name, value in pairs if name == _STEP), None)
        return [Reading(name, step, float(value)) for name, value in pairs if name in self._names]


def _object(text: str) -> dict[str, object] | None:
    try:
        spoken = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return spoken if isinstance(spoken, dict) else None


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _step(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < _MOST_STEPS or value != int(value):
        return None
    return int(value)


@dataclass(slots=True)
class Series:
    """What was said of one metric: how often, and what at last. Steps that are not given are counted from 1."""

    count: int = 0
    step: int = 0
    value: float = math.nan

    def take(self, reading: Reading) -> bool:
        """Take a reading; return whether it is one of those that are passed on.

        Of very many, fewer and fewer are: all up to 999, then every tenth, every hundredth, and so on.
        """
        self.count += 1
        self.step = reading.step if reading.step is not None else min(self.step + 1, _MOST_STEPS - 1)
        self.value = reading.value
        return math.isfinite(self.value) and self.count % max(1, 10 ** (len(str(self.count)) - 3)) == 0


@dataclass(slots=True)
class Board:
    """What was said of every metric so far."""

    series: dict[str, Series] = field(default_factory=dict)

    def take(self, reading: Reading) -> Series | None:
        """Take a reading; return its series if it is to be passed on."""
        series = self.series.setdefault(reading.name, Series())
        return series if series.take(reading) else None

    def last(self) -> dict[str, Series]:
        """Return the series whose last value is a number."""
        return {name: series for name, series in sorted(self.series.items()) if math.isfinite(series.value)}
