"""Bodies of requests: built from keyword arguments, checked before they are sent. Pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from melonkube.contracts.errors import ProblemItem
from melonkube.sdk._exceptions import InvalidInput

T = TypeVar("T", bound=BaseModel)


def build(model: type[T], given: Mapping[str, Any]) -> T:
    """Return a request of the wire with the arguments that were given; None means not given.

    Raises:
        InvalidInput: An argument cannot be right.
    """
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise invalid_input(error) from error


def encode(request: BaseModel) -> bytes:
    """Return a request as JSON, with the fields that were set and no others: the rest is for the server to choose."""
    return request.model_dump_json(exclude_unset=True).encode()


def invalid_input(error: ValidationError) -> InvalidInput:
    """Return pydantic's findings as an error that names each by its JSON pointer."""
    items = []
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in fault["loc"])
        detail = fault["msg"].removeprefix("Value error, ")
        items.append(ProblemItem(pointer=pointer, code=fault["type"], detail=detail))
    shown = "; ".join(
        f"{item.pointer.lstrip('/')}: {item.detail}" if item.pointer else item.detail for item in items[:3]
    )
    more = f" (and {len(items) - 3} more)" if len(items) > 3 else ""
    return InvalidInput(f"{shown}{more}.", items)


def encode_instances(instances: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the body of a predict call.

    Cells may be what a DataFrame's ``to_dict("records")`` gives: NaN and NaT become null, dates and times RFC 3339
    text, numpy's scalars numbers.

    Raises:
        InvalidInput: A cell has no JSON form; the message names row and column.
    """
    rows = []
    for number, instance in enumerate(instances):
        row = {}
        for name, value in instance.items():
            try:
                row[str(name)] = _cell(value)
            except (TypeError, ValueError) as error:
                pointer = f"/instances/{number}/{name}"
                raise InvalidInput(
                    f"Row {number}, column {name!r}: {error}.",
                    [ProblemItem(pointer=pointer, code="wrong_type", detail=str(error))],
                ) from error
        rows.append(row)
    return json.dumps({"instances": rows}, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _cell(value: Any) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, date):  # datetime is one, and pandas' NaT says it is one
        return value.isoformat() if value == value else None
    item = getattr(value, "item", None)
    if callable(item):
        plain = item()
        if isinstance(plain, bool | int | float | str | date):
            return _cell(plain)
    if type(value).__name__ == "NAType":  # pandas.NA, which refuses to be compared
        return None
    raise TypeError(f"a {type(value).__name__} cannot be sent; give a number, text, true, false or null")


def _finite(value: float) -> float | None:
    if value != value:
        return None
    if value in (float("inf"), float("-inf")):
        raise ValueError("an infinite number cannot be sent")
    return value
