"""JSON rows of a predict call, read strictly: what is not right is named, all of it at once.

Numbers are not texts, nor booleans numbers. Null is missing, and yet the field must be there. The target and columns
that were left out are ignored with a warning, any other unknown field is an error. A category never seen in training
is missing, with a warning. A date is ISO 8601 text (RFC 3339), UTC where it names no zone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.signature import Column, Dtype, Kind, Signature
from melonkube.tabular.signature import category_text

DATE_PARTS = ("epoch_days", "year", "month", "day", "weekday", "hour")
"""What a date becomes. ``weekday`` is 0 on Mondays, ``hour`` a fraction: 17.5 is half past five."""
HOUR = 3_600_000_000
"""Microseconds an hour."""

MAX_ERRORS = 10_000
MAX_WARNINGS = 100
"""Further ones are counted and not listed, so that an answer cannot dwarf its request."""

_NAN = math.nan
_EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()

Convert = Callable[[Any], Any]
"""From a JSON value to the model's number, or numbers of a date."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as a model sees them, ``matrix`` of shape (rows, width), and sentences for the client."""

    matrix: NDArray[np.float64]
    warnings: list[str] = field(default_factory=list)


class InstanceErrors(Exception):
    """Rows that cannot be read.

    Args:
        items: Each fault, with a JSON pointer such as ``/instances/3/age``; the first :data:`MAX_ERRORS` of them.
    """

    def __init__(self, items: list[ProblemItem]) -> None:
        super().__init__(f"{len(items)} faults in the instances")
        self.items = items


class _Wrong(Exception):
    """A value of a type its field does not take; the message says what it takes."""


class _Unseen(Exception):
    """A category that training did not see."""


class InstanceEncoder:
    """Encodes JSON rows of one signature. Immutable; safe to share among threads."""

    def __init__(self, signature: Signature) -> None:
        self._plan: list[tuple[str, Convert, bool]] = [
            (
                column.name,
                _date_of if column.kind is Kind.DATETIME else _converter(column),
                column.kind is Kind.DATETIME,
            )
            for column in signature.features
        ]
        self._fields = {column.name for column in signature.features}
        self._ignored = {
            signature.target.name: "the target",
            **dict.fromkeys(signature.ignored, "not used by the model"),
        }
        self._width = sum(len(DATE_PARTS) if dated else 1 for _, _, dated in self._plan)

    def encode(self, instances: Sequence[Any]) -> Encoded:
        """Return the rows as vectors.

        Raises:
            InstanceErrors: Some cannot be read.
        """
        values: list[float] = []
        faults = _Faults()
        plain_fields = len(self._plan)
        for row, instance in enumerate(instances):
            start = len(values)
            try:
                for name, convert, dated in self._plan:
                    if dated:
                        values.extend(convert(instance[name]))
                    else:
                        values.append(convert(instance[name]))
                if len(instance) == plain_fields:
                    continue
            except (KeyError, TypeError, _Wrong, _Unseen):
                pass
            del values[start:]
            values.extend(self._encode_carefully(row, instance, faults))
            if len(faults.errors) >= MAX_ERRORS:
                break
        if faults.errors:
            raise InstanceErrors(faults.errors[:MAX_ERRORS])
        return Encoded(np.array(values, dtype=np.float64).reshape(-1, self._width), faults.sentences())

    def _encode_carefully(self, row: int, instance: Any, faults: "_Faults") -> list[float]:
        if not isinstance(instance, dict):
            faults.error(row, None, ErrorCode.WRONG_TYPE, "must be an object of column and value")
            return []
        values: list[float] = []
        for name, convert, dated in self._plan:
            if name not in instance:
                faults.error(row, name, ErrorCode.MISSING_FIELD, "is missing; give null if its value is not known")
                continue
            value = instance[name]
            try:
                if dated:
                    values.extend(convert(value))
                else:
                    values.append(convert(value))
            except _Wrong as wrong:
                faults.error(row, name, ErrorCode.WRONG_TYPE, str(wrong))
            except _Unseen:
                faults.unseen(row, name, value)
                values.append(_NAN)
        for name in instance:
            if name in self._fields:
                continue
            if name in self._ignored:
                faults.ignored(name, self._ignored[name])
            else:
                faults.error(row, name, ErrorCode.UNKNOWN_FIELD, "is not a field of the model; leave it out")
        return values


class _Faults:
    """What was found wrong or odd in the rows of one call."""

    def __init__(self) -> None:
        self.errors: list[ProblemItem] = []
        self._ignored: dict[str, str] = {}
        self._unseen: dict[tuple[str, Any], tuple[int, int]] = {}

    def error(self, row: int, name: Any, code: ErrorCode, detail: str) -> None:
        pointer = f"/instances/{row}"
        if name is not None:
            pointer += "/" + str(name).replace("~", "~0").replace("/", "~1")
        self.errors.append(ProblemItem(pointer=pointer, code=code, detail=detail))

    def ignored(self, name: str, why: str) -> None:
        self._ignored[name] = why

    def unseen(self, row: int, name: str, value: Any) -> None:
        first, count = self._unseen.get((name, value), (row, 0))
        self._unseen[name, value] = (first, count + 1)

    def sentences(self) -> list[str]:
        said = [f"{name!r} is {why} and was ignored." for name, why in self._ignored.items()]
        for (name, value), (first, count) in self._unseen.items():
            where = f"row {first}" + (f" and {count - 1} more" if count > 1 else "")
            shown = category_text(value)
            shown = shown if len(shown) <= 100 else shown[:100] + "..."
            said.append(f"{name!r}: {shown!r} was never seen in training and is taken as missing ({where}).")
        if len(said) > MAX_WARNINGS:
            said[MAX_WARNINGS:] = [f"{len(said) - MAX_WARNINGS} further warnings are left out."]
        return said


def _converter(column: Column) -> Convert:
    """Return what turns a JSON value into the column's one number."""
    if column.kind is Kind.CATEGORICAL:
        return _category(column)
    return _boolean if column.dtype is Dtype.BOOLEAN else _number


def _number(value: Any) -> float:
    kind = type(value)
    if kind is float:
        if math.isfinite(value):
            return value  # type: ignore[no-any-return]
    elif kind is int:
        try:
            return float(value)
        except OverflowError:
            pass
    elif value is None:
        return _NAN
    raise _Wrong(f"must be a number or null, not {_named(value)}")


def _boolean(value: Any) -> float:
    if value is True:
        return 1.0
    if value is False:
        return 0.0
    if value is None:
        return _NAN
    raise _Wrong(f"must be true, false or null, not {_named(value)}")


def _category(column: Column) -> Convert:
    known = {text: float(code) for code, text in enumerate(column.categories or [])}
    if column.dtype is Dtype.STRING:
        return _text_category(known)
    read = {Dtype.INT64: _whole, Dtype.FLOAT64: _number, Dtype.BOOLEAN: _truth}[column.dtype]

    def category(value: Any) -> float:
        if value is None:
            return _NAN
        code = known.get(category_text(read(value)))
        if code is None:
            raise _Unseen
        return code

    return category


def _text_category(known: dict[str, float]) -> Convert:
    def category(value: Any) -> float:
        if type(value) is str:
            code = known.get(value)
            if code is None:
                raise _Unseen
            return code
        if value is None:
            return _NAN
        raise _Wrong(f"must be a text or null, not {_named(value)}")

    return category


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    raise _Wrong(f"must be a whole number or null, not {_named(value)}")


def _truth(value: Any) -> bool:
    return _boolean(value) == 1.0


def _date_of(value: Any) -> tuple[float, ...]:
    if value is None:
        return (_NAN,) * len(DATE_PARTS)
    if type(value) is not str:
        raise _Wrong(f"must be a date as text, such as 2026-11-23T09:30:00Z, or null, not {_named(value)}")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong(f"must be a date such as 2026-11-23T09:30:00Z, not {_named(value)}") from None
    micros = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
    return (
        float(moment.toordinal() - _EPOCH_ORDINAL),
        float(moment.year),
        float(moment.month),
        float(moment.day),
        float(moment.weekday()),
        micros / HOUR,
    )


def _named(value: Any) -> str:
    """Return a short name of a JSON value for a sentence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 2**64:
        return "a number that large"
    return str(value)
