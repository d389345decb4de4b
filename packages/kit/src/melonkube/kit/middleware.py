"""What happens to every request: an id, a metric, a log line. Plain ASGI, so that bodies stream both ways."""

import re
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melonkube.contracts.ids import new_id
from melonkube.kit.context import request_id
from melonkube.kit.logs import get_logger
from melonkube.kit.metrics import ServiceMetrics

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_QUIET = {"/healthz", "/readyz", "/metrics"}

log = get_logger("melonkube.http")


def identify(given: bytes | None) -> str:
    """Return a request's id: the caller's, if it sent a sane one, else a new one."""
    return given.decode() if given is not None and _ID.match(given) else new_id()


class ObserveMiddleware:
    """Gives each request its id (the caller's, if it sent a sane one), measures it and logs it.

    Args:
        app: What answers.
        metrics: Where it is counted.
        on_error: Makes the answer to an error nobody else handled; used while no answer has begun.
    """

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, on_error: Callable[[Exception], Response]) -> None:
        self._app = app
        self._metrics = metrics
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = identify(next((value for name, value in scope["headers"] if name == b"x-request-id"), None))
        token = request_id.set(identity)
        status = 499
        began = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(name, value) for name, value in message.get("headers", ()) if name != b"x-request-id"]
                message["headers"] = [*headers, (b"x-request-id", identity.encode())]
            await send(message)

        self._metrics.active.inc()
        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            if status != 499:
                raise
            await self._on_error(error)(scope, receive, observed)
        finally:
            self._metrics.active.dec()
            took = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", None) or scope.get("melon_route") or "other"
            self._metrics.requests.labels(scope["method"], route, str(status)).observe(took)
            if scope["path"] not in _QUIET:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_seconds=round(took, 6),
                )
            request_id.reset(token)
