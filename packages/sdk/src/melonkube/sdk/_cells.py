"""Cells of a CSV file in the types of their columns, as the server reads them from an uploaded table. Pure."""

import re
from collections.abc import Iterable, Sequence

from melonkube.contracts.signature import Dtype

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", "-"})
"""Cells that stand for no value: those the server takes for it."""

_TRUE = frozenset({"true", "True", "TRUE", "1"})
_FALSE = frozenset({"false", "False", "FALSE", "0"})

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)

_CLOCK = r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,6})?))?)?"
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){_CLOCK}", re.ASCII)
_MONTH_FIRST = re.compile(rf"(?P<month>\d{{1,2}})([-/])(?P<day>\d{{1,2}})\2(?P<year>\d{{4}}){_CLOCK}", re.ASCII)
_DAY_FIRST = re.compile(rf"(?P<day>\d{{1,2}})([-/.])(?P<month>\d{{1,2}})\2(?P<year>\d{{4}}){_CLOCK}", re.ASCII)

Cell = bool | int | float | str | None


def convert_cell(cell: str, dtype: Dtype, *, day_first: bool = False, decimal_comma: bool = False) -> Cell:
    """Return a cell in its column's type: null where it stands for no value, dates as ISO 8601 text.

    Args:
        cell: As it stands in the file.
        dtype: Type of the column.
        day_first: Whether 1/2/2026 and 1-2-2026 are the first of February in this column, as 1.2.2026 always is.
        decimal_comma: Whether 1,234 is less than two; otherwise a comma stands between thousands.

    Raises:
        ValueError: It is not of that type.
    """
    text = cell.strip()
    if text in MISSING:
        return None
    if dtype is Dtype.BOOLEAN:
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    if dtype in (Dtype.INT64, Dtype.FLOAT64):
        return _number(text, decimal_comma)
    return iso_date(text, day_first=day_first) if dtype is Dtype.TIMESTAMP else text


def _number(text: str, decimal_comma: bool) -> int | float | None:
    if "_" in text:  # Python's digit groups, which are not those of a table
        raise ValueError(f"{text[:40]!r} is not a number")
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    elif not decimal_comma and _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        # Training reads what is not finite as missing.
        return value if abs(value) < float("inf") else None
    raise ValueError(f"{text[:40]!r} is not a number")


def iso_date(text: str, *, day_first: bool) -> str:
    """Return a date, with or without a time, as ISO 8601; text of another form as it is, for the server to judge."""
    year_last = _DAY_FIRST if day_first or "." in text[:3] else _MONTH_FIRST
    match = _YEAR_FIRST.fullmatch(text) or year_last.fullmatch(text)
    if match is None:
        return text
    date = f"{match['year']}-{match['month']:0>2}-{match['day']:0>2}"
    if match["hour"] is None:
        return date
    return f"{date}T{match['hour']:0>2}:{match['minute']}:{match['second'] or '00'}"


def day_first_columns(rows: Iterable[Sequence[str]], columns: Sequence[tuple[int, str]]) -> frozenset[str]:
    """Return the columns whose dates such as 13/02/2026 cannot have the month first; without one, it has.

    Args:
        rows: All rows: the server too decides by the whole column.
        columns: Place and name of the columns with dates.
    """
    found = set()
    for row in rows:
        for place, name in columns:
            match = _MONTH_FIRST.fullmatch(row[place].strip()) if place < len(row) else None
            if match is not None and int(match["month"]) > 12:
                found.add(name)
    return frozenset(found)
