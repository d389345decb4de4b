"""Builds the gateway."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import FastAPI
from starlette.middleware import Middleware

from melonkube.gateway.apidoc import endpoints as apidoc
from melonkube.gateway.apidoc.endpoints import DocumentCache
from melonkube.gateway.door.endpoints import sign_in_router
from melonkube.gateway.door.hosts import OwnNames
from melonkube.gateway.door.keys import OwnerKey
from melonkube.gateway.door.middleware import DoorMiddleware
from melonkube.gateway.forward.domain import SERVICES
from melonkube.gateway.forward.proxy import Forwarder, ForwardMiddleware, as_owner
from melonkube.gateway.page.endpoints import page_router
from melonkube.gateway.settings import Settings
from melonkube.gateway.system import endpoints as system
from melonkube.gateway.system.service import SystemService
from melonkube.kit.app import create_service_app
from melonkube.kit.tokens import TokenKey, TokenSigner, TokenVerifier


def create_app(settings: Settings) -> FastAPI:
    """Return the gateway's app; it calls nobody before it is started.

    Raises:
        ValueError: ``settings`` name no token key.
        OSError: The key cannot be read.
    """
    key = TokenKey.load(settings.tokens)
    signer = TokenSigner(key, settings.tokens.lifetime_seconds)
    own = settings.gateway
    owner = OwnerKey(own.owner_key.get_secret_value(), own.session_seconds) if own.owner_key is not None else None
    peers = {service: getattr(settings.peers, service) for service in SERVICES}
    forwarder = Forwarder(peers, as_owner(signer), own)
    status = SystemService(forwarder, signer)

    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await forwarder.open()
        try:
            yield
        finally:
            await forwarder.close()

    app = create_service_app(
        service="gateway",
        title="MelonKube gateway",
        routers=[apidoc.router, system.router, *([sign_in_router(owner, own.session_seconds)] if owner else [])],
        lifespan=lifespan,
        verifier=TokenVerifier(key, "gateway"),
        ready=[status.check],
        middleware=[
            Middleware(DoorMiddleware, names=OwnNames.of(own.hosts), owner=owner),
            Middleware(ForwardMiddleware, forwarder=forwarder),
        ],
    )
    forwarder.count_in(app.state.metrics.registry)
    app.include_router(page_router(settings.web_dir))
    app.state.settings = settings
    app.state.started_at = datetime.now(UTC)
    app.state.system = status
    app.state.forwarder = forwarder
    app.state.documents = DocumentCache(app, forwarder)
    return app
