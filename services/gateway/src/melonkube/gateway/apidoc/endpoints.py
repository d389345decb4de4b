"""``/api/openapi.json``."""

import asyncio
import time
from typing import Any

import aiohttp
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from melonkube.gateway.apidoc.merge import Document, merge, to_text
from melonkube.gateway.forward.domain import SERVICES
from melonkube.gateway.forward.proxy import Forwarder
from melonkube.kit.errors import NotReady

KEEP_SECONDS = 60.0
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=10.0)

router = APIRouter(include_in_schema=False)


class DocumentCache:
    """The merged document, asked for anew after a while, since a service may have been updated.

    Args:
        app: The gateway, whose own endpoints are part of it.
        forwarder: Reaches the services.
    """

    def __init__(self, app: FastAPI, forwarder: Forwarder) -> None:
        self._app = app
        self._forwarder = forwarder
        self._text: str | None = None
        self._until = 0.0

    async def text(self) -> str:
        """Return the document as JSON.

        Raises:
            NotReady: A service gave none.
        """
        if self._text is None or time.monotonic() >= self._until:
            documents = await asyncio.gather(*(self._fetch(service) for service in SERVICES))
            merged = merge({**dict(zip(SERVICES, documents, strict=True)), "gateway": self._app.openapi()})
            self._text, self._until = to_text(merged), time.monotonic() + KEEP_SECONDS
        return self._text

    async def _fetch(self, service: str) -> Document:
        address = self._forwarder.address(service) + "/openapi.json"
        try:
            async with self._forwarder.session.get(address, timeout=_FETCH_TIMEOUT) as answer:
                answer.raise_for_status()
                document: dict[str, Any] = await answer.json()
                return document
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NotReady(
                f"The {service} service does not describe itself just now; try again shortly.",
                headers={"Retry-After": "2"},
            ) from error


@router.get("/api/openapi.json")
async def get_openapi_document(request: Request) -> Response:
    """The merged OpenAPI document of all services."""
    cache: DocumentCache = request.app.state.documents
    return Response(await cache.text(), media_type="application/json", headers={"Cache-Control": "no-cache"})
