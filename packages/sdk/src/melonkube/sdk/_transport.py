"""One call to the server: address, key, timeouts, retries, problems as exceptions."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from melonkube.contracts.errors import Problem
from melonkube.contracts.ids import new_id
from melonkube.sdk._exceptions import ConnectionFailed, InvalidInput, UnexpectedAnswer, api_error
from melonkube.sdk._retry import RETRIED_STATUSES, RetryPolicy, parse_retry_after
from melonkube.sdk._version import __version__

T = TypeVar("T", bound=BaseModel)

log = logging.getLogger("melonkube.sdk")

DEFAULT_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Clock(Protocol):
    """What the client needs of the module ``time``."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


@dataclass(frozen=True)
class Call:
    """A request, such that it can be sent more than once.

    Attributes:
        method: HTTP method.
        path: Path below the server's address, its names already quoted.
        params: Query; a value that is None is left out.
        json: Bytes of a JSON body.
        content: Body given out anew at each iteration.
        headers: Further headers.
        repeatable: Whether sending it twice does no more than once; None: as the method says.
        timeout: In place of the client's.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: bytes | None = None
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool | None = None
    timeout: httpx.Timeout | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although it perhaps arrived."""
        return self.method in _REPEATABLE if self.repeatable is None else self.repeatable


def quote_name(name: str) -> str:
    """Return a name as one segment of a path. A name of dots alone is written so that nothing takes it for a folder."""
    if not name:
        raise InvalidInput("A name must not be empty.")
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


def quote_path(path: str) -> str:
    """Return a relative path with each of its parts quoted."""
    return "/".join(quote_name(part) for part in path.split("/"))


class Transport:
    """Sends calls. Thread-safe; owned by a :class:`~melonkube.sdk.Client` and closed with it.

    Args:
        url: Address of the server without a slash at its end.
        api_key: Sent as bearer; a function is asked before each call.
        timeout: Of a single attempt.
        retry: When and how often a call is repeated.
        headers: Sent with every call.
        transport: For tests: where calls go instead of the network.
        clock: Waits and measures; the module ``time`` by default.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | Callable[[], str | None] | None = None,
        timeout: httpx.Timeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = time,
    ) -> None:
        self.url = url
        self.retry = retry or RetryPolicy()
        self.clock = clock
        self._api_key = api_key
        try:
            self._http = httpx.Client(
                base_url=url,
                timeout=timeout,
                transport=transport,
                headers={"User-Agent": f"melonkube-sdk/{__version__}", **(headers or {})},
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                # A proxy of the environment has no way to this machine's own addresses.
                trust_env=urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"),
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidInput(f"{url!r} is not an address: {error}.") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, model: type[T], call: Call) -> T:
        """Send a call and return its answer as ``model``.

        Raises:
            ApiError: The server answered with a problem.
            ConnectionFailed: It did not answer.
            UnexpectedAnswer: The answer does not fit ``model``.
        """
        return self.parse(model, self.send(call))

    def parse(self, model: type[T], answer: httpx.Response) -> T:
        """Return the body of an answer as ``model``.

        Raises:
            UnexpectedAnswer: It does not fit.
        """
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"{self.url} answered {answer.request.method} {answer.request.url.path} with something that is not "
                f"{model.__name__}; is it a MelonKube server, and of version {__version__}?"
            ) from error

    def send(self, call: Call) -> httpx.Response:
        """Send a call, again where that is safe, and return the answer, which is a success and has been read."""
        answer = self._attempt(call, stream=False)
        answer.read()
        return answer

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """Send a call and give its answer, a success, while its body still arrives.

        Raises:
            ApiError: The server answered with a problem.
            ConnectionFailed: It did not answer, or the connection broke within the block.
        """
        answer = self._attempt(call, stream=True)
        try:
            yield answer
        except httpx.HTTPError as error:
            raise self._failure(error, answer.request) from error
        finally:
            answer.close()

    def _attempt(self, call: Call, *, stream: bool) -> httpx.Response:
        request_id = new_id()
        uncertain = False  # whether an earlier attempt may have been carried out
        attempt = 1
        while True:
            request = self._build(call, request_id)
            last = attempt >= self.retry.attempts
            wait: float | None = None
            try:
                answer = self._http.send(request, stream=stream)
            except httpx.HTTPError as error:
                never_sent = isinstance(error, _NEVER_SENT)
                if last or not (never_sent or call.may_repeat) or not isinstance(error, httpx.TransportError):
                    raise self._failure(error, request) from error
                uncertain = uncertain or not never_sent
                log.debug("attempt %d of %s %s failed: %r", attempt, call.method, call.path, error)
            else:
                if answer.is_success:
                    return answer
                status = answer.status_code
                if status == 404 and call.method == "DELETE" and uncertain:
                    return answer  # the attempt whose answer was lost had deleted it
                if last or status not in RETRIED_STATUSES or not (call.may_repeat or status == 429):
                    self._raise(answer)
                answer.close()
                uncertain = uncertain or status in (502, 504)
                wait = parse_retry_after(answer.headers.get("Retry-After"))
                log.debug("attempt %d of %s %s was answered %d", attempt, call.method, call.path, status)
            self.clock.sleep(self.retry.delay(attempt, wait))
            attempt += 1

    def _build(self, call: Call, request_id: str) -> httpx.Request:
        headers = {"X-Request-Id": request_id, **call.headers}
        key = self._api_key() if callable(self._api_key) else self._api_key
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if call.json is not None:
            headers["Content-Type"] = "application/json"
        options: dict[str, Any] = {} if call.timeout is None else {"timeout": call.timeout}
        return self._http.build_request(
            call.method,
            call.path,
            params={name: value for name, value in call.params.items() if value is not None} or None,
            content=call.json if call.json is not None else call.content,
            headers=headers,
            **options,
        )

    def _raise(self, answer: httpx.Response) -> NoReturn:
        try:
            content = answer.read()
        except httpx.HTTPError:
            content = b""
        finally:
            answer.close()
        try:
            problem = Problem.model_validate_json(content)
        except ValidationError:
            problem = self._unexplained(answer)
        if problem.request_id is None:
            problem.request_id = answer.headers.get("X-Request-Id")
        raise api_error(problem)

    def _unexplained(self, answer: httpx.Response) -> Problem:
        status = answer.status_code
        if status < 400:
            raise UnexpectedAnswer(f"{self.url} answered {status}; is it a MelonKube server?")
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Error"
        return Problem(
            title=phrase,
            status=status,
            code="unknown",
            detail=f"{self.url} answered {status} ({phrase}) and did not say why.",
        )

    def _failure(self, error: httpx.HTTPError, request: httpx.Request) -> Exception:
        where = f"{request.method} {request.url.path}"
        if isinstance(error, _NEVER_SENT):
            return ConnectionFailed(
                f"No MelonKube server answers at {self.url}. Start one with `melon up`, or set MELON_URL.",
                self.url,
            )
        if isinstance(error, httpx.TimeoutException):
            return ConnectionFailed(f"{self.url} did not answer {where} in time.", self.url)
        if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.LocalProtocolError):
            return ConnectionFailed(f"The connection to {self.url} broke during {where}.", self.url)
        return UnexpectedAnswer(f"{where} at {self.url} failed: {error}.")
