"""What can go wrong, as types.

    MelonError
    ├── ApiError                     the server answered with a problem: status, code, detail, errors, request_id
    │   ├── InvalidRequest           400, 422
    │   ├── Unauthenticated          401
    │   ├── Forbidden                403
    │   ├── NotFound                 404
    │   ├── Conflict                 409  a name that is taken, a thing in use, a state that does not allow it
    │   ├── Gone                     410
    │   ├── BodyTooLarge             413
    │   ├── UnsupportedMediaType     415
    │   ├── TooManyRequests          429
    │   └── ServerError              5xx
    │       └── Unavailable          502, 503, 504  a part does not answer just now; trying again helps
    ├── ConnectionFailed             no answer: nobody listens, the connection broke, or time ran out
    ├── UnexpectedAnswer             an answer this client does not understand
    ├── InvalidInput                 refused before it was sent (also a ValueError)
    ├── WaitTimeout                  what was waited for did not come in time (also a TimeoutError)
    ├── EndpointFailed               an endpoint cannot answer, with the reason
    ├── DatasetFailed                a data set could not be read, with the problem
    └── ChecksumMismatch             downloaded bytes are not those that were announced

``except MelonError`` catches all of it. ``ApiError.code`` is one of ``melonkube.contracts.errors.ErrorCode`` and
stable; ``detail`` is a sentence for people and may change.
"""

from collections.abc import Sequence

from melonkube.contracts.errors import Problem, ProblemItem


class MelonError(Exception):
    """Anything this client raises."""


class ApiError(MelonError):
    """The server answered with a problem (RFC 9457).

    Args:
        problem: The problem as it came.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str:
        """Stable name of what is wrong."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """A sentence that says what to do."""
        return self.problem.detail

    @property
    def errors(self) -> Sequence[ProblemItem]:
        """The single faults, where there are several; else empty."""
        return self.problem.errors or ()

    @property
    def request_id(self) -> str | None:
        """Finds the request in the server's logs."""
        return self.problem.request_id

    def __reduce__(self) -> tuple[type["ApiError"], tuple[Problem]]:
        return type(self), (self.problem,)


class InvalidRequest(ApiError):
    """400 or 422: the request cannot be right; ``errors`` names each fault."""


class Unauthenticated(ApiError):
    """401: a key is needed (``MELON_API_KEY``), or the one given is not good."""


class Forbidden(ApiError):
    """403: the key does not allow this."""


class NotFound(ApiError):
    """404: there is no such thing."""


class Conflict(ApiError):
    """409: the state of things does not allow it."""


class Gone(ApiError):
    """410: it was there and is no longer kept."""


class BodyTooLarge(ApiError):
    """413: over the server's limit."""


class UnsupportedMediaType(ApiError):
    """415: a file or body of a kind that is not taken."""


class TooManyRequests(ApiError):
    """429: slower, please."""


class ServerError(ApiError):
    """5xx: the fault is the server's."""


class Unavailable(ServerError):
    """502, 503 or 504: a part does not answer just now."""


class ConnectionFailed(MelonError):
    """No answer came. ``url`` is the address that was tried."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class UnexpectedAnswer(MelonError):
    """An answer that is not what this version of the client understands."""


class InvalidInput(MelonError, ValueError):
    """Refused before anything was sent; ``errors`` names each fault by a JSON pointer."""

    def __init__(self, message: str, errors: Sequence[ProblemItem] = ()) -> None:
        super().__init__(message)
        self.errors = tuple(errors)


class WaitTimeout(MelonError, TimeoutError):
    """What was waited for did not come in time."""


class EndpointFailed(MelonError):
    """An endpoint cannot load what it was asked for."""


class DatasetFailed(MelonError):
    """A data set could not be read; ``problem`` says why, where the server told."""

    def __init__(self, message: str, problem: Problem | None) -> None:
        super().__init__(message)
        self.problem = problem


class ChecksumMismatch(MelonError):
    """The bytes that arrived are not the bytes that were announced."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
    422: InvalidRequest,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def api_error(problem: Problem) -> ApiError:
    """Return the exception for a problem: the class of its status."""
    fallback = ServerError if problem.status >= 500 else ApiError
    return _BY_STATUS.get(problem.status, fallback)(problem)
