"""The forwarding itself, on aiohttp's client (docs/adr/0015)."""

import asyncio
from collections.abc import Callable, Mapping

import aiohttp
from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from melonkube.gateway.forward.calls import CONNECT_FAILED, FAULTS, Call, Caller
from melonkube.gateway.forward.domain import Route, answer_headers, content_length, find_route, request_headers
from melonkube.gateway.forward.inbound import ClientGone, Inbound, check_body
from melonkube.gateway.forward.replicas import Replicas
from melonkube.gateway.forward.settings import ForwardSettings
from melonkube.kit.app import problem_response
from melonkube.kit.client import REQUEST_ID_HEADER
from melonkube.kit.context import request_id
from melonkube.kit.errors import MelonError, UpstreamUnavailable
from melonkube.kit.logs import get_logger
from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_USER, Principal, TokenSigner

log = get_logger("melonkube.gateway.forward")

SMALL_BODY = 1 << 20
"""A body up to this size is read whole before the call, so that the call can be repeated; larger ones stream."""

TokenOf = Callable[[str, Scope], str]
"""Returns the token for the service of that name with which a request is forwarded there."""

_OWNER = Principal("user:owner", DEFAULT_WORKSPACE, frozenset({SCOPE_USER}))
_NEVER_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


def as_owner(signer: TokenSigner) -> TokenOf:
    """Return what speaks for the owner, whoever sends the request: who may send one is decided before."""
    return lambda service, _scope: signer.sign(_OWNER, service)


class Forwarder:
    """Calls the services. Owned by the app; to be opened and closed with it.

    Args:
        peers: Address of each service by its name.
        token: Returns the token that goes with a request.
        settings: How long things may take.
    """

    def __init__(self, peers: Mapping[str, str], token: TokenOf, settings: ForwardSettings) -> None:
        self._peers = {name: address.rstrip("/") for name, address in peers.items()}
        self._token = token
        self._settings = settings
        self._replicas = {name: Replicas(address, settings) for name, address in self._peers.items()}
        self._session: aiohttp.ClientSession | None = None
        self._caller: Caller | None = None
        self._streams: set[asyncio.Task[bool]] = set()
        self._repeated = Counter(
            "melonkube_gateway_repeated_calls_total", "Calls sent again.", ("service", "why"), registry=None
        )
        self._failed = Counter(
            "melonkube_gateway_failed_calls_total", "Calls a service did not answer.", ("service",), registry=None
        )

    def count_in(self, registry: CollectorRegistry) -> None:
        """Let ``registry`` show what is counted here."""
        registry.register(self._repeated)
        registry.register(self._failed)

    @property
    def _calls(self) -> Caller:
        if self._caller is None:
            raise RuntimeError("the forwarder is not open")
        return self._caller

    @property
    def session(self) -> aiohttp.ClientSession:
        """The client, once it is open."""
        if self._session is None:
            raise RuntimeError("the forwarder is not open")
        return self._session

    def address(self, service: str) -> str:
        """Return the address of a service."""
        return self._peers[service]

    async def open(self) -> None:
        """Open the client, in the event loop that will use it."""
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_seconds),
            connector=aiohttp.TCPConnector(limit=0),
            skip_auto_headers=_NEVER_ADDED,
            max_line_size=65_536,
            max_field_size=65_536,
        )
        self._caller = Caller(self._session, self._replicas, self._settings, self._repeated)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(replicas.close() for replicas in self._replicas.values()))
        if self._session is not None:
            await self._session.close()

    async def end_streams(self) -> None:
        """End the event streams, which would otherwise never end; their clients come back by themselves."""
        for task in self._streams:
            task.cancel()

    async def forward(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with what its service answers.

        Raises:
            MelonError: It gave no answer, or the request itself was faulty; nothing has been sent.
        """
        declared = content_length(scope["headers"])
        if declared is not None:
            check_body(declared, route.body_bytes)
        inbound = Inbound(receive, self._settings.idle_body_seconds, route.body_bytes)
        exchange = asyncio.create_task(self._exchange(route, scope, inbound, send))
        gone = asyncio.create_task(inbound.gone())
        try:
            await asyncio.wait({exchange, gone}, return_when=asyncio.FIRST_COMPLETED)
            ended_here = exchange in self._streams and not gone.done()
        finally:
            self._streams.discard(exchange)
            for task in (exchange, gone):
                task.cancel()
            await asyncio.wait({exchange, gone})
        if gone.done() and not gone.cancelled():
            gone.result()
        if exchange.cancelled():
            if ended_here:
                await send({"type": "http.response.body", "body": b""})
            return
        complete = exchange.result()
        if not complete:
            log.warning("answer cut off", upstream=route.service)

    async def _exchange(self, route: Route, scope: Scope, inbound: Inbound, send: Send) -> bool:
        """Return whether the client was given the whole answer; False leaves the server to cut the connection."""
        try:
            answer = await self._call(route, scope, inbound)
        except ClientGone:
            return True
        try:
            headers = answer_headers(answer.status, answer.raw_headers)
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            if answer.content_type == "text/event-stream":
                task = asyncio.current_task()
                assert task is not None
                self._streams.add(task)
            while chunk := await answer.content.readany():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientError, ConnectionError):
            return False
        finally:
            answer.close()
        return True

    async def _call(self, route: Route, scope: Scope, inbound: Inbound) -> aiohttp.ClientResponse:
        length = content_length(scope["headers"])
        waits = any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
        expects = waits and length != 0
        small = length is not None and length <= SMALL_BODY and not expects
        content = (await inbound.read() or None) if small else None
        call = Call(
            service=route.service,
            method=scope["method"],
            target=_target(scope),
            headers=self._headers(route, scope, length),
            body=lambda: content if small else inbound.stream(),
            expect_continue=expects,
            repeatable=route.repeatable and small,
            hedged=route.hedged,
        )
        try:
            return await self._calls.make(call)
        except FAULTS as error:
            _raise_own_fault(inbound, error)
            raise self._unavailable(route, error) from error

    def _headers(self, route: Route, scope: Scope, length: int | None) -> list[tuple[str, str]]:
        headers = request_headers(scope["headers"])
        if length:
            headers.append(("Content-Length", str(length)))
        headers.append(("Authorization", f"Bearer {self._token(route.service, scope)}"))
        headers.append((REQUEST_ID_HEADER, request_id.get() or ""))
        return headers

    def _unavailable(self, route: Route, error: BaseException) -> UpstreamUnavailable:
        self._failed.labels(route.service).inc()
        log.warning("no answer", upstream=route.service, error=repr(error))
        if isinstance(error, CONNECT_FAILED):
            detail = f"The {route.service} service cannot be reached just now; try again shortly."
        elif route.repeatable:
            detail = f"The {route.service} service gave no answer; try again shortly."
        else:
            detail = (
                f"The connection to the {route.service} service broke before it answered, so that it is not known "
                "whether the call was carried out; look before you repeat it."
            )
        return UpstreamUnavailable(detail, headers={"Retry-After": "2"})


def _target(scope: Scope) -> str:
    """Return path and query as the client sent them."""
    query = scope["query_string"].decode("latin-1")
    path: str = scope["raw_path"].decode("ascii")
    return path + (f"?{query}" if query else "")


def _raise_own_fault(inbound: Inbound, error: BaseException) -> None:
    """Raise what ended the body, where that and not the service made the call fail."""
    if inbound.fault is not None:
        raise inbound.fault from None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ClientGone):
            raise cause from None
        cause = cause.__cause__


class ForwardMiddleware:
    """Sends what belongs to a service there, the rest on to the gateway's own endpoints. Plain ASGI."""

    def __init__(self, app: ASGIApp, forwarder: Forwarder) -> None:
        self._app = app
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = find_route(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["melon_route"] = route.label
        try:
            await self._forwarder.forward(route, scope, receive, send)
        except MelonError as error:
            await problem_response(error.problem(request_id.get()), error.headers)(scope, receive, send)
