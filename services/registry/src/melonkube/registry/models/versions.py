"""What one can do with versions of models."""

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import select

from melonkube.contracts.models import (
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    ModelVersion,
    ModelVersionCreate,
)
from melonkube.contracts.runs import SYSTEM_SERIES, RunState
from melonkube.kit.db import Database, ReadSession
from melonkube.kit.errors import Conflict, InUse, NotFound
from melonkube.registry.blobs.models import BlobRow
from melonkube.registry.blobs.service import BlobService
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.datasets.repository import one_at_a_time
from melonkube.registry.models.domain import (
    DOCUMENT_BYTES,
    Bundle,
    FileFact,
    NotABundle,
    check_bundle,
    check_golden,
    lineage_of,
    read_input_example,
    read_signature,
)
from melonkube.registry.models.download import zip_of
from melonkube.registry.models.models import ModelVersionRow
from melonkube.registry.models.repository import ModelRepository
from melonkube.registry.models.schemas import version_of
from melonkube.registry.models.service import demand_model, named, new_model
from melonkube.registry.runs.domain import check_path
from melonkube.registry.runs.models import RunRow
from melonkube.registry.runs.repository import RunRepository

_FILES_AT_MOST = 1000


class VersionService:
    """Versions of a workspace's models. Owned by the app."""

    def __init__(
        self, database: Database, repository: ModelRepository, runs: RunRepository, blobs: BlobService
    ) -> None:
        self._db = database
        self._repository = repository
        self._runs = runs
        self._blobs = blobs

    async def create(self, workspace_id: str, name: str, wanted: ModelVersionCreate) -> tuple[ModelVersion, bool]:
        """Make a version of a run's bundle, or return the one made of it before; and whether it was made.

        Raises:
            NotFound: There is no such run.
            Conflict: The run is not completed, so that its files may still change.
            NotABundle: What the run has there is not a bundle.
            UnsafeArtifact: Loading such a model would run code.
        """
        folder = check_path(wanted.artifact_path.rstrip("/")) + "/"
        bundle = await self._bundle(workspace_id, wanted.run_id, folder)
        signature = read_signature(await self._document(workspace_id, bundle, SIGNATURE_NAME))
        example = read_input_example(await self._document(workspace_id, bundle, INPUT_EXAMPLE_NAME))
        check_golden(await self._document(workspace_id, bundle, GOLDEN_NAME))
        async with self._db.write() as session:
            await one_at_a_time(session, "model", workspace_id, name)
            run = await self._run(session, workspace_id, wanted.run_id, lock=True)
            model = await self._repository.get(session, workspace_id, name, lock=True)
            if model is None:
                model = new_model(workspace_id, name, "")
                session.add(model)
                await session.flush()
            same = await self._repository.same_version(session, workspace_id, model.id, run.id, bundle.digest)
            if same is not None:
                aliases = await self._repository.aliases(session, workspace_id, [model.id])
                return version_of(name, same, [a.alias for a in aliases if a.version == same.version]), False
            dataset = None
            if run.dataset_id is not None:
                dataset = await session.scalar(
                    select(DatasetRow).where(DatasetRow.workspace_id == workspace_id, DatasetRow.id == run.dataset_id)
                )
            model.last_version += 1
            row = ModelVersionRow(
                model_id=model.id,
                version=model.last_version,
                workspace_id=workspace_id,
                run_id=run.id,
                artifact_path=folder.removesuffix("/"),
                digest=bundle.digest,
                flavor=bundle.manifest.flavor,
                description=wanted.description,
                size_bytes=bundle.size_bytes,
                files=[{"path": path, "sha256": file.sha256} for path, file in bundle.files.items()],
                signature=signature.model_dump(mode="json"),
                input_example=example,
                metrics={
                    series: point[1] for series, point in run.latest.items() if not series.startswith(SYSTEM_SERIES)
                },
                lineage=lineage_of(run, dataset).model_dump(mode="json"),
                created_at=datetime.now(UTC),
            )
            session.add(row)
            return version_of(name, row, []), True

    async def _run(self, session: ReadSession, workspace_id: str, run_id: str, *, lock: bool = False) -> RunRow:
        run = await self._runs.get(session, workspace_id, run_id, lock=lock)
        if run is None:
            raise NotFound(f"There is no run {run_id}.")
        if run.state != RunState.COMPLETED:
            raise Conflict(
                f"The run is {run.state}; a version is made of a completed run, whose files can no longer change."
            )
        return run

    async def _bundle(self, workspace_id: str, run_id: str, folder: str) -> Bundle:
        async with self._db.read() as session:
            await self._run(session, workspace_id, run_id)
            rows = await self._runs.artifacts(session, workspace_id, run_id, below=folder, limit=_FILES_AT_MOST)
        stored = {row.path.removeprefix(folder): FileFact(row.sha256, row.size_bytes) for row in rows}
        if MANIFEST_NAME not in stored:
            raise NotABundle(
                f"The run left no model: it has no {folder}{MANIFEST_NAME}. Save its bundle there while it trains."
            )
        manifest = await self._small(workspace_id, MANIFEST_NAME, stored[MANIFEST_NAME])
        return check_bundle(manifest, stored)

    async def _document(self, workspace_id: str, bundle: Bundle, name: str) -> bytes:
        return await self._small(workspace_id, name, bundle.files[name])

    async def _small(self, workspace_id: str, name: str, file: FileFact) -> bytes:
        if file.size_bytes > DOCUMENT_BYTES:
            raise NotABundle(f"{name} is larger than {DOCUMENT_BYTES >> 20} MiB.")
        return await self._blobs.read(workspace_id, file.sha256)

    async def page(self, workspace_id: str, name: str, *, before: int | None, limit: int) -> list[ModelVersion]:
        """Return versions of a model, the newest first."""
        async with self._db.read() as session:
            model = await demand_model(self._repository, session, workspace_id, name)
            rows = await self._repository.versions(session, workspace_id, model.id, before=before, limit=limit)
            aliases: dict[int, list[str]] = defaultdict(list)
            for alias in await self._repository.aliases(session, workspace_id, [model.id]):
                aliases[alias.version].append(alias.alias)
        return [version_of(name, row, aliases[row.version]) for row in rows]

    async def get(self, workspace_id: str, name: str, version: int) -> ModelVersion:
        """Return a version.

        Raises:
            NotFound: The model has none of that number.
        """
        async with self._db.read() as session:
            row = await self._get(session, workspace_id, name, version)
            aliases = await self._repository.aliases(session, workspace_id, [row.model_id])
        return version_of(name, row, [alias.alias for alias in aliases if alias.version == version])

    async def _get(self, session: ReadSession, workspace_id: str, name: str, version: int) -> ModelVersionRow:
        model = await demand_model(self._repository, session, workspace_id, name)
        row = await self._repository.version(session, workspace_id, model.id, version)
        if row is None:
            raise NotFound(f"Model '{name}' has no version {version}.")
        return row

    async def delete(self, workspace_id: str, name: str, version: int) -> None:
        """Delete a version.

        Raises:
            InUse: An alias points at it, or something depends on it.
        """
        async with self._db.write() as session:
            model = await demand_model(self._repository, session, workspace_id, name, lock=True)
            row = await self._get(session, workspace_id, name, version)
            for alias in await self._repository.aliases(session, workspace_id, [model.id]):
                if alias.version == version:
                    raise InUse(f"Alias '{alias.alias}' points at version {version}; move or delete it first.")
            holders = [
                holder
                for holder in await self._repository.references(session, workspace_id, model.id)
                if holder.version == version
            ]
            if holders:
                raise InUse(f"{named(holders)} on version {version} of '{name}'; delete or repoint that first.")
            await self._repository.remove_version(session, row)

    async def file(self, workspace_id: str, name: str, version: int, path: str) -> BlobRow:
        """Return where a file of the bundle is.

        Raises:
            NotFound: The bundle has no such file.
        """
        async with self._db.read() as session:
            row = await self._get(session, workspace_id, name, version)
        for file in row.files:
            if file["path"] == path:
                return await self._blobs.find(workspace_id, file["sha256"])
        raise NotFound(f"Version {version} of '{name}' has no file '{path}'.")

    async def archive(self, workspace_id: str, name: str, version: int) -> AsyncIterator[bytes]:
        """Return the bundle as a ZIP archive, in pieces."""
        async with self._db.read() as session:
            row = await self._get(session, workspace_id, name, version)
        files = {file["path"]: await self._blobs.find(workspace_id, file["sha256"]) for file in row.files}
        return zip_of(self._blobs.store, files, row.created_at)
