"""Calls to tuner and registry: kept connections, a token that is renewed, and retries without end.

WorkerError
├── Refused       the answer is an error that trying again will not mend
├── TokenRefused  the token is not, or no longer, good: the worker must end
└── Abandoned     the caller's patience ended: the lease is lost, or the worker is told to end
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import httpx
from pydantic import ValidationError

from melonkube.contracts.errors import Problem

log = logging.getLogger("melonkube.worker.http")

PASSING = frozenset({408, 425, 429, 502, 503, 504, 507})
"""Answers that say: later; 507, once there is room on the disk. Tried again as long as it takes, as is a connection
that fails."""
FAULTS_TOLERATED = 5
"""How often another server error is tried again: it may be a moment's, but it may be a fault of the server."""

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0


class WorkerError(Exception):
    """A call that brought no success."""


class Refused(WorkerError):
    """The other side will not have it.

    Args:
        status: Of the answer.
        code: Stable code of the problem, empty if there was none.
        detail: What it said.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({status} {code})".strip())
        self.status = status
        self.code = code


class TokenRefused(WorkerError):
    """The token is not good any more."""


class Abandoned(WorkerError):
    """There is no point in trying further."""


class Token:
    """The worker's token, replaced whenever the tuner sends a fresh one. Thread-safe."""

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def value(self) -> str:
        """The token to use now."""
        return self._value

    def replace(self, value: str | None) -> None:
        """Use ``value`` from now on, if there is one."""
        if value is not None:
            self._value = value


class Patience:
    """How long to go on trying: until ``over`` is set, which also ends a wait in between at once."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over

    def check(self) -> None:
        """Return if there is a point in going on.

        Raises:
            Abandoned: It is over.
        """
        if self._over.is_set():
            raise Abandoned

    def wait(self, seconds: float) -> None:
        """Wait, or give up early.

        Raises:
            Abandoned: It is over.
        """
        if self._over.wait(seconds):
            raise Abandoned


def backoff(attempt: int) -> float:
    """Return how long to wait after failure ``attempt`` (from 0): doubling to a bound, with full jitter."""
    longest: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class Api:
    """One service's address with kept connections. Thread-safe; close it when done.

    Args:
        name: The service, for logs.
        base_url: Its address.
        token: Sent with each call.
        request_id: Sent with each call.
        transport: For tests: where calls go instead of the network.
        silence_seconds: How long the service may give no answer before trying on is given up; None: for ever.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        token: Token,
        request_id: str | None,
        transport: httpx.BaseTransport | None = None,
        silence_seconds: float | None = None,
    ) -> None:
        self._silence = silence_seconds
        self._heard = time.monotonic()
        self._name = name
        self._token = token
        self._headers = {} if request_id is None else {"X-Request-Id": request_id}
        self._http = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(30.0, connect=2.0, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            transport=transport,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def once(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
    ) -> httpx.Response:
        """Call once and return the answer, a success.

        Args:
            method: HTTP method.
            path: Path and query.
            content: The body, whole or in pieces; JSON unless ``headers`` say otherwise.
            headers: Beside token and request id.
            wait_seconds: How long the answer may take longer than usual.

        Raises:
            httpx.TransportError: The service cannot be reached, or broke off.
            Refused: It answered with an error.
            TokenRefused: It did not take the token.
        """
        token = self._token.value
        sent = {"Authorization": f"Bearer {token}", **self._headers, **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        timeout = httpx.Timeout(30.0 + wait_seconds, connect=2.0, pool=None)
        answer = self._http.request(method, path, content=content, headers=sent, timeout=timeout)
        if answer.status_code not in PASSING:
            self._heard = time.monotonic()
        self._check(answer, token)
        return answer

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], also: frozenset[int] = frozenset()
    ) -> Iterator[httpx.Response]:
        """Get a body piece by piece; raises as :meth:`once` does, but for the statuses in ``also``."""
        token = self._token.value
        sent = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity", **self._headers, **headers}
        with self._http.stream("GET", path, headers=sent) as answer:
            if answer.status_code not in also:
                self._check(answer, token)
            yield answer

    def _check(self, answer: httpx.Response, token: str) -> None:
        if answer.is_success:
            return
        answer.read()
        try:
            problem = Problem.model_validate_json(answer.content)
            code, detail = problem.code, problem.detail
        except ValidationError:
            code, detail = "", f"The {self._name} answered {answer.status_code}."
        if answer.status_code == 401:
            if token == self._token.value:
                raise TokenRefused(detail)
            raise Refused(503, code, detail)  # a fresh token has come meanwhile: simply again
        raise Refused(answer.status_code, code, detail)

    def call(
        self,
        method: str,
        path: str,
        patience: Patience,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
    ) -> httpx.Response:
        """Call until it succeeds, as long as ``patience`` lasts; for calls that are safe to repeat.

        Raises:
            Refused: The service will not have it.
            TokenRefused: It did not take the token.
            Abandoned: There is no point in trying further.
        """
        return self.persist(
            lambda: self.once(method, path, content=content, headers=headers, wait_seconds=wait_seconds), patience
        )

    def persist(self, act: Callable[[], httpx.Response], patience: Patience) -> httpx.Response:
        """Do ``act`` until it succeeds; see :meth:`call`."""
        faults = 0
        attempt = 0
        began = time.monotonic()
        while True:
            try:
                answer = act()
            except httpx.TransportError as error:
                reason: Exception = error
            except Refused as refused:
                if refused.status not in PASSING:
                    faults += 1
                    if refused.status < 500 or faults > FAULTS_TOLERATED:
                        raise
                reason = refused
            else:
                if attempt:
                    away = round(time.monotonic() - began, 1)
                    log.info("%s answers again", self._name, extra={"after_seconds": away})
                return answer
            if attempt == 0:
                log.warning("%s does not answer, trying on", self._name, extra={"reason": str(reason)})
            if self._silence is not None and time.monotonic() - self._heard > self._silence:
                log.error("%s was silent for too long", self._name, extra={"seconds": self._silence})
                raise Abandoned
            patience.wait(backoff(attempt))
            attempt += 1
