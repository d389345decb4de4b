"""HTTP of data sets."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.requests import ClientDisconnect

from melonkube.contracts.base import Page
from melonkube.contracts.datasets import Dataset, Preview, Profile
from melonkube.contracts.ids import UUID_PATTERN
from melonkube.kit.auth import Anyone, Service, User
from melonkube.kit.errors import (
    BodyTooLarge,
    Conflict,
    InUse,
    InvalidRequest,
    NotFound,
    StorageFull,
    UnsupportedMediaType,
    problem_responses,
)
from melonkube.kit.idempotency import IdempotencyKey
from melonkube.kit.paging import Cursor, Limit, decode_cursor, encode_cursor
from melonkube.kit.tokens import SCOPE_WORKER, Principal
from melonkube.registry.blobs.serve import RangeNotSatisfiable, serve_blob
from melonkube.registry.datasets.columns import stream_columns
from melonkube.registry.datasets.schemas import UPLOAD_FORM
from melonkube.registry.datasets.upload import Upload
from melonkube.registry.dependencies import ClientClosed, Parts

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])
internal = APIRouter(prefix="/internal/datasets", include_in_schema=False)

DatasetId = Annotated[str, Path(pattern=UUID_PATTERN)]
_FILE_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
_FORM_OVERHEAD = 64 * 1024


def _only_own(principal: Principal, dataset_id: str) -> None:
    if SCOPE_WORKER in principal.scopes and principal.dataset_id != dataset_id:
        raise NotFound(f"There is no data set {dataset_id}.")


def _refuse_oversize(request: Request, limit: int) -> None:
    """Answer before the body is read where its declared length is over the limit already."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit + _FORM_OVERHEAD:
        raise BodyTooLarge(
            f"The file is larger than the limit of {limit:,} bytes; send a smaller one, or have the limit raised."
        )


@router.post(
    "",
    status_code=201,
    response_model=Dataset,
    openapi_extra=UPLOAD_FORM,
    responses={
        200: {"model": Dataset, "description": "The same bytes are there under this name."},
        202: {"model": Dataset, "description": "The file has arrived and will be read (`Prefer: respond-async`)."},
        **problem_responses(InvalidRequest, BodyTooLarge, UnsupportedMediaType, Conflict, StorageFull),
    },
)
async def create_dataset(
    request: Request,
    response: Response,
    parts: Parts,
    user: User,
    key: IdempotencyKey = None,
    prefer: Annotated[str | None, Header(description="`respond-async`: answer before the file is read.")] = None,
) -> Dataset:
    """Upload a table: CSV, TSV or Parquet, streamed. The same bytes under the same name are kept once."""
    _refuse_oversize(request, parts.settings.limits.upload_bytes)
    respond_async = "respond-async" in (prefer or "").lower()
    try:
        upload = Upload(request.headers.get("content-type"), request.stream())
        dataset, new = await parts.datasets.upload(user.workspace_id, upload, key=key, respond_async=respond_async)
    except ClientDisconnect as error:
        raise ClientClosed("The upload was broken off.") from error
    response.status_code = 200 if not new else 202 if respond_async else 201
    response.headers["Location"] = f"/api/v1/datasets/{dataset.id}"
    return dataset


@router.get("", responses=problem_responses(InvalidRequest))
async def list_datasets(
    parts: Parts,
    user: User,
    name: Annotated[str | None, Query(max_length=128, description="Only versions of this name.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Dataset]:
    """Data sets, the newest first."""
    key = decode_cursor(cursor, str)
    items = await parts.datasets.page(
        user.workspace_id, name=_storable(name), before=None if key is None else key[0], limit=limit + 1
    )
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=encode_cursor(items[limit - 1].id) if more else None)


def _storable(text: str | None) -> str | None:
    if text is not None and "\x00" in text:
        raise InvalidRequest("name must not hold the character U+0000.")
    return text


@router.get("/{dataset_id}", responses=problem_responses(NotFound))
async def get_dataset(dataset_id: DatasetId, parts: Parts, principal: Anyone) -> Dataset:
    """A data set version."""
    _only_own(principal, dataset_id)
    return await parts.datasets.get(principal.workspace_id, dataset_id)


@router.delete("/{dataset_id}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_dataset(dataset_id: DatasetId, parts: Parts, user: User) -> None:
    """Delete a data set version that no run was made with."""
    await parts.datasets.delete(user.workspace_id, dataset_id)


@router.get("/{dataset_id}/preview", responses=problem_responses(NotFound, Conflict))
async def preview_dataset(
    dataset_id: DatasetId,
    parts: Parts,
    user: User,
    limit: Annotated[int, Query(ge=1, le=200, description="Rows.")] = 50,
) -> Preview:
    """The first rows."""
    return await parts.datasets.preview(user.workspace_id, dataset_id, limit)


@router.get("/{dataset_id}/profile", responses=problem_responses(NotFound, Conflict))
async def profile_dataset(dataset_id: DatasetId, parts: Parts, user: User) -> Profile:
    """What each column holds."""
    return await parts.datasets.profile(user.workspace_id, dataset_id)


@router.get(
    "/{dataset_id}/content",
    response_class=Response,
    responses={**_FILE_ANSWER, **problem_responses(NotFound, RangeNotSatisfiable)},
)
async def download_dataset(dataset_id: DatasetId, request: Request, parts: Parts, user: User) -> Response:
    """The file as it was uploaded."""
    dataset, blob = await parts.datasets.content(user.workspace_id, dataset_id)
    return await serve_blob(
        parts.store, request, blob, file_name=dataset.file_name or dataset.name, content_type="application/octet-stream"
    )


@router.get(
    "/{dataset_id}/parquet",
    response_class=Response,
    responses={**_FILE_ANSWER, **problem_responses(NotFound, Conflict, RangeNotSatisfiable)},
)
async def download_dataset_parquet(
    dataset_id: DatasetId, request: Request, parts: Parts, principal: Anyone
) -> Response:
    """The typed copy, in Parquet; `ETag` is its SHA-256."""
    _only_own(principal, dataset_id)
    dataset, blob = await parts.datasets.parquet(principal.workspace_id, dataset_id)
    return await serve_blob(
        parts.store,
        request,
        blob,
        file_name=f"{dataset.name}-{dataset.version}.parquet",
        content_type="application/vnd.apache.parquet",
    )


@internal.get("/{dataset_id}/columns")
async def dataset_columns(
    dataset_id: DatasetId, parts: Parts, service: Service, name: Annotated[list[str], Query(min_length=1)]
) -> Response:
    """Some columns of the typed copy, as an Arrow IPC stream."""
    dataset, blob = await parts.datasets.parquet(service.workspace_id, dataset_id)
    return await stream_columns(parts.store, blob, dataset, name)
