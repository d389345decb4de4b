"""Calls with retries; what the worker makes of outages is in ``test_worker_outages``."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from melonkube.trainer.worker import http
from melonkube.trainer.worker.http import Abandoned, Api, Patience, Refused, Token, TokenRefused, backoff

Answers = list[httpx.Response | Exception]


class Scripted(httpx.BaseTransport):
    """Answers as it is told; the last answer stands."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []
        self.before: Callable[[], None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def forever() -> Patience:
    return Patience(threading.Event())


@pytest.fixture
def token() -> Token:
    return Token("first")


Make = Callable[..., tuple[Api, Scripted]]


@pytest.fixture
def make(token: Token) -> Iterator[Make]:
    made: list[Api] = []

    def build(
        *answers: httpx.Response | Exception, request_id: str | None = None, silence: float | None = None
    ) -> tuple[Api, Scripted]:
        transport = Scripted(list(answers))
        made.append(Api("tuner", "http://tuner", token, request_id, transport=transport, silence_seconds=silence))
        return made[-1], transport

    yield build
    for api in made:
        api.close()


def problem(status: int, code: str = "some_code") -> httpx.Response:
    said: dict[str, Any] = {"title": "t", "status": status, "code": code, "detail": "It says no."}
    return httpx.Response(status, json=said, headers={"Content-Type": "application/problem+json"})


OK = httpx.Response(200, json={})


def test_a_call_carries_token_type_and_request_id(make: Make, forever: Patience) -> None:
    api, transport = make(OK, request_id="request-9")
    api.call("POST", "/path", forever, content=b"{}", headers={"X-Extra": "1"})
    sent = transport.requests[0].headers
    assert sent["Authorization"] == "Bearer first"
    assert sent["X-Request-Id"] == "request-9"
    assert sent["Content-Type"] == "application/json"
    assert sent["X-Extra"] == "1"


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("broken off"),
        httpx.WriteError("broken pipe"),
        *(problem(status) for status in (408, 425, 429, 502, 503, 504, 507)),
        httpx.Response(502, text="<html>bad gateway</html>"),
    ],
)
def test_what_passes_is_tried_again_without_end(
    failure: httpx.Response | Exception, make: Make, forever: Patience
) -> None:
    api, transport = make(*[failure] * 20, OK)
    assert api.call("GET", "/", forever).status_code == 200
    assert len(transport.requests) == 21


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 413, 422])
def test_a_refusal_is_not_repeated(status: int, make: Make, forever: Patience) -> None:
    api, transport = make(problem(status, "some_code"))
    with pytest.raises(Refused, match=rf"It says no\. \({status} some_code\)") as refused:
        api.call("GET", "/", forever)
    assert (refused.value.status, refused.value.code) == (status, "some_code")
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [500, 501])
def test_a_fault_of_the_server_is_tried_some_times(status: int, make: Make, forever: Patience) -> None:
    api, transport = make(problem(status))
    with pytest.raises(Refused):
        api.call("GET", "/", forever)
    assert len(transport.requests) == http.FAULTS_TOLERATED + 1


def test_an_error_without_a_problem_still_says_where(make: Make, forever: Patience) -> None:
    api, _ = make(httpx.Response(418, text="a teapot"))
    with pytest.raises(Refused, match="The tuner answered 418"):
        api.call("GET", "/", forever)


def test_a_refused_token_is_told_apart(make: Make, forever: Patience) -> None:
    api, transport = make(problem(401, "unauthenticated"))
    with pytest.raises(TokenRefused):
        api.call("GET", "/", forever)
    assert len(transport.requests) == 1


def test_a_token_replaced_meanwhile_is_tried(make: Make, forever: Patience, token: Token) -> None:
    api, transport = make(problem(401, "unauthenticated"), OK)
    transport.before = lambda: token.replace("second")
    assert api.call("GET", "/", forever).status_code == 200
    assert [request.headers["Authorization"] for request in transport.requests] == ["Bearer first", "Bearer second"]


def test_no_token_replaces_none(token: Token) -> None:
    token.replace(None)
    assert token.value == "first"


def test_patience_ends_the_trying(make: Make) -> None:
    over = threading.Event()
    api, transport = make(httpx.ConnectError("refused"))

    def third_time() -> None:
        if len(transport.requests) == 3:
            over.set()

    transport.before = third_time
    with pytest.raises(Abandoned):
        api.call("GET", "/", Patience(over))
    assert len(transport.requests) == 3


def test_a_silence_that_is_too_long_ends_the_trying(make: Make, forever: Patience) -> None:
    api, transport = make(httpx.ConnectError("refused"), problem(503), httpx.ConnectError("refused"), silence=0.05)
    with pytest.raises(Abandoned):
        api.call("GET", "/", forever)
    assert len(transport.requests) >= 2


def test_who_answers_in_between_is_not_silent(make: Make, forever: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 40))
    monkeypatch.setattr("melonkube.trainer.worker.http.time.monotonic", lambda: float(next(clock)))
    api, _ = make(httpx.ConnectError("refused"), OK, silence=200.0)
    for _ in range(5):
        assert api.call("GET", "/", forever).status_code == 200


def test_without_patience_a_call_is_tried_once(make: Make) -> None:
    over = threading.Event()
    over.set()
    api, transport = make(OK)
    assert api.call("GET", "/", Patience(over)).status_code == 200
    assert len(transport.requests) == 1


def test_the_wait_grows_to_a_bound_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(http, "LONGEST_DELAY", 5.0)
    for attempt in (0, 1, 5, 1000):
        longest = min(5.0, 0.1 * 2 ** min(attempt, 16))
        waits = {backoff(attempt) for _ in range(50)}
        assert len(waits) > 1
        assert all(longest / 2 <= wait <= longest for wait in waits)
