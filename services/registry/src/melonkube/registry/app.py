"""Builds the registry's app."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI

from melonkube.kit.app import create_service_app
from melonkube.kit.db import Database
from melonkube.kit.tokens import TokenKey, TokenVerifier
from melonkube.registry.blobs.repository import BlobRepository
from melonkube.registry.blobs.service import BlobService
from melonkube.registry.blobs.store import ObjectStore
from melonkube.registry.datasets import endpoints as datasets
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.datasets.parsing import Parsing
from melonkube.registry.datasets.readers import ReaderPool
from melonkube.registry.datasets.repository import DatasetRepository
from melonkube.registry.datasets.service import DatasetService
from melonkube.registry.dependencies import RegistryParts
from melonkube.registry.janitor import Janitor, migrate_when_possible
from melonkube.registry.owner import Owner
from melonkube.registry.runs import endpoints as runs
from melonkube.registry.runs.models import ArtifactRow
from melonkube.registry.runs.repository import RunRepository
from melonkube.registry.runs.service import RunService
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
    parts = RegistryParts(
        settings=settings,
        store=store,
        blobs=blobs,
        parsing=parsing,
        datasets=DatasetService(database, dataset_rows, blobs, parsing, settings.limits.upload_bytes),
        runs=RunService(database, RunRepository(), blobs, settings.limits.artifact_bytes),
    )

    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if readers is None:
            await asyncio.to_thread(own_readers.warm)
        await migrate_when_possible(database, "registry")
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
        routers=[datasets.router, datasets.internal, runs.router, runs.internal],
        lifespan=lifespan,
        verifier=TokenVerifier(TokenKey.load(settings.tokens), "registry"),
        database=database,
        ready=[store.check],
    )
    app.state.parts = parts
    return app
