"""Where a request goes and which headers go with it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from melonkube.kit.errors import InvalidRequest

Headers = Iterable[tuple[bytes, bytes]]

SERVICES = ("registry", "tuner", "serving")

_OWNERS = {
    "datasets": "registry",
    "samples": "registry",
    "runs": "registry",
    "models": "registry",
    "experiments": "tuner",
    "suggestions": "tuner",
    "algorithms": "tuner",
    "trainers": "tuner",
    "executor": "tuner",
    "endpoints": "serving",
}

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110, section 7.6.1, and the ones of RFC 2616 that are still seen."""

_OURS = frozenset(
    {b"host", b"authorization", b"cookie", b"expect", b"content-length", b"x-request-id", b"x-real-ip", b"forwarded"}
)
"""Said anew by the gateway, or meant for it alone."""

_WITHOUT_BODY = frozenset({204, 304})
"""A length there is of a body that is not sent (RFC 9110, section 8.6), which ASGI servers do not expect."""

_FORWARDING_PREFIX = b"x-forwarded-"

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes.

    Args:
        service: Name of the service.
        label: The part of the path that is the same for all such requests; for metrics.
        repeatable: Whether the call may be sent again when a connection fails: it only reads, or is declared so.
        hedged: Whether it may go to another replica as well when one is slow to answer: what it computes is cheap.
        body_bytes: How long its body may be; None leaves that to the service.
    """

    service: str
    label: str
    repeatable: bool
    body_bytes: int | None = None
    hedged: bool = False


def find_route(method: str, path: str) -> Route | None:
    """Return where ``path`` (percent-decoded) goes; None if it is not for a service.

    Only ``/api/v1/...`` of a known resource is forwarded: never ``/internal`` or ``/worker``, and no path with dot
    segments, which one side might resolve and the other not.
    """
    segments = path.split("/")
    if len(segments) < 4 or segments[:3] != ["", "api", "v1"] or "." in segments or ".." in segments:
        return None
    resource = segments[3]
    service = _OWNERS.get(resource)
    if service is None:
        return None
    predict = method == "POST" and resource == "endpoints" and len(segments) == 6 and segments[5] == "predict"
    label = f"/api/v1/{resource}" + ("/{name}/predict" if predict else "")
    return Route(service, label, method in _REPEATABLE or predict, hedged=predict)


def request_headers(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers of a request that a service may see.

    Raises:
        InvalidRequest: One is not UTF-8 text.
    """
    taken = list(headers)
    dropped = _HOP_BY_HOP | _OURS | _named_by_connection(taken)
    try:
        return [
            (name.decode("ascii"), value.decode())
            for name, value in taken
            if name.lower() not in dropped and not name.lower().startswith(_FORWARDING_PREFIX)
        ]
    except UnicodeDecodeError as error:
        raise InvalidRequest("A header of the request is not UTF-8 text.") from error


def answer_headers(status: int, headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that a client may see."""
    taken = [(name.lower(), value) for name, value in headers]
    dropped = _HOP_BY_HOP | _named_by_connection(taken)
    if status in _WITHOUT_BODY:
        dropped |= {b"content-length"}
    return [(name, value) for name, value in taken if name not in dropped]


def _named_by_connection(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
        if token.strip()
    )


def content_length(headers: Headers) -> int | None:
    """Return how long the body is said to be, None where its end is told by chunks; 0 where there is none."""
    length = 0
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"transfer-encoding":
            return None
        if lowered == b"content-length":
            length = int(value)
    return length
