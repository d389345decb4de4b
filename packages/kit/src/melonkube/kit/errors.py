"""Errors that carry their own status and code, and the answers they become (RFC 9457).

    MelonError
    ├── InvalidRequest (422)      ├── NotFound (404)        ├── Conflict (409)
    ├── BodyTooLarge (413)        ├── Gone (410)            ├── Unauthenticated (401)
    ├── UnsupportedMediaType (415)├── Forbidden (403)       ├── NotReady (503)
    ├── UpstreamUnavailable (502) ├── StorageFull (507)     └── PassedOn (as the other service said)

A service's own errors are subclasses with a code of their own, raised anywhere below the endpoint.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from melonkube.contracts.errors import ErrorCode, Problem, ProblemItem

PROBLEM_TYPE = "application/problem+json"


class MelonError(Exception):
    """Something a caller is told about.

    Args:
        detail: A sentence that says what is wrong and what to do.
        code: Stable code; by default the class's.
        errors: The single faults, where there are several.
        headers: Extra headers of the answer.
    """

    status: ClassVar[int] = 400
    code: ClassVar[ErrorCode] = ErrorCode.INVALID_REQUEST

    def __init__(
        self,
        detail: str,
        *,
        code: ErrorCode | None = None,
        errors: Sequence[ProblemItem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problem_code: str = code or self.code
        self.errors = list(errors) if errors else None
        self.headers = headers or {}

    @property
    def http_status(self) -> int:
        """The status of the answer."""
        return self.status

    def problem(self, request_id: str | None = None) -> Problem:
        """Return the wire form."""
        return Problem(
            title=HTTPStatus(self.http_status).phrase,
            status=self.http_status,
            code=self.problem_code,
            detail=self.detail,
            request_id=request_id,
            errors=self.errors,
        )


class InvalidRequest(MelonError):
    """The request is understood and cannot be right."""

    status = 422
    code = ErrorCode.INVALID_REQUEST


class NotFound(MelonError):
    """There is no such thing, or it is another workspace's."""

    status = 404
    code = ErrorCode.NOT_FOUND


class Conflict(MelonError):
    """The state of things does not allow it."""

    status = 409
    code = ErrorCode.CONFLICT


class NameTaken(Conflict):
    """Something of that kind has that name."""

    code = ErrorCode.NAME_TAKEN


class InUse(Conflict):
    """Something else depends on it."""

    code = ErrorCode.IN_USE


class Gone(MelonError):
    """It was there and is no longer kept."""

    status = 410
    code = ErrorCode.GONE


class BodyTooLarge(MelonError):
    """The body is over the limit."""

    status = 413
    code = ErrorCode.BODY_TOO_LARGE


class UnsupportedMediaType(MelonError):
    """The body is of a type that is not taken here."""

    status = 415
    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class Unauthenticated(MelonError):
    """No valid token."""

    status = 401
    code = ErrorCode.UNAUTHENTICATED

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(MelonError):
    """A valid token that does not allow this."""

    status = 403
    code = ErrorCode.FORBIDDEN


class NotReady(MelonError):
    """A part this needs does not answer yet; trying again helps."""

    status = 503
    code = ErrorCode.NOT_READY


class UpstreamUnavailable(MelonError):
    """Another service cannot be reached."""

    status = 502
    code = ErrorCode.UPSTREAM_UNAVAILABLE


class StorageFull(MelonError):
    """There is no room left on the disk."""

    status = 507
    code = ErrorCode.STORAGE_FULL


DISK_FULL = "The disk is full: free some space, then try again. Nothing was stored."


class PassedOn(MelonError):
    """A problem another service answered with, handed to the caller as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, errors=problem.errors)
        self.problem_code = problem.code
        self._status = problem.status

    @property
    def http_status(self) -> int:
        """The status the other service answered with."""
        return self._status


def problem_responses(*kinds: type[MelonError]) -> dict[int | str, dict[str, Any]]:
    """Return FastAPI's ``responses=`` for the errors an endpoint may raise."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind.code.value)
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, codes in by_status.items()
    }
