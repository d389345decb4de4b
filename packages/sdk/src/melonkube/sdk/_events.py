"""The stream of an experiment's events, opened again whenever it breaks."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

import httpx
from pydantic import ValidationError

from melonkube.contracts.events import Event, EventType
from melonkube.contracts.experiments import Experiment, ExperimentState
from melonkube.sdk._exceptions import ConnectionFailed, Unavailable, UnexpectedAnswer
from melonkube.sdk._retry import RetryPolicy
from melonkube.sdk._sse import SseParser, split_lines
from melonkube.sdk._transport import Call, Transport

T = TypeVar("T")

GIVE_UP_SECONDS = 300.0
# The server sends a comment well within this time when nothing happens.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
_BACKOFF = RetryPolicy(first_seconds=0.5, longest_seconds=5.0)
_FINAL = frozenset(state.value for state in ExperimentState if state.final)
_KNOWN = frozenset(kind.value for kind in EventType)


def follow(
    transport: Transport, path: str, after: int, give_up_seconds: float | None = GIVE_UP_SECONDS
) -> Generator[Event | None, None, None]:
    """Yield the events of the experiment at ``path`` with numbers above ``after``, until its final state.

    None stands for a sign of life without an event, so that a reader can look at the time.

    Raises:
        Gone: They are no longer kept.
        ConnectionFailed: The server was away for ``give_up_seconds``.
    """
    stream = _Stream(transport, path, after)
    clock = transport.clock
    heard = clock.monotonic()
    failures = 0
    while True:
        try:
            if stream.finished():
                return
            heard = clock.monotonic()
            with closing(stream.events()) as events:
                for event in events:
                    heard, failures = clock.monotonic(), 0
                    yield event
                    if event is not None and event.type is EventType.EXPERIMENT and event.data.get("state") in _FINAL:
                        return
        except (ConnectionFailed, Unavailable):
            if give_up_seconds is not None and clock.monotonic() - heard >= give_up_seconds:
                raise
        failures += 1
        clock.sleep(_BACKOFF.delay(failures, stream.retry))


def patiently(transport: Transport, read: Callable[[], T], give_up_seconds: float | None = GIVE_UP_SECONDS) -> T:
    """Return what ``read`` gives, asked again while the server is away.

    Raises:
        ConnectionFailed: The server was away for ``give_up_seconds``.
    """
    clock = transport.clock
    since = clock.monotonic()
    failures = 0
    while True:
        try:
            return read()
        except (ConnectionFailed, Unavailable):
            if give_up_seconds is not None and clock.monotonic() - since >= give_up_seconds:
                raise
        failures += 1
        clock.sleep(_BACKOFF.delay(failures))


class _Stream:
    """Where a reader of one experiment's events stands."""

    def __init__(self, transport: Transport, path: str, after: int) -> None:
        self._transport = transport
        self._path = path
        self._last = after
        self.retry: float | None = None

    def finished(self) -> bool:
        """Return whether nothing follows what was read."""
        experiment = self._transport.fetch(Experiment, Call("GET", self._path))
        return experiment.state.final and experiment.last_event <= self._last

    def events(self) -> Generator[Event | None, None, None]:
        """Yield events until the connection ends, each once, and None for a comment."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": str(self._last)}
        call = Call("GET", f"{self._path}/events", headers=headers, timeout=_TIMEOUT)
        parser = SseParser()
        with self._transport.stream(call) as answer:
            for line in split_lines(answer.iter_bytes()):
                if line.startswith(":"):
                    yield None
                message = parser.feed(line)
                if message is None:
                    continue
                self.retry = message.retry
                event = self._read(message.data)
                if event is not None and event.seq > self._last:
                    self._last = event.seq
                    yield event

    def _read(self, data: str) -> Event | None:
        """Return the event in a message; None for a kind of event that only a newer server knows."""
        try:
            content = json.loads(data)
            if isinstance(content, dict) and content.get("type") not in _KNOWN:
                return None
            return Event.model_validate(content)
        except (ValueError, ValidationError) as error:
            raise UnexpectedAnswer(f"{self._transport.url} sent an event this client does not understand.") from error
