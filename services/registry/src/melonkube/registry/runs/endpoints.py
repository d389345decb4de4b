"""HTTP of runs."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.requests import ClientDisconnect

from melonkube.contracts.base import Page
from melonkube.contracts.ids import UUID_PATTERN
from melonkube.contracts.runs import Artifact, LogBatch, LogEntry, MetricBatch, MetricList, Run, RunCreate, RunFinish
from melonkube.kit.auth import Anyone, Service, User
from melonkube.kit.errors import BodyTooLarge, Conflict, InUse, InvalidRequest, NotFound, StorageFull, problem_responses
from melonkube.kit.paging import Cursor, Limit, decode_cursor, encode_cursor
from melonkube.registry.blobs.serve import RangeNotSatisfiable, serve_blob
from melonkube.registry.dependencies import ClientClosed, Parts
from melonkube.registry.runs.domain import UnsafeArtifact
from melonkube.registry.runs.form import read_files

Sha256 = Annotated[
    str | None, Header(pattern=r"^[0-9a-fA-F]{64}$", description="Of the body; checked against the bytes that arrive.")
]

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])
internal = APIRouter(prefix="/internal/experiments", include_in_schema=False)

RunId = Annotated[str, Path(pattern=UUID_PATTERN)]
_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": Run, "description": "The run was there."},
        **problem_responses(NotFound, Conflict, InvalidRequest),
    },
)
async def create_run(wanted: RunCreate, response: Response, parts: Parts, who: Anyone) -> Run:
    """Make a run, or get the one that has this id, or is of this trial and attempt."""
    run, made = await parts.runs.create(who, wanted)
    response.status_code = 201 if made else 200
    return run


@router.get("", responses=problem_responses(InvalidRequest))
async def list_runs(
    parts: Parts,
    user: User,
    experiment_id: Annotated[str | None, Query(pattern=UUID_PATTERN)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Run]:
    """Runs, the newest first."""
    key = decode_cursor(cursor, str)
    items = await parts.runs.page(
        user, experiment_id=experiment_id, before=None if key is None else key[0], limit=limit + 1
    )
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=encode_cursor(items[limit - 1].id) if more else None)


@router.get("/{run_id}", responses=problem_responses(NotFound))
async def get_run(run_id: RunId, parts: Parts, who: Anyone) -> Run:
    """A run, with the last value of each of its series."""
    return await parts.runs.get(who, run_id)


@router.delete("/{run_id}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_run(run_id: RunId, parts: Parts, user: User) -> None:
    """Delete a run with all it holds."""
    await parts.runs.delete(user, run_id)


@router.post("/{run_id}/finish", responses=problem_responses(NotFound, Conflict))
async def finish_run(run_id: RunId, end: RunFinish, parts: Parts, who: Anyone) -> Run:
    """End a run; safe to repeat with the same state."""
    return await parts.runs.finish(who, run_id, end)


@router.post("/{run_id}/metrics", status_code=204, responses=problem_responses(NotFound, Conflict, InvalidRequest))
async def write_run_metrics(run_id: RunId, batch: MetricBatch, parts: Parts, who: Anyone) -> None:
    """Add points to the run's series."""
    await parts.runs.write_metrics(who, run_id, batch.points)


@router.get("/{run_id}/metrics", responses=problem_responses(NotFound))
async def read_run_metrics(run_id: RunId, parts: Parts, who: Anyone) -> MetricList:
    """All series of a run."""
    return await parts.runs.metrics(who, run_id)


@router.post("/{run_id}/logs", status_code=204, responses=problem_responses(NotFound, Conflict, InvalidRequest))
async def write_run_logs(run_id: RunId, batch: LogBatch, parts: Parts, who: Anyone) -> None:
    """Add lines to the run's log."""
    await parts.runs.write_logs(who, run_id, batch.lines)


@router.get("/{run_id}/logs", responses=problem_responses(NotFound, InvalidRequest))
async def read_run_logs(
    run_id: RunId, parts: Parts, who: Anyone, limit: Limit = 1000, cursor: Cursor = None
) -> Page[LogEntry]:
    """The run's log in order; `next_cursor` is null when there is no more for now."""
    key = decode_cursor(cursor, int)
    items = await parts.runs.logs(who, run_id, after=-1 if key is None else key[0], limit=limit + 1)
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=encode_cursor(items[limit - 1].seq) if more else None)


@router.get("/{run_id}/artifacts", responses=problem_responses(NotFound, InvalidRequest))
async def list_run_artifacts(
    run_id: RunId, parts: Parts, who: Anyone, limit: Limit = 200, cursor: Cursor = None
) -> Page[Artifact]:
    """Files of a run, in the order of their paths."""
    key = decode_cursor(cursor, str)
    items = await parts.runs.artifacts(who, run_id, after="" if key is None else key[0], limit=limit + 1)
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=encode_cursor(items[limit - 1].path) if more else None)


@router.post(
    "/{run_id}/artifacts",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "title": "ArtifactFiles",
                        "type": "object",
                        "additionalProperties": {"type": "string", "format": "binary"},
                        "description": "Files by their paths, such as `model/manifest.json`.",
                    }
                }
            },
        }
    },
    responses=problem_responses(NotFound, Conflict, InvalidRequest, UnsafeArtifact, BodyTooLarge, StorageFull),
)
async def put_run_artifacts(
    run_id: RunId, request: Request, parts: Parts, who: Anyone, x_content_sha256: Sha256 = None
) -> Page[Artifact]:
    """Keep several small files of a run (4 MiB together), all or none, in one call and one transaction."""
    try:
        files = await read_files(request.headers.get("content-type"), request.stream(), x_content_sha256)
    except ClientDisconnect as error:
        raise ClientClosed("The upload was broken off.") from error
    return Page(items=await parts.runs.put_artifacts(who, run_id, files))


@router.put(
    "/{run_id}/artifacts/{path:path}",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
    responses={
        200: {"model": Artifact, "description": "There was a file under this path."},
        **problem_responses(NotFound, Conflict, InvalidRequest, UnsafeArtifact, BodyTooLarge, StorageFull),
    },
)
async def put_run_artifact(
    run_id: RunId,
    path: str,
    request: Request,
    response: Response,
    parts: Parts,
    who: Anyone,
    content_type: Annotated[str | None, Header()] = None,
    x_content_sha256: Sha256 = None,
) -> Artifact:
    """Keep a file of a run, streamed."""
    length = request.headers.get("content-length", "")
    try:
        artifact, new = await parts.runs.put_artifact(
            who,
            run_id,
            path,
            request.stream(),
            content_type=content_type,
            sha256=x_content_sha256,
            declared_bytes=int(length) if length.isdigit() else None,
        )
    except ClientDisconnect as error:
        raise ClientClosed("The upload was broken off.") from error
    response.status_code = 201 if new else 200
    return artifact


@router.get(
    "/{run_id}/artifacts/{path:path}",
    response_class=Response,
    responses={200: {"content": _FILE}, **problem_responses(NotFound, InvalidRequest, RangeNotSatisfiable)},
)
async def get_run_artifact(run_id: RunId, path: str, request: Request, parts: Parts, who: Anyone) -> Response:
    """A file of a run."""
    artifact, blob = await parts.runs.artifact(who, run_id, path)
    return await serve_blob(
        parts.store,
        request,
        blob,
        file_name=artifact.path.rsplit("/", 1)[-1],
        content_type=artifact.content_type,
    )


@internal.delete("/{experiment_id}/runs", status_code=204)
async def delete_experiment_runs(
    experiment_id: Annotated[str, Path(pattern=UUID_PATTERN)], parts: Parts, service: Service
) -> None:
    """Delete all runs of an experiment."""
    await parts.runs.delete_experiment(service, experiment_id)
