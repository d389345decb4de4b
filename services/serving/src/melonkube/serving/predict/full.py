"""The full path of a predict call: every fault of every row is named."""

from typing import Any

import msgspec
import numpy as np

from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.kit.errors import BodyTooLarge, InvalidRequest
from melonkube.serving.predict.answers import NotFinite
from melonkube.serving.predict.table import Live
from melonkube.tabular.instances import InstanceErrors

CHUNK_ROWS = 1024
"""Rows scored at a time, so that other threads come to their turn."""

_SHAPE = 'send {"instances": [{"column": value, ...}, ...]}'


class InvalidInstances(InvalidRequest):
    """Rows that the model cannot take; ``errors`` names all of them."""

    code = ErrorCode.INVALID_INSTANCES


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    """The body, its rows still text: so that a large one is turned into objects piece by piece."""

    instances: list[msgspec.Raw]


_decode_call = msgspec.json.Decoder(_Call).decode
decode_row = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def predict_full(live: Live, body: bytes, max_rows: int) -> tuple[bytes, int]:
    """Return the answer to ``body`` and how many rows it had. May take long; safe in any thread.

    Raises:
        InvalidRequest: The body is not a predict call.
        BodyTooLarge: It has more than ``max_rows`` rows.
        InvalidInstances: Rows are not what the model takes.
    """
    instances, unreadable = read_instances(body, max_rows)
    try:
        encoded = live.served.encoder.encode_instances(instances)
    except InstanceErrors as error:
        raise _invalid(_name_unreadable(error.items, unreadable), len(instances)) from None
    matrix = encoded.matrix
    scores = np.concatenate(
        [live.served.model.scores(matrix[start : start + CHUNK_ROWS]) for start in range(0, len(matrix), CHUNK_ROWS)]
    )
    try:
        return live.writer.many(scores, encoded.warnings), len(instances)
    except NotFinite as error:
        item = ProblemItem(
            pointer=f"/instances/{error.row}",
            code=ErrorCode.INVALID_INSTANCES,
            detail="the model gives no finite number for this row",
        )
        raise _invalid([item], len(instances)) from None


def read_instances(body: bytes, max_rows: int) -> tuple[list[Any], dict[int, str]]:
    """Return the rows of a body as objects, None where one cannot be read, and why.

    Raises:
        InvalidRequest: The body is not a predict call.
        BodyTooLarge: It has more than ``max_rows`` rows.
    """
    instances: list[Any] = []
    unreadable: dict[int, str] = {}
    for row, text in enumerate(_rows_of(body, max_rows)):
        try:
            instances.append(decode_row(text))
        except _UNREADABLE as error:
            instances.append(None)
            unreadable[row] = _said(error)
    return instances, unreadable


def _rows_of(body: bytes, max_rows: int) -> list[msgspec.Raw]:
    try:
        rows = _decode_call(body).instances
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body is not a predict call: {error}; {_SHAPE}.") from None
    except _UNREADABLE as error:
        raise InvalidRequest(f"The body is not valid JSON in UTF-8: {_said(error)}; {_SHAPE}.") from None
    if not rows:
        raise InvalidRequest(f"There are no instances; {_SHAPE}.")
    if len(rows) > max_rows:
        raise BodyTooLarge(f"There are {len(rows)} instances; send at most {max_rows} a call.")
    return rows


def _name_unreadable(items: list[ProblemItem], unreadable: dict[int, str]) -> list[ProblemItem]:
    """Put the reason in place of the encoder's word that such a row is no object."""
    reasons = {f"/instances/{row}": reason for row, reason in unreadable.items()}
    return [
        item.model_copy(update={"detail": f"cannot be read: {reasons[item.pointer]}"})
        if item.pointer in reasons
        else item
        for item in items
    ]


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not valid UTF-8"
    return str(error).removesuffix(" - at `$[...]`")


def _invalid(items: list[ProblemItem], rows: int) -> InvalidInstances:
    first = items[0]
    bad = len({item.pointer.split("/")[2] for item in items})
    return InvalidInstances(
        f"{bad} of {rows} instances cannot be predicted; the first fault is {first.pointer}: {first.detail}. "
        "errors names each; GET .../schema shows what the endpoint takes.",
        errors=items,
    )
