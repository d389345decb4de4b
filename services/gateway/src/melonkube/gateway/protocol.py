"""uvicorn's HTTP protocol with bounds on the head of a request: how large, and how long it may take.

uvicorn has neither with httptools, so that one client could hold connections open, or fill the memory, before any
application code runs.
"""

import asyncio
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from melonkube.contracts.errors import ErrorCode, Problem
from melonkube.contracts.ids import new_id
from melonkube.kit.errors import PROBLEM_TYPE


def bounded_protocol(head_bytes: int, head_seconds: float) -> type["BoundedProtocol"]:
    """Return the protocol with these bounds, for ``uvicorn.Config(http=...)``."""
    return type("BoundedProtocol", (BoundedProtocol,), {"head_bytes": head_bytes, "head_seconds": head_seconds})


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What it refuses, it refuses as a problem, and closes."""

    head_bytes: ClassVar[int] = 65_536
    head_seconds: ClassVar[float] = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._head_open = True
        self._head_size = 0
        self._turned = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        self._turned = False
        super().data_received(data)
        if self._head_open and not self._turned:
            self._head_size += len(data)
            if self._head_size > self.head_bytes:
                self._refuse(431, f"The head of a request may have {self.head_bytes} bytes; send fewer headers.")

    def on_message_begin(self) -> None:
        """Begin the time of a further head with its first byte."""
        if self._head_timer is None:
            self._start_head_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: the head is complete."""
        self._head_open = False
        self._turned = True
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        super().on_message_complete()
        self._head_open = True
        self._head_size = 0
        self._turned = True

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read."""
        self._refuse(400, "This is not an HTTP request that can be understood.")

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._refuse(408, f"The head of the request took longer than {self.head_seconds:g} seconds.")

    def _refuse(self, status: int, detail: str) -> None:
        self._stop_head_timer()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_refusal(status, detail))
        # Else an answer to the request before is on its way: nothing may be written into it.
        self.transport.close()


def _refusal(status: int, detail: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    identity = new_id()
    problem = Problem(
        title=phrase, status=status, code=ErrorCode.INVALID_REQUEST, detail=detail, request_id=identity
    ).model_dump_json(exclude_none=True)
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        f"content-type: {PROBLEM_TYPE}",
        f"content-length: {len(problem.encode())}",
        f"x-request-id: {identity}",
        "x-content-type-options: nosniff",
        "connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + problem).encode()
