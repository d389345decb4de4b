"""The door itself. Plain ASGI: there is no page, no document and no endpoint here, only what passes."""

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from melonkube.contracts.errors import ErrorCode, Problem
from melonkube.gateway.door.hosts import OriginNotAllowed
from melonkube.gateway.forward.domain import Route
from melonkube.gateway.forward.proxy import Forwarder
from melonkube.gateway.worker_door.domain import find_worker_route
from melonkube.gateway.worker_door.settings import Settings
from melonkube.kit.app import problem_response
from melonkube.kit.auth import bearer
from melonkube.kit.context import request_id
from melonkube.kit.errors import Forbidden, MelonError, NotFound, Unauthenticated
from melonkube.kit.logs import get_logger
from melonkube.kit.metrics import ServiceMetrics
from melonkube.kit.middleware import ObserveMiddleware
from melonkube.kit.tokens import SCOPE_WORKER, TokenKey, TokenVerifier

log = get_logger("melonkube.gateway.worker_door")

_TOKEN = "melon_token"  # noqa: S105 - the name of a place, not a secret
_SERVICES = ("tuner", "registry")


class WorkerDoor:
    """Lets a worker's calls pass, each with the worker's own token, which was checked here first.

    Args:
        forwarder: Takes calls to tuner and registry.
        verifiers: Checks the tokens that are meant for a service, by its name.
        settings: What a worker may send.
    """

    def __init__(self, forwarder: Forwarder, verifiers: dict[str, TokenVerifier], settings: Settings) -> None:
        self._forwarder = forwarder
        self._verifiers = verifiers
        self._call_bytes = settings.worker_door.call_bytes
        self._file_bytes = settings.limits.artifact_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open and close with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            route = self._admit(scope)
            scope["melon_route"] = route.label
            await self._forwarder.forward(route, scope, receive, send)
        except MelonError as error:
            await problem_response(error.problem(request_id.get()), error.headers)(scope, receive, send)

    def _admit(self, scope: Scope) -> Route:
        """Return where the call goes.

        Raises:
            NotFound: Workers make no such call.
            OriginNotAllowed: A browser sent it.
            Unauthenticated: Its token is not good there.
            Forbidden: Its token is not a worker's.
        """
        route = find_worker_route(scope["method"], scope["path"], self._call_bytes, self._file_bytes)
        if route is None:
            raise NotFound("There is nothing at this address: this door is for workers.")
        if _values(scope, b"origin"):
            raise OriginNotAllowed("A web page sent this call; this door is for workers.")
        given = _values(scope, b"authorization")
        if len(given) > 1:
            raise Unauthenticated("A call carries one token, not several.")
        token = bearer(given[0] if given else None)
        if self._verifiers[route.service].verify(token).scopes != {SCOPE_WORKER}:
            raise Forbidden("This door is for workers; people and services have others.")
        scope[_TOKEN] = token
        return route

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._forwarder.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._forwarder.close()
        await send({"type": "lifespan.shutdown.complete"})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header == name]


def _token_of(_service: str, scope: Scope) -> str:
    token: str = scope[_TOKEN]
    return token


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem_response(
        Problem(
            title="Internal Server Error",
            status=500,
            code=ErrorCode.INTERNAL,
            detail="Something went wrong here that should not; the log has it under this request id.",
            request_id=request_id.get(),
        )
    )


def create_app(settings: Settings) -> ASGIApp:
    """Return the door's app; it calls nobody before it is started.

    Raises:
        ValueError: ``settings`` name no token key.
        OSError: The key cannot be read.
    """
    key = TokenKey.load(settings.tokens)
    peers = {service: getattr(settings.peers, service) for service in _SERVICES}
    door = WorkerDoor(
        Forwarder(peers, _token_of, settings.worker_door),
        {service: TokenVerifier(key, service) for service in _SERVICES},
        settings,
    )
    return ObserveMiddleware(door, ServiceMetrics("worker-door"), _unexpected)
