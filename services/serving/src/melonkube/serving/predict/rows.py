"""Reads ordinary good rows straight into a model's input, through a msgspec type made from the signature.

It takes a subset of what ``FeatureEncoder.encode_instances`` takes, and makes the same numbers of it; for anything else
(a fault, an unseen category, a field beside the signature) it declines, and the full path has the word. A property
test holds the two equal.
"""

import math
import struct
from typing import Any

import msgspec

from melonkube.contracts.signature import Column, Dtype, Kind, Signature
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.instances import InstanceErrors
from melonkube.tabular.signature import category_text

_NAN = math.nan

DECLINED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, InstanceErrors)
"""What :class:`RowReader` raises for rows that it leaves to the full path."""


class Unreadable(Exception):
    """A signature for which no type can be made, such as one with a quotation mark in a column's name."""


class RowReader:
    """Reads the rows of one signature. Immutable; safe to share among threads, as far as each has a buffer of its own.

    Raises:
        Unreadable: When made for a signature it cannot serve.
    """

    def __init__(self, signature: Signature) -> None:
        encoder = FeatureEncoder(signature)
        fields = [(f"f{index}", _type_of(column)) for index, column in enumerate(signature.features)]
        names = {f"f{index}": column.name for index, column in enumerate(signature.features)}
        try:
            row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
            call = msgspec.defstruct("Call", [("instances", list[row])], forbid_unknown_fields=True, gc=False)  # type: ignore[valid-type]
        except ValueError as error:
            raise Unreadable(str(error)) from error
        self._decode = msgspec.json.Decoder(call).decode
        self._pack = struct.Struct(f"{encoder.width}d").pack_into
        self._codes = [
            (index, _codes(column))
            for index, column in enumerate(signature.features)
            if column.kind is Kind.CATEGORICAL
        ]
        # From the last to the first, so that what a date becomes does not move the ones before it.
        self._dates = [
            (index, column.name, FeatureEncoder(signature.model_copy(update={"features": [column], "ignored": []})))
            for index, column in reversed(list(enumerate(signature.features)))
            if column.kind is Kind.DATETIME
        ]

    def read(self, body: bytes) -> list[Any]:
        """Return the rows of a body, each for :meth:`fill`.

        Raises:
            Exception: One of :data:`DECLINED`.
        """
        call: Any = self._decode(body)
        rows: list[Any] = call.instances
        return rows

    def fill(self, row: Any, buffer: Any) -> None:
        """Write the model's input for ``row`` into ``buffer``.

        Raises:
            Exception: One of :data:`DECLINED`.
        """
        values = list(msgspec.structs.astuple(row))
        for index, codes in self._codes:
            values[index] = codes[values[index]]
        for index, name, encoder in self._dates:
            values[index : index + 1] = encoder.encode_instances([{name: values[index]}]).matrix[0].tolist()
        try:
            self._pack(buffer, 0, *values)
        except struct.error:
            self._pack(buffer, 0, *[_NAN if value is None else value for value in values])


def _type_of(column: Column) -> Any:
    if column.kind is Kind.CATEGORICAL:
        return {
            Dtype.STRING: str | None,
            Dtype.BOOLEAN: bool | None,
            Dtype.INT64: int | float | None,
            Dtype.FLOAT64: int | float | None,
        }.get(column.dtype)
    if column.kind is Kind.DATETIME:
        return str | None
    return bool | None if column.dtype is Dtype.BOOLEAN else float | None


def _codes(column: Column) -> dict[Any, float]:
    """Return the code of each category by the JSON value that means it; other values are not in it."""
    codes: dict[Any, float] = {None: _NAN}
    for code, text in enumerate(column.categories or []):
        try:
            value = _value_of(text, column.dtype)
        except ValueError as error:
            raise Unreadable(f"{text!r} is not a category of {column.name!r}") from error
        if category_text(value) != text:
            raise Unreadable(f"{text!r} is not how a category of {column.name!r} is written")
        codes[value] = float(code)
    return codes


def _value_of(text: str, dtype: Dtype) -> Any:
    if dtype is Dtype.INT64:
        return int(text)
    if dtype is Dtype.FLOAT64:
        return float(text)
    if dtype is Dtype.BOOLEAN:
        return {"true": True, "false": False}.get(text)
    return text
