"""The fast path's place in uvicorn: a subclass of its own HTTP protocol that looks at predict calls first.

A request to a live endpoint's predict address is gathered here and handed to :class:`FastPath` as a whole; if that
declines, or if anything about the request is out of the ordinary (pipelined, larger, about to close the connection,
waiting for ``100 Continue``), it is replayed to uvicorn as if nothing had happened. All other requests go straight to
uvicorn. Written against uvicorn 0.54's ``HttpToolsProtocol``; ``tests/serving/test_protocol.py`` has what it
relies on.
"""

import asyncio
import time
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from melonkube.serving.predict.fast import FastPath
from melonkube.serving.predict.table import Live


class PredictProtocol(HttpToolsProtocol):
    """One connection. Of this class there is a subclass for each server, with its fast path."""

    fast: ClassVar[FastPath]

    _lives: dict[str, Live] | None = None
    """What answers the request being gathered; None while requests go to uvicorn."""
    _body: bytes = b""
    _began: float = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, with the one timer that watches for idleness."""
        super().connection_made(transport)
        self._began = time.perf_counter()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Read on while the timer ticks on: to stop and start it for each request costs more than to look later."""
        timer, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        super().data_received(data)
        self.timeout_keep_alive_task = timer

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for so long; look again later if it has not."""
        if self.transport.is_closing():
            return
        busy = self._lives is not None or not self._is_free()
        idle = 0.0 if busy else time.perf_counter() - self._began
        if idle >= self.timeout_keep_alive:
            self.transport.close()
            return
        left = self.timeout_keep_alive - idle
        self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """Begin to gather; nobody knows yet what the request is."""
        self._began = time.perf_counter()
        self._lives = None
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Decide whether the request is one for the fast path."""
        lives = self.fast.at_path(self.url)
        if lives is not None and self._is_ordinary():
            self._lives = lives
            self._body = b""
        else:
            self._hand_over()

    def on_body(self, body: bytes) -> None:
        """Gather, up to a limit."""
        if self._lives is None:
            super().on_body(body)
        elif len(self._body) + len(body) > self.fast.max_body:
            self._give_up()
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Answer, or replay the request to uvicorn."""
        lives = self._lives
        if lives is None:
            super().on_message_complete()
            return
        answer = self.fast.answer(lives, self.headers, self._body, self._began)
        if answer is None:
            self._give_up()
            super().on_message_complete()
            return
        self._lives = None
        self.transport.write(answer)
        self.server_state.total_requests += 1

    def shutdown(self) -> None:
        """End in an orderly way: a request half gathered is still answered, by uvicorn."""
        if self._lives is not None:
            self._give_up()
        super().shutdown()

    def _is_ordinary(self) -> bool:
        """Whether the request at hand may be answered at once, with the connection kept."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and parser.get_http_version() == "1.1"
            and self._is_free()
            and not self.flow.write_paused
            and not self.server_state.default_headers
        )

    def _is_free(self) -> bool:
        """Whether uvicorn has answered all it was given."""
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def _hand_over(self) -> None:
        """Tell uvicorn the head of the request."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = expect
        super().on_headers_complete()

    def _give_up(self) -> None:
        """Hand a request over that has been gathered so far."""
        body, self._body, self._lives = self._body, b"", None
        self._hand_over()
        if body:
            super().on_body(body)


def make_protocol(fast: FastPath) -> type[PredictProtocol]:
    """Return uvicorn's HTTP protocol with ``fast`` in front, for ``uvicorn.Config(http=...)``."""
    return type("BoundPredictProtocol", (PredictProtocol,), {"fast": fast})
