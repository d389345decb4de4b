"""Builds the registry's app."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI

from melonkube.kit.app import create_service_app
from melonkube.kit.db import Database
from melonkube.kit.migrations import migrate_when_there
from melonkube.kit.tokens import TokenKey, TokenVerifier
from melonkube.registry.blobs.repository import BlobRepository
from melonkube.registry.blobs.service import BlobService
from melonkube.registry.blobs.store import ObjectStore
from melonkube.registry.datasets import endpoints as dataset_endpoints
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.datasets.parsing import Parsing
from melonkube.registry.datasets.readers import ReaderPool
from melonkube.registry.datasets.repository import DatasetRepository
from melonkube.registry.datasets.service import DatasetService
from melonkube.registry.dependencies import RegistryParts
from melonkube.registry.janitor import Janitor
from melonkube.registry.models import endpoints as model_endpoints
from melonkube.registry.models.changes import Changes
from melonkube.registry.models.repository import ModelRepository
from melonkube.registry.models.service import ModelService
from melonkube.registry.models.versions import VersionService
from melonkube.registry.owner import Owner
from melonkube.registry.runs import endpoints as run_endpoints
from melonkube.registry.runs.models import ArtifactRow
from melonkube.registry.runs.repository import RunRepository
from melonkube.registry.runs.service import RunService
from melonkube.registry.samples import endpoints as sample_endpoints
from melonkube.registry.samples.service import SampleService
from melonkube.registry.settings import Settings

REFERENCES = (DatasetRow.sha256, DatasetRow.parquet_sha256, ArtifactRow.sha256)
"""Every column that refers to stored content."""


def create_app(settings: Settings, readers: ReaderPool | None = None) -> FastAPI:
    """Return the registry's app; it connects to nothing before its lifespan begins.

    Args:
        settings: What it is told.
        readers: Processes that read files, if they are another's to end; by default the app's own.
    """
    database = Database.from_settings(settings, "registry")
    owner = Owner()
    store = ObjectStore.from_settings(settings, owner)
    blobs = BlobService(database, store, BlobRepository(REFERENCES))
    dataset_rows = DatasetRepository()
    own_readers = ReaderPool(settings.parsing.processes)
    parsing = Parsing(database, dataset_rows, blobs, readers or own_readers, owner, settings)
    datasets = DatasetService(database, dataset_rows, blobs, parsing, settings.limits.upload_bytes)
    run_rows = RunRepository()
    model_rows = ModelRepository()
    changes = Changes(database, model_rows)
    parts = RegistryParts(
        settings=settings,
        store=store,
        blobs=blobs,
        parsing=parsing,
        datasets=datasets,
        runs=RunService(database, run_rows, blobs, settings.limits.artifact_bytes),
        models=ModelService(database, model_rows, changes),
        versions=VersionService(database, model_rows, run_rows, blobs),
        changes=changes,
        samples=SampleService(settings.samples_dir, datasets),
    )

    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if readers is None:
            await asyncio.to_thread(own_readers.warm)
        await migrate_when_there(database, "registry")
        janitor = asyncio.create_task(Janitor(blobs, parsing, settings.janitor).run())
        try:
            yield
        finally:
            janitor.cancel()
            await asyncio.gather(janitor, return_exceptions=True)
            await asyncio.to_thread(own_readers.close)
            await parsing.close()

    app = create_service_app(
        service="registry",
        title="MelonKube registry",
        routers=[
            dataset_endpoints.router,
            dataset_endpoints.internal,
            sample_endpoints.router,
            run_endpoints.router,
            run_endpoints.internal,
            model_endpoints.router,
            model_endpoints.internal,
        ],
        lifespan=lifespan,
        verifier=TokenVerifier(TokenKey.load(settings.tokens), "registry"),
        database=database,
        ready=[store.check],
    )
    app.state.parts = parts
    return app
