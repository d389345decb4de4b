"""Cursors of lists: opaque text that says after which key the next page begins."""

import base64
import binascii
import json
from typing import Annotated, Any

from fastapi import Query

from melonkube.kit.errors import InvalidRequest

Limit = Annotated[int, Query(ge=1, le=1000, description="Items a page.")]
Cursor = Annotated[str | None, Query(max_length=1024, description="`next_cursor` of the page before.")]


def encode_cursor(*key: Any) -> str:
    """Return the cursor that stands for the sort key of the last item of a page."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """Return the sort key in ``cursor``, whose parts must be of ``types``; None for no cursor.

    Raises:
        InvalidRequest: It is not a cursor of this list.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("cursor is not one this list gave; begin again without it.") from error
    if (
        not isinstance(key, list)
        or len(key) != len(types)
        or not all(type(part) is kind for part, kind in zip(key, types, strict=True))
        or any(isinstance(part, str) and "\x00" in part for part in key)
        or any(isinstance(part, int) and abs(part) >= 2**63 for part in key)
    ):
        raise InvalidRequest("cursor is not one this list gave; begin again without it.")
    return tuple(key)
