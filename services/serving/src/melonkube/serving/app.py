"""Puts serving together."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from fastapi import FastAPI

from melonkube.contracts.endpoints import PredictRequest
from melonkube.kit.app import create_service_app
from melonkube.kit.client import PeerClient
from melonkube.kit.db import Database
from melonkube.kit.migrations import migrate_when_there
from melonkube.kit.tokens import TokenKey, TokenSigner, TokenVerifier
from melonkube.serving.bundles.cache import BundleCache
from melonkube.serving.converge.keeper import Parts
from melonkube.serving.converge.loader import Loader
from melonkube.serving.converge.reconciler import Reconciler
from melonkube.serving.endpoints.endpoints import router
from melonkube.serving.endpoints.service import EndpointService
from melonkube.serving.peers import Registry, Tuner
from melonkube.serving.predict.fast import FastPath
from melonkube.serving.predict.service import PredictService
from melonkube.serving.predict.stats import EndpointCollector
from melonkube.serving.predict.table import LiveTable
from melonkube.serving.runtimes.protocol import find_runtimes
from melonkube.serving.settings import Settings

SERVICE = "serving"


def create_app(settings: Settings, transports: Mapping[str, httpx.AsyncBaseTransport] | None = None) -> FastAPI:
    """Return the app. Nothing is opened before its lifespan begins.

    Args:
        settings: All settings.
        transports: For tests: where calls to ``registry`` and ``tuner`` go instead of the network.

    Its ``state`` has ``fast``, the fast path of predict, for the protocol of the server.
    """
    key = TokenKey.load(settings.tokens)
    signer = TokenSigner(key, settings.tokens.lifetime_seconds)
    verifier = TokenVerifier(key, SERVICE)
    database = Database.from_settings(settings, SERVICE)
    clients = {
        peer: PeerClient(address, peer, SERVICE, signer, (transports or {}).get(peer))
        for peer, address in (("registry", settings.peers.registry), ("tuner", settings.peers.tuner))
    }
    registry = Registry(clients["registry"])
    cache = BundleCache(settings.data_dir / "bundles", settings.bundles.cache_bytes)
    collector = EndpointCollector()
    table = LiveTable(collector)
    loader = Loader(registry, cache, find_runtimes(), settings.bundles, settings.converge.loads)
    reconciler = Reconciler(Parts(registry, loader, table, collector, database, settings.converge))
    predict = PredictService(settings.predict)

    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(cache.open)
        await migrate_when_there(database, SERVICE)
        await reconciler.start()
        # What is here now stays: no collection needs to walk through it while predictions wait.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await reconciler.close()
            await predict.close()
            for client in clients.values():
                await client.close()

    app = create_service_app(
        service=SERVICE,
        title="MelonKube serving",
        routers=[router],
        lifespan=lifespan,
        verifier=verifier,
        database=database,
    )
    app.state.metrics.registry.register(collector)
    app.state.settings = settings
    app.state.endpoints = EndpointService(
        database, registry, Tuner(clients["tuner"]), reconciler, table, settings.converge.wait_seconds
    )
    app.state.predict = predict
    app.state.reconciler = reconciler
    app.state.fast = FastPath(
        table,
        verifier,
        app.state.metrics.durations,
        settings.predict.inline_seconds,
        settings.predict.max_rows,
        settings.predict.max_body_bytes,
    )
    _describe_predict(app)
    return app


def _describe_predict(app: FastAPI) -> None:
    """Add the predict call's body, which the framework does not see, to the document's schemas."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"].setdefault("PredictRequest", PredictRequest.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
