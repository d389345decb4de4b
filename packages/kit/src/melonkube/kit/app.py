"""Builds a service's FastAPI app: errors as problems, health, metrics, request ids, one OpenAPI style."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from melonkube.contracts.errors import ErrorCode, Problem, ProblemItem
from melonkube.kit.context import request_id
from melonkube.kit.errors import DISK_FULL, PROBLEM_TYPE, InvalidRequest, MelonError, StorageFull
from melonkube.kit.logs import get_logger
from melonkube.kit.metrics import ServiceMetrics
from melonkube.kit.middleware import ObserveMiddleware
from melonkube.kit.tokens import TokenVerifier

log = get_logger("melonkube.app")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Check = Callable[[], Awaitable[None]]

_STATUS_CODES: dict[int, ErrorCode] = {
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    406: ErrorCode.NOT_ACCEPTABLE,
    413: ErrorCode.BODY_TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}


class Store(Protocol):
    """What a service's app asks of its database; see :class:`melonkube.kit.db.Database`.

    A service without one need not have a database's library either.
    """

    async def ping(self) -> None:
        """Raise ``NotReady`` unless it answers."""

    async def close(self) -> None:
        """Close every connection."""

    def problem_of(self, error: BaseException) -> MelonError | None:
        """Return the problem behind an error of its own, None for another's."""


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return ``problem`` as an answer."""
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers=headers,
    )


def create_service_app(
    *,
    service: str,
    title: str,
    routers: Sequence[APIRouter],
    lifespan: Callable[[FastAPI], AsyncIterator[None]],
    verifier: TokenVerifier,
    database: Store | None = None,
    ready: Sequence[Check] = (),
    middleware: Sequence[Middleware] = (),
) -> FastAPI:
    """Return the app of a service.

    Args:
        service: Its name: ``registry``, ``tuner``, ``serving`` or ``gateway``.
        title: Title of its OpenAPI document.
        routers: Its endpoints.
        lifespan: Async generator function that starts and stops what the service owns; the database is
            closed after it.
        verifier: Checks tokens; kept as ``app.state.verifier``.
        database: Kept as ``app.state.db``.
        ready: Further checks of ``/readyz``; each raises ``NotReady``.
        middleware: Further ASGI middleware, the outermost first; a request has its id when it gets there.
    """
    metrics = ServiceMetrics(service)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with asynccontextmanager(lifespan)(app):
                yield
        finally:
            if database is not None:
                await database.close()

    app = FastAPI(
        title=title,
        version="1",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
        telemetry={"tracing": False},
    )
    app.state.verifier = verifier
    app.state.metrics = metrics
    if database is not None:
        app.state.db = database
    for router in routers:
        app.include_router(router)
    app.include_router(_health_router(database, ready, metrics))
    unexpected = _handle_errors(app, metrics, database)
    for layer in reversed(middleware):
        app.add_middleware(layer.cls, *layer.args, **layer.kwargs)
    app.add_middleware(ObserveMiddleware, metrics=metrics, on_error=unexpected)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=title, version="1", routes=app.routes)
            app.openapi_schema = _finish_openapi(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _finish_openapi(document: dict[str, Any]) -> dict[str, Any]:
    """Describe every problem by one schema, in place of FastAPI's own validation errors."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for own in ("HTTPValidationError", "ValidationError"):
        schemas.pop(own, None)
    described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(described.pop("$defs", {}))
    schemas["Problem"] = described
    answer = {"content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            responses = operation["responses"]
            if responses.get("422", {}).get("description") == "Validation Error":
                responses["422"] = {"description": "`invalid_request`", **answer}
            responses["default"] = {"description": "Any other problem.", **answer}
    return document


def _health_router(database: Store | None, ready: Sequence[Check], metrics: ServiceMetrics) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        if database is not None:
            await database.ping()
        for check in ready:
            await check()
        return {"status": "ready"}

    @router.get("/metrics")
    async def prometheus() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _handle_errors(app: FastAPI, metrics: ServiceMetrics, database: Store | None) -> Callable[[Exception], Response]:
    """Register the handlers; return what answers an error that none of them takes."""

    @app.exception_handler(MelonError)
    async def melon_error(_request: Request, error: MelonError) -> Response:
        return problem_response(error.problem(request_id.get()), error.headers)

    @app.exception_handler(RequestValidationError)
    async def validation_error(_request: Request, error: RequestValidationError) -> Response:
        return problem_response(validation_problem(error.errors()).problem(request_id.get()))

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        code = _STATUS_CODES.get(error.status_code, ErrorCode.INVALID_REQUEST)
        problem = Problem(
            title=HTTPStatus(error.status_code).phrase,
            status=error.status_code,
            code=code,
            detail=str(error.detail) if error.status_code not in (404, 405) else _ROUTE_DETAILS[error.status_code],
            request_id=request_id.get(),
        )
        return problem_response(problem, dict(error.headers or {}))

    def unexpected(error: Exception) -> Response:
        known = _known(error) or (database.problem_of(error) if database is not None else None)
        if known is not None:
            return problem_response(known.problem(request_id.get()), known.headers)
        metrics.unhandled.inc()
        log.error("unexpected error", exc_info=error)
        problem = Problem(
            title=HTTPStatus(500).phrase,
            status=500,
            code=ErrorCode.INTERNAL,
            detail="Something went wrong here that should not; the log has it under this request id.",
            request_id=request_id.get(),
        )
        return problem_response(problem)

    return unexpected


_ROUTE_DETAILS = {
    404: "There is nothing at this address; /openapi.json lists what there is.",
    405: "This address does not take that method; /openapi.json lists what it takes.",
}


def validation_problem(errors: Sequence[Any]) -> InvalidRequest:
    """Return pydantic's errors as one ``invalid_request`` that names every fault by its JSON pointer."""
    items = []
    for error in errors:
        place = [part for part in error["loc"] if part != "body"]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
        items.append(ProblemItem(pointer=pointer, code=error["type"], detail=str(error["msg"])))
    shown = "; ".join(f"{item.pointer or 'body'}: {item.detail}" for item in items[:3])
    more = f" (and {len(items) - 3} more)" if len(items) > 3 else ""
    return InvalidRequest(f"The request is not valid: {shown}{more}.", errors=items)


def _known(error: BaseException) -> MelonError | None:
    """Return the problem behind an error that is nobody's fault here, None for another."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(DISK_FULL)
    if isinstance(error, OverflowError):
        return InvalidRequest("The request holds a number that is too large.")
    return None
