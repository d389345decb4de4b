"""The replicas behind a service's name: which there are, and which of them takes the next call."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection

from yarl import URL

from melonkube.gateway.forward.settings import ForwardSettings
from melonkube.kit.logs import get_logger

log = get_logger("melonkube.gateway.replicas")


Resolve = Callable[[str, int], Awaitable[Collection[str]]]
"""Returns the addresses of a host; raises OSError where it has none, or cannot tell."""


class NoReplica(OSError):
    """A service's name leads to no address."""


class Rota:
    """Gives addresses in turn, and those that failed of late only where there are no others. Pure.

    Args:
        aside_seconds: How long an address that failed is left out.
    """

    def __init__(self, aside_seconds: float) -> None:
        self._aside_seconds = aside_seconds
        self._addresses: tuple[str, ...] = ()
        self._aside: dict[str, float] = {}
        self._turn = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that are known."""
        return self._addresses

    def know(self, addresses: Collection[str]) -> None:
        """Take note of the addresses there are now."""
        self._addresses = tuple(sorted(addresses))
        self._aside = {each: until for each, until in self._aside.items() if each in self._addresses}

    def set_aside(self, address: str, now: float) -> None:
        """Take note that an address does not answer."""
        self._aside[address] = now + self._aside_seconds

    def good(self, now: float, avoid: Collection[str] = ()) -> list[str]:
        """Return the addresses that nothing is known against, without those to avoid."""
        return [each for each in self._addresses if each not in avoid and self._aside.get(each, now) <= now]

    def choose(self, now: float, avoid: Collection[str] = ()) -> str | None:
        """Return the address for the next call; one to avoid only where there is no other. None: none is known."""
        candidates = self.good(now, avoid) or [each for each in self._addresses if each not in avoid] or self._addresses
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]


class Replicas:
    """One service's replicas, as the system's resolver knows them. Used on one event loop.

    A name with several addresses (Kubernetes: a headless Service) has a replica behind each; a name with one, or an
    address, has one, whatever stands behind it.

    Args:
        base: The service's address, ``http://name:port``.
        settings: How long things hold.
        resolve: Asks for the addresses behind a host name and port; by default the system's resolver.
    """

    def __init__(self, base: str, settings: ForwardSettings, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or _system
        self._url = URL(base)
        self._rota = Rota(settings.aside_seconds)
        self._resolve_seconds = settings.resolve_seconds
        self._fixed = self._url.scheme != "http" or _is_address(self._url.host or "")
        self._stale_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        if self._fixed:
            self._rota.know([base])

    async def know(self) -> None:
        """Have the resolver asked where that is due; wait for it only where nothing is known."""
        if not self._fixed and self._refreshing is None and asyncio.get_running_loop().time() >= self._stale_at:
            self._refreshing = asyncio.create_task(self._refresh())
        if not self._rota.addresses and self._refreshing is not None:
            await asyncio.shield(self._refreshing)

    async def choose(self, avoid: Collection[str] = ()) -> str:
        """Return the address of the replica for the next call.

        Raises:
            NoReplica: The name leads nowhere.
        """
        await self.know()
        found = self._rota.choose(asyncio.get_running_loop().time(), avoid)
        if found is None:
            raise NoReplica(f"{self._url.host} has no address")
        return found

    def set_aside(self, address: str) -> None:
        """Take note that a replica does not answer."""
        self._rota.set_aside(address, asyncio.get_running_loop().time())

    def others(self, avoid: Collection[str] = ()) -> bool:
        """Whether there is a replica beside those to avoid that nothing is known against."""
        return bool(self._rota.good(asyncio.get_running_loop().time(), avoid))

    @property
    def many(self) -> bool:
        """Whether there is more than one."""
        return len(self._rota.addresses) > 1

    async def close(self) -> None:
        """Ask the resolver no more."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _refresh(self) -> None:
        """Ask the resolver. What was known holds on while it gives no answer."""
        host, port = self._url.host or "", self._url.port or 80
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            if self._rota.addresses:
                log.warning(
                    "the name cannot be resolved, the known addresses are used", name=self._url.host, error=str(error)
                )
        else:
            self._rota.know({str(self._url.with_host(address).origin()) for address in found})
        finally:
            self._stale_at = asyncio.get_running_loop().time() + self._resolve_seconds
            self._refreshing = None


async def _system(host: str, port: int) -> Collection[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {str(address[0]) for *_, address in found}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
