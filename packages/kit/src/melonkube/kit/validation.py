"""A request that is not valid, in words for whoever sent it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from melonkube.contracts.base import PATTERN_RULES
from melonkube.contracts.errors import ProblemItem
from melonkube.kit.errors import InvalidRequest, MelonError, UnsupportedMediaType

_SHOWN = 3


def invalid(errors: Sequence[Any], body: object = None) -> MelonError:
    """Return the faults that FastAPI found in a request as one problem that names each by its JSON pointer.

    Args:
        errors: As ``RequestValidationError.errors()`` gives them.
        body: What was validated: bytes only where the body's type was not JSON, so that nobody parsed it.
    """
    first = errors[0]
    if isinstance(body, bytes) and tuple(first["loc"]) == ("body",):
        return UnsupportedMediaType("The body must be JSON; send it with the header Content-Type: application/json.")
    if first["type"] == "json_invalid":
        said = f"The body is not JSON: {first['ctx']['error']} (character {first['loc'][-1]})."
        return InvalidRequest(said, errors=[ProblemItem(pointer="", code=first["type"], detail=said)])
    items = [ProblemItem(pointer=_pointer(one["loc"]), code=one["type"], detail=_detail(one)) for one in errors]
    shown = "; ".join(f"{item.pointer or 'body'}: {item.detail}" for item in items[:_SHOWN])
    more = f" (and {len(items) - _SHOWN} more)" if len(items) > _SHOWN else ""
    return InvalidRequest(f"The request is not valid: {shown}{more}.", errors=items)


def _pointer(loc: Sequence[int | str]) -> str:
    place = [part for part in loc if part != "body"]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _detail(error: Mapping[str, Any]) -> str:
    said = str(error["msg"])
    if error["type"] == "string_pattern_mismatch":
        return PATTERN_RULES.get(error["ctx"]["pattern"], said)
    if error["type"] == "extra_forbidden":
        return "is not a field here; leave it out"
    if error["type"] == "missing":
        return "is required"
    return said.removeprefix("Value error, ")
