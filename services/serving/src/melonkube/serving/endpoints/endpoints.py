"""HTTP of endpoints."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import ClientDisconnect

from melonkube.contracts.base import Page, Slug
from melonkube.contracts.endpoints import Endpoint, EndpointPut, EndpointSchema, PredictAnswer
from melonkube.kit.auth import User
from melonkube.kit.errors import (
    BodyTooLarge,
    InvalidRequest,
    NotFound,
    UnsupportedMediaType,
    UpstreamUnavailable,
    problem_responses,
)
from melonkube.kit.paging import Cursor, Limit, decode_cursor, encode_cursor
from melonkube.serving.endpoints.domain import Key
from melonkube.serving.endpoints.service import EndpointNotReady, EndpointService, NoCompletedTrial
from melonkube.serving.predict.full import InvalidInstances
from melonkube.serving.predict.service import PredictService
from melonkube.serving.predict.table import PREFIX
from melonkube.serving.settings import Settings

router = APIRouter(prefix=PREFIX, tags=["endpoints"])

_PREDICT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest"}}},
    }
}
"""The body is read by :mod:`melonkube.serving.predict.full`, not by the framework, which would only describe it."""


def _service(request: Request) -> EndpointService:
    service: EndpointService = request.app.state.endpoints
    return service


Endpoints = Annotated[EndpointService, Depends(_service)]


@router.put(
    "/{name}",
    status_code=200,
    responses={
        201: {"model": Endpoint, "description": "Made."},
        **problem_responses(NotFound, NoCompletedTrial, UpstreamUnavailable),
    },
)
async def put_endpoint(name: Slug, body: EndpointPut, user: User, endpoints: Endpoints, response: Response) -> Endpoint:
    """Say what an endpoint shall answer with. What answers now goes on until the new version is ready."""
    endpoint, new = await endpoints.put(Key(user.workspace_id, name), body)
    response.status_code = 201 if new else 200
    return endpoint


@router.get("")
async def list_endpoints(user: User, endpoints: Endpoints, limit: Limit = 100, cursor: Cursor = None) -> Page[Endpoint]:
    """List endpoints by name."""
    after = decode_cursor(cursor, str)
    found = await endpoints.page(user.workspace_id, after[0] if after else None, limit + 1)
    items = found[:limit]
    return Page(items=items, next_cursor=encode_cursor(items[-1].name) if len(found) > limit else None)


@router.get("/{name}", responses=problem_responses(NotFound))
async def get_endpoint(name: str, user: User, endpoints: Endpoints) -> Endpoint:
    """Return an endpoint: what answers now, and in `target` what is coming."""
    return await endpoints.get(Key(user.workspace_id, name))


@router.delete("/{name}", status_code=204, responses=problem_responses(NotFound))
async def delete_endpoint(name: str, user: User, endpoints: Endpoints) -> None:
    """Delete an endpoint. The model version it served is free again a moment later."""
    await endpoints.delete(Key(user.workspace_id, name))


@router.get("/{name}/schema", responses=problem_responses(NotFound, EndpointNotReady))
async def get_endpoint_schema(name: str, user: User, endpoints: Endpoints) -> EndpointSchema:
    """Return what to send to the version that answers now, with a real row as an example."""
    return await endpoints.schema(Key(user.workspace_id, name))


@router.post(
    "/{name}/predict",
    response_model=PredictAnswer,
    openapi_extra=_PREDICT_BODY,
    responses=problem_responses(
        NotFound, InvalidRequest, InvalidInstances, BodyTooLarge, UnsupportedMediaType, EndpointNotReady
    ),
)
async def predict(name: str, request: Request, user: User, endpoints: Endpoints) -> Response:
    """Predict rows, each an object of column and value. Safe to repeat.

    Every field of the signature must be there, null where its value is missing. The target and columns that training
    left out are ignored with a warning; a category never seen in training counts as missing, with a warning.
    """
    settings: Settings = request.app.state.settings
    service: PredictService = request.app.state.predict
    live = await endpoints.live(Key(user.workspace_id, name))
    _check_type(request)
    try:
        body = await _read(request, settings.predict.max_body_bytes)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    return Response(await service.answer(live, body), media_type="application/json")


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("Send the instances as JSON, with the header Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("A compressed body is not taken here; send it as it is.")


async def _read(request: Request, limit: int) -> bytes:
    too_large = BodyTooLarge(f"The body is larger than {limit} bytes; send fewer instances a call.")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise too_large
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise too_large
    return bytes(body)
