"""The door itself: every request passes it before anything looks at it. Plain ASGI."""

import time
from collections.abc import Callable

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melonkube.gateway.door.hosts import OwnNames, check_host, check_origin
from melonkube.gateway.door.keys import OwnerKey
from melonkube.kit.app import problem_response
from melonkube.kit.context import request_id
from melonkube.kit.errors import MelonError, Unauthenticated

SIGN_IN = "/sign-in"
_OPEN_WITHOUT_KEY = frozenset({"/healthz", "/readyz", SIGN_IN})

API_POLICY = b"default-src 'none'; frame-ancestors 'none'; sandbox"
"""Nothing that the API answers may act as a page: an uploaded artifact can be HTML."""

_SECURITY_HEADERS = (
    (b"content-security-policy", API_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class DoorMiddleware:
    """Checks Host, Origin and, where there is one, the owner's key; adds the security headers to every answer.

    Args:
        app: What answers those who may come in.
        names: Our names.
        owner: The owner's key; None where everyone who reaches us is the owner.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, app: ASGIApp, names: OwnNames, owner: OwnerKey | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._app = app
        self._names = names
        self._owner = owner
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name.lower() for name, _ in headers}
                headers.extend(header for header in _SECURITY_HEADERS if header[0] not in given)
                message["headers"] = headers
            await send(message)

        try:
            refusal = self._check(scope)
        except MelonError as error:
            refusal = problem_response(error.problem(request_id.get()), error.headers)
        await (refusal or self._app)(scope, receive, guarded)

    def _check(self, scope: Scope) -> Response | None:
        port = scope["server"][1]
        path = scope["path"]
        check_host(_values(scope, b"host"), self._names, port)
        check_origin(
            scope["method"], path, _values(scope, b"origin"), _values(scope, b"sec-fetch-site"), self._names, port
        )
        if self._owner is None or path in _OPEN_WITHOUT_KEY:
            return None
        if self._owner.admits(_values(scope, b"authorization"), _values(scope, b"cookie"), self._clock()):
            return None
        if scope["method"] == "GET" and not path.startswith("/api") and _wants_page(scope):
            return RedirectResponse(SIGN_IN, status_code=303, headers={"Cache-Control": "no-store"})
        raise Unauthenticated(
            "This server asks for its owner's key: send it as `Authorization: Bearer <key>`, or sign in at /sign-in."
        )


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header == name]


def _wants_page(scope: Scope) -> bool:
    return any("text/html" in accept for accept in _values(scope, b"accept"))
