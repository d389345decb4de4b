"""From text to typed columns: which type a column has, and its values in that type.

Types are decided over all values of a column and converted by the very code that decided them, so that no value,
however late, can fail. Around a cell, white space means nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from melonkube.contracts.signature import Dtype
from melonkube.tabular.arrow import ArrowArray, pc

MISSING_MARKERS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", "-")
"""Texts that stand for a missing value."""

ARROW_TYPES: dict[Dtype, pa.DataType] = {
    Dtype.BOOLEAN: pa.bool_(),
    Dtype.INT64: pa.int64(),
    Dtype.FLOAT64: pa.float64(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}

_MARKERS = pa.array(MISSING_MARKERS)
_BOOLEANS = pa.array(["True", "False", "true", "false", "TRUE", "FALSE"])
_CODE_LIKE = r"^[+-]?0[0-9xX]"
"""Numbers that begin with a zero are codes (postal, telephone); hexadecimal ones Arrow would take for integers."""
_INTEGER = r"^[+-]?[0-9,]+$"
_GROUPED = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?$"
"""Numbers with commas between thousands."""
_DECIMAL_COMMA = r"^[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?$"
_FIRST_MICROSECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_LAST_MICROSECOND = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000


def clean(texts: ArrowArray) -> ArrowArray:
    """Return ``texts`` without the white space around them, markers of missing values as null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, value_set=_MARKERS), pa.scalar(None, pa.string()), trimmed)


def _to_boolean(texts: ArrowArray) -> ArrowArray:
    if not _all(pc.is_in(texts.drop_null(), value_set=_BOOLEANS)):
        raise pa.ArrowInvalid("not booleans")
    return pc.equal(pc.utf8_lower(texts), "true")


def _refuse_codes(texts: ArrowArray) -> None:
    if pc.any(pc.match_substring_regex(texts, _CODE_LIKE)).as_py():
        raise pa.ArrowInvalid("codes, not numbers")


def _to_int(texts: ArrowArray) -> ArrowArray:
    _refuse_codes(texts)
    return pc.cast(pc.utf8_ltrim(texts, "+"), pa.int64())


def _to_float(texts: ArrowArray) -> ArrowArray:
    _refuse_codes(texts)
    return finite(pc.cast(texts, pa.float64()))


def _grouped(convert: Callable[[ArrowArray], ArrowArray]) -> Callable[[ArrowArray], ArrowArray]:
    """Return what reads all that ``convert`` does, and the same with commas between thousands."""

    def convert_grouped(texts: ArrowArray) -> ArrowArray:
        plain = pc.replace_substring(texts, ",", "")
        return convert(pc.if_else(pc.match_substring_regex(texts, _GROUPED), plain, texts))

    return convert_grouped


def _comma_float(texts: ArrowArray) -> ArrowArray:
    pointed = pc.replace_substring(texts, ",", ".")
    return _to_float(pc.if_else(pc.match_substring_regex(texts, _DECIMAL_COMMA), pointed, texts))


def finite(values: ArrowArray) -> ArrowArray:
    """Return floats with what is not a finite number as null."""
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def storable_times(times: ArrowArray) -> ArrowArray:
    """Return ``timestamp[us, UTC]`` with what lies outside the years 1 to 9999 as null."""
    numbers = pc.cast(times, pa.int64())
    kept = pc.and_(pc.greater_equal(numbers, _FIRST_MICROSECOND), pc.less(numbers, _LAST_MICROSECOND))
    return pc.if_else(kept, times, pa.scalar(None, ARROW_TYPES[Dtype.TIMESTAMP]))


def _utc(times: ArrowArray) -> ArrowArray:
    return storable_times(pc.cast(times, ARROW_TYPES[Dtype.TIMESTAMP]))


def _iso_naive(texts: ArrowArray) -> ArrowArray:
    _demand(texts, r"^\d{4}-")
    return _utc(pc.cast(texts, pa.timestamp("us")))


def _iso_zoned(texts: ArrowArray) -> ArrowArray:
    _demand(texts, r"^\d{4}-")
    return _utc(pc.cast(texts, pa.timestamp("us", tz="UTC")))


def _demand(texts: ArrowArray, pattern: str) -> None:
    if not _all(pc.match_substring_regex(texts.drop_null(), pattern)):
        raise pa.ArrowInvalid("another form")


def _rearranged(pattern: str, order: str) -> Callable[[ArrowArray], ArrowArray]:
    """Return a converter of dates whose three numbers stand in another order than ISO 8601's, or without zeros.

    They are rewritten as ISO, which the cast then checks against the calendar (``strptime`` would take 30 February).
    """

    def convert(texts: ArrowArray) -> ArrowArray:
        _demand(texts, f"^{pattern}{_CLOCK}$")
        texts = pc.replace_substring_regex(texts, f"^{pattern}", order)
        texts = pc.replace_substring_regex(texts, r"-0(\d\d)", r"-\1")
        texts = pc.replace_substring_regex(texts, r" (\d):", r" 0\1:")
        return _utc(pc.cast(texts, pa.timestamp("us")))

    return convert


def _all(booleans: ArrowArray) -> bool:
    return bool(pc.all(booleans, min_count=0).as_py())


@dataclass(frozen=True, slots=True)
class Converter:
    """A way to read texts: ``convert`` gives values of ``dtype`` or raises ``pa.ArrowInvalid``.

    What the one named ``wider_than`` reads, this one reads as well, and need not try.
    """

    name: str
    dtype: Dtype
    convert: Callable[[ArrowArray], ArrowArray]
    wider_than: str = ""


_CLOCK = r"( \d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?"
_YMD = r"\1-0\2-0\3"
_MDY = r"\3-0\1-0\2"
_DMY = r"\3-0\2-0\1"
_DATES = (
    ("Y-M-D", r"(\d{4})-(\d{1,2})-(\d{1,2})", _YMD),
    ("Y/M/D", r"(\d{4})/(\d{1,2})/(\d{1,2})", _YMD),
    ("Y.M.D", r"(\d{4})\.(\d{1,2})\.(\d{1,2})", _YMD),
    ("M/D/Y", r"(\d{1,2})/(\d{1,2})/(\d{4})", _MDY),
    ("D/M/Y", r"(\d{1,2})/(\d{1,2})/(\d{4})", _DMY),
    ("M-D-Y", r"(\d{1,2})-(\d{1,2})-(\d{4})", _MDY),
    ("D-M-Y", r"(\d{1,2})-(\d{1,2})-(\d{4})", _DMY),
    ("D.M.Y", r"(\d{1,2})\.(\d{1,2})\.(\d{4})", _DMY),
)

CONVERTERS: tuple[Converter, ...] = (
    Converter("boolean", Dtype.BOOLEAN, _to_boolean),
    Converter("int", Dtype.INT64, _to_int),
    Converter("float", Dtype.FLOAT64, _to_float),
    Converter("iso", Dtype.TIMESTAMP, _iso_naive),
    Converter("iso_zoned", Dtype.TIMESTAMP, _iso_zoned),
    *(Converter(name, Dtype.TIMESTAMP, _rearranged(pattern, order)) for name, pattern, order in _DATES),
    Converter("grouped_int", Dtype.INT64, _grouped(_to_int), wider_than="int"),
    Converter("grouped_float", Dtype.FLOAT64, _grouped(_to_float), wider_than="float"),
    Converter("comma_float", Dtype.FLOAT64, _comma_float, wider_than="float"),
)
_GROUPED_ALONE = frozenset({"grouped_int", "grouped_float"})
_SEMICOLONS_ALONE = frozenset({"comma_float"})
TEXT = Converter("text", Dtype.STRING, lambda texts: texts)
"""What every column can be read as. Of several that fit, the first of ``CONVERTERS`` is taken."""


@dataclass(slots=True)
class TypeScan:
    """Finds a column's type from all its values, batch by batch."""

    candidates: list[Converter] = field(default_factory=lambda: list(CONVERTERS))
    seen: bool = False
    _whole_numbers: bool = True

    @classmethod
    def under(cls, delimiter: str) -> "TypeScan":
        """Return a scan for a column of a file with that delimiter.

        Where semicolons stand between cells a comma in a number is the decimal one, elsewhere it stands between
        thousands: spreadsheets delimit by semicolons just where 1,234 is less than two.
        """
        other = _GROUPED_ALONE if delimiter == ";" else _SEMICOLONS_ALONE
        return cls([one for one in CONVERTERS if one.name not in other])

    def add(self, texts: ArrowArray) -> None:
        """Take in a batch of raw texts."""
        if self.candidates:
            self._narrow(clean(texts).drop_null())

    def _narrow(self, values: ArrowArray) -> None:
        if len(values) == 0:
            return
        self.seen = True
        kept: list[Converter] = []
        for candidate in self.candidates:
            if any(candidate.wider_than == one.name for one in kept) or _accepts(candidate, values):
                kept.append(candidate)
        self.candidates = kept
        if self._whole_numbers and self._float_only:
            self._whole_numbers = _all(pc.match_substring_regex(values, _INTEGER))

    def _is(self, name: str) -> bool:
        return any(candidate.name == name for candidate in self.candidates)

    @property
    def _float_only(self) -> bool:
        """Whether floats fit and integers do not."""
        return self.candidates[0].name in ("float", "grouped_float") if self.candidates else False

    @property
    def converter(self) -> Converter:
        """The way to read the column, given all that was seen."""
        if not self.seen or not self.candidates:
            return TEXT
        if self._float_only and self._whole_numbers:
            return TEXT  # whole numbers beyond 64 bits: a float would make different ones equal
        return self.candidates[0]

    @property
    def ambiguous_date(self) -> bool:
        """Whether month and day could be either way round."""
        name = self.converter.name
        return name.startswith("M") and self._is(f"D{name[1]}M{name[3:]}")


def _accepts(candidate: Converter, values: ArrowArray) -> bool:
    try:
        candidate.convert(values)
    except pa.ArrowInvalid:
        return False
    return True


def arrow_schema(names: list[str] | tuple[str, ...], dtypes: list[Dtype]) -> pa.Schema:
    """Return the schema of the typed copy."""
    fields: list[Any] = [pa.field(name, ARROW_TYPES[dtype]) for name, dtype in zip(names, dtypes, strict=True)]
    return pa.schema(fields)
