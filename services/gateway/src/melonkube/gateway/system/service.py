"""Asks every service whether it is ready."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from melonkube.contracts.system import ServiceStatus
from melonkube.gateway.forward.domain import SERVICES
from melonkube.gateway.forward.proxy import Forwarder
from melonkube.kit.errors import NotReady
from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_SERVICE, Principal, TokenSigner

_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
_SELF = Principal("service:gateway", DEFAULT_WORKSPACE, frozenset({SCOPE_SERVICE}))


class SystemService:
    """What ``/api/v1/system`` and ``/readyz`` tell.

    Args:
        forwarder: Reaches the services.
        signer: Makes the token with which the tuner is asked for its workers.
    """

    def __init__(self, forwarder: Forwarder, signer: TokenSigner) -> None:
        self._forwarder = forwarder
        self._signer = signer

    async def services(self) -> list[ServiceStatus]:
        """Return how each service is, the gateway among them."""
        others = await asyncio.gather(*(self._status(service) for service in SERVICES))
        return [ServiceStatus(name="gateway", ready=True), *others]

    async def check(self) -> None:
        """Let ``/readyz`` pass when every service is ready.

        Raises:
            NotReady: One is not.
        """
        missing = [status for status in await self.services() if not status.ready]
        if missing:
            said = " ".join(f"{status.name}: {status.detail}" for status in missing)
            raise NotReady(f"Not every service is ready. {said}")

    async def workers(self) -> int | None:
        """Return how many trials may run at once, None while the tuner does not say."""
        headers = {"Authorization": f"Bearer {self._signer.sign(_SELF, 'tuner')}"}
        status, body = await self._get("tuner", "/api/v1/executor", headers)
        slots = body.get("slots")
        return slots if status == 200 and isinstance(slots, int) else None

    async def _status(self, service: str) -> ServiceStatus:
        status, body = await self._get(service, "/readyz", {})
        if status == 200:
            return ServiceStatus(name=service, ready=True)
        return ServiceStatus(name=service, ready=False, detail=str(body.get("detail") or "It does not answer."))

    async def _get(self, service: str, path: str, headers: Mapping[str, str]) -> tuple[int | None, dict[str, Any]]:
        """Return status and JSON object of an answer; None and nothing where there is none."""
        address = self._forwarder.address(service) + path
        try:
            async with self._forwarder.session.get(address, headers=headers, timeout=_TIMEOUT) as answer:
                body = await answer.json(content_type=None)
                return answer.status, body if isinstance(body, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None, {}
