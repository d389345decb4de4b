"""HTTP of models."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from melonkube.contracts.base import Name, Page
from melonkube.contracts.models import (
    Alias,
    AliasChanges,
    AliasPut,
    Model,
    ModelCreate,
    ModelVersion,
    ModelVersionCreate,
)
from melonkube.kit.auth import Service, User
from melonkube.kit.errors import Conflict, InUse, InvalidRequest, NameTaken, NotFound, problem_responses
from melonkube.kit.paging import Cursor, Limit, decode_cursor, encode_cursor
from melonkube.registry.blobs.serve import RangeNotSatisfiable, disposition, serve_blob
from melonkube.registry.dependencies import Parts
from melonkube.registry.models.domain import NotABundle
from melonkube.registry.models.schemas import ReferencePut
from melonkube.registry.runs.domain import UnsafeArtifact, content_type_of

router = APIRouter(prefix="/api/v1/models", tags=["models"])
internal = APIRouter(prefix="/internal", include_in_schema=False)

ModelName = Annotated[Name, Path(description="Name of the model.")]
AliasName = Annotated[Name, Path(description="Name of the alias.")]
VersionNumber = Annotated[int, Path(ge=1, lt=2**31)]
Holder = Annotated[Name, Path()]

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.post("", status_code=201, responses=problem_responses(NameTaken, InvalidRequest))
async def create_model(wanted: ModelCreate, parts: Parts, user: User) -> Model:
    """Make a model without versions."""
    return await parts.models.create(user.workspace_id, wanted)


@router.get("", responses=problem_responses(InvalidRequest))
async def list_models(parts: Parts, user: User, limit: Limit = 50, cursor: Cursor = None) -> Page[Model]:
    """Models, the newest first."""
    key = decode_cursor(cursor, str)
    found = await parts.models.page(user.workspace_id, before=None if key is None else key[0], limit=limit + 1)
    more = len(found) > limit
    return Page(
        items=[model for _, model in found[:limit]], next_cursor=encode_cursor(found[limit - 1][0]) if more else None
    )


@router.get("/{name}", responses=problem_responses(NotFound))
async def get_model(name: ModelName, parts: Parts, user: User) -> Model:
    """A model with its aliases."""
    return await parts.models.get(user.workspace_id, name)


@router.delete("/{name}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_model(name: ModelName, parts: Parts, user: User) -> None:
    """Delete a model with its versions and aliases, if nothing depends on them."""
    await parts.models.delete(user.workspace_id, name)


@router.post(
    "/{name}/versions",
    status_code=201,
    responses={
        200: {"model": ModelVersion, "description": "The version was made of this bundle before."},
        **problem_responses(NotFound, Conflict, NotABundle, UnsafeArtifact),
    },
)
async def create_model_version(
    name: ModelName, wanted: ModelVersionCreate, response: Response, parts: Parts, user: User
) -> ModelVersion:
    """Make a version of the bundle that a completed run left; the model too, if it is missing."""
    version, made = await parts.versions.create(user.workspace_id, name, wanted)
    response.status_code = 201 if made else 200
    return version


@router.get("/{name}/versions", responses=problem_responses(NotFound, InvalidRequest))
async def list_model_versions(
    name: ModelName, parts: Parts, user: User, limit: Limit = 50, cursor: Cursor = None
) -> Page[ModelVersion]:
    """Versions of a model, the newest first."""
    key = decode_cursor(cursor, int)
    items = await parts.versions.page(user.workspace_id, name, before=None if key is None else key[0], limit=limit + 1)
    more = len(items) > limit
    return Page(items=items[:limit], next_cursor=encode_cursor(items[limit - 1].version) if more else None)


@router.get("/{name}/versions/{version}", responses=problem_responses(NotFound))
async def get_model_version(name: ModelName, version: VersionNumber, parts: Parts, user: User) -> ModelVersion:
    """A version: its signature, where it came from, how good it was."""
    return await parts.versions.get(user.workspace_id, name, version)


@router.delete("/{name}/versions/{version}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_model_version(name: ModelName, version: VersionNumber, parts: Parts, user: User) -> None:
    """Delete a version that no alias points at and nothing depends on."""
    await parts.versions.delete(user.workspace_id, name, version)


@router.get(
    "/{name}/versions/{version}/download",
    response_class=Response,
    responses={200: {"content": {"application/zip": _BINARY}}, **problem_responses(NotFound)},
)
async def download_model_version(name: ModelName, version: VersionNumber, parts: Parts, user: User) -> Response:
    """The bundle as a ZIP archive."""
    pieces = await parts.versions.archive(user.workspace_id, name, version)
    headers = {"Content-Disposition": disposition(f"{name}-{version}.zip")}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


@router.get(
    "/{name}/versions/{version}/files/{path:path}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": _BINARY}},
        **problem_responses(NotFound, RangeNotSatisfiable),
    },
)
async def get_model_version_file(
    name: ModelName, version: VersionNumber, path: str, request: Request, parts: Parts, user: User
) -> Response:
    """A file of the bundle, such as `manifest.json`."""
    blob = await parts.versions.file(user.workspace_id, name, version, path)
    return await serve_blob(
        parts.store,
        request,
        blob,
        file_name=path.rsplit("/", 1)[-1],
        content_type=content_type_of(path, None),
    )


@router.get("/{name}/aliases", responses=problem_responses(NotFound))
async def list_model_aliases(name: ModelName, parts: Parts, user: User) -> Page[Alias]:
    """Aliases of a model, by name, all on one page."""
    return Page(items=await parts.models.aliases(user.workspace_id, name))


@router.get("/{name}/aliases/{alias}", responses=problem_responses(NotFound))
async def get_model_alias(name: ModelName, alias: AliasName, parts: Parts, user: User) -> Alias:
    """Where an alias points."""
    return await parts.models.alias(user.workspace_id, name, alias)


@router.put("/{name}/aliases/{alias}", responses=problem_responses(NotFound, InvalidRequest))
async def put_model_alias(name: ModelName, alias: AliasName, wanted: AliasPut, parts: Parts, user: User) -> Alias:
    """Point an alias at a version; whatever follows it moves."""
    return await parts.models.put_alias(user.workspace_id, name, alias, wanted.version)


@router.delete("/{name}/aliases/{alias}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_model_alias(name: ModelName, alias: AliasName, parts: Parts, user: User) -> None:
    """Delete an alias that nothing follows."""
    await parts.models.delete_alias(user.workspace_id, name, alias)


@internal.get("/changes")
async def alias_changes(
    parts: Parts,
    service: Service,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    wait: Annotated[float, Query(ge=0, le=30)] = 0.0,
) -> AliasChanges:
    """Alias changes after a number; waits for one if there is none."""
    return await parts.changes.after(service.workspace_id, after, wait)


@internal.put("/references/{holder}", status_code=204)
async def put_model_reference(holder: Holder, wanted: ReferencePut, parts: Parts, service: Service) -> None:
    """Note what a holder depends on."""
    await parts.models.put_reference(service.workspace_id, holder, wanted)


@internal.delete("/references/{holder}", status_code=204)
async def delete_model_reference(holder: Holder, parts: Parts, service: Service) -> None:
    """Note that a holder depends on nothing any more."""
    await parts.models.drop_reference(service.workspace_id, holder)
