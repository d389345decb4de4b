"""What all wire types share: how they are read, written and listed."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from melonkube.contracts.ids import UUID_PATTERN

T = TypeVar("T")


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def rfc3339(value: datetime) -> str:
    """Return ``value`` in UTC as RFC 3339 text with microseconds and ``Z``."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]
"""A moment, in UTC; RFC 3339 text in JSON."""

NAME_PATTERN = r"^[^\s/\x00-\x1f\x7f](?:[^/\x00-\x1f\x7f]*[^\s/\x00-\x1f\x7f])?$"
SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"


def _addressable(name: str) -> str:
    if name in (".", ".."):
        raise PydanticCustomError("name_not_addressable", "must not be '.' or '..', which no address can hold")
    return name


Name = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=NAME_PATTERN), AfterValidator(_addressable)
]
"""A name people give: any script, no slash, no control character, no space at either end, neither ``.`` nor ``..``."""

Slug = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=SLUG_PATTERN)]
"""A name that stands in an address: lower-case letters, digits and hyphens, as a DNS label (RFC 1123)."""

Sha256 = Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]

PATTERN_RULES = {
    NAME_PATTERN: "must hold no slash and no control character, and must not begin or end with a space",
    SLUG_PATTERN: "must be of lower-case letters, digits and hyphens, and begin and end with a letter or digit",
    SHA256_PATTERN: "must be a SHA-256 in 64 lower-case hexadecimal digits",
    UUID_PATTERN: "must be an id, such as 01900000-0000-7000-8000-000000000000",
}
"""What a text must be to match, in words for whoever sent one that does not."""

Scalar = bool | int | float | str
"""A value of a hyperparameter or of a cell."""

JsonObject = dict[str, Any]


def _storable(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("texts must not hold the character U+0000")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("texts must be valid Unicode, without lone surrogates") from error
    elif isinstance(value, dict):
        for key, item in value.items():
            _storable(key)
            _storable(item)
    elif isinstance(value, list):
        for item in value:
            _storable(item)


class Request(BaseModel):
    """Body of a request: a field that is not known is an error, as is a text no database can hold."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_texts(cls, data: Any) -> Any:
        _storable(data)
        return data


class Answer(BaseModel):
    """Body of an answer: a reader ignores fields that a newer server added."""

    model_config = ConfigDict(extra="ignore")


class Page(Answer, Generic[T]):
    """One page of a list. ``next_cursor`` is null on the last page and opaque otherwise."""

    items: list[T]
    next_cursor: str | None = None
