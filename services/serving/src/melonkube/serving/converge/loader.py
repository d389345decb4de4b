"""Loads models by digest: from memory, from disk, from the registry; each once, however many endpoints want it."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from melonkube.kit.logs import get_logger
from melonkube.serving.bundles.bundle import BadBundle, read_bundle
from melonkube.serving.bundles.cache import MAX_CRASHES, BundleCache
from melonkube.serving.bundles.fetch import fetch_bundle, runtime_for
from melonkube.serving.peers import Registry
from melonkube.serving.predict.served import ServedModel, load_served
from melonkube.serving.runtimes.protocol import Runtime
from melonkube.serving.settings import BundleSettings

log = get_logger("melonkube.serving.loader")


class KeyedLocks:
    """A lock for each key, there while someone holds or awaits it."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncIterator[None]:
        """Hold the lock of ``key``."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            users = self._locks[key][1] - 1
            if users:
                self._locks[key] = (lock, users)
            else:
                del self._locks[key]


class Loader:
    """Makes ready-to-serve models of digests. Used on the event loop; the work is done on threads."""

    def __init__(
        self,
        registry: Registry,
        cache: BundleCache,
        runtimes: dict[str, Runtime],
        settings: BundleSettings,
        loads: int,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._runtimes = runtimes
        self._max_bytes = settings.max_bytes
        self._loaded: WeakValueDictionary[str, ServedModel] = WeakValueDictionary()
        self._locks = KeyedLocks()
        self._slots = asyncio.Semaphore(loads)
        self._wanted: dict[str, int] = {}

    async def load(self, workspace_id: str, model: str, version: int, digest: str) -> ServedModel:
        """Return the model of a digest, which ``version`` of ``model`` at the registry has.

        Raises:
            BadBundle: It cannot be served.
            PassedOn: The registry refused.
            UpstreamUnavailable: It does not answer.
            OSError: The disk does not do its part.
        """
        fill = partial(
            fetch_bundle,
            *(self._registry.client, workspace_id, model, version, digest, self._runtimes, self._max_bytes),
        )
        async with self._alone(digest):
            served = self._loaded.get(digest)
            if served is not None:
                return served
            folder = await asyncio.to_thread(self._cache.find, digest)
            if folder is not None:
                try:
                    return await self._load(digest, folder)
                except (BadBundle, OSError):
                    log.warning("the copy of a bundle on disk is no good and is fetched again", digest=digest)
                    await asyncio.to_thread(self._cache.drop, digest)
            return await self._load(digest, await self._cache.add(digest, fill))

    async def load_from_disk(self, digest: str) -> ServedModel | None:
        """Return the model of a digest if its bundle is on disk and good; asks nobody."""
        async with self._alone(digest):
            served = self._loaded.get(digest)
            folder = await asyncio.to_thread(self._cache.find, digest)
            if served is not None or folder is None:
                return served
            try:
                return await self._load(digest, folder)
            except (BadBundle, OSError) as error:
                log.warning("a bundle on disk is no good", digest=digest, reason=str(error))
                await asyncio.to_thread(self._cache.drop, digest)
                return None

    async def trim(self) -> None:
        """Let bundles that nobody uses leave the disk as its limit asks.

        One that is wanted again at that very moment is fetched again.
        """
        await asyncio.to_thread(self._cache.trim, {*self._loaded.keys(), *self._wanted})

    @asynccontextmanager
    async def _alone(self, digest: str) -> AsyncIterator[None]:
        self._wanted[digest] = self._wanted.get(digest, 0) + 1
        try:
            async with self._locks.hold(digest), self._slots:
                yield
        finally:
            self._wanted[digest] -= 1
            if not self._wanted[digest]:
                del self._wanted[digest]

    async def _load(self, digest: str, folder: Path) -> ServedModel:
        served = await asyncio.to_thread(self._read_and_load, digest, folder)
        self._loaded[digest] = served
        return served

    def _read_and_load(self, digest: str, folder: Path) -> ServedModel:
        crashes = self._cache.crashes(digest)
        if crashes >= MAX_CRASHES:
            raise BadBundle(f"loading the model ended the service {crashes} times; it is not tried again")
        flavors = self._runtimes
        self._cache.begin_load(digest)
        try:
            bundle = read_bundle(folder, digest, lambda flavor: runtime_for(flavor, flavors).files, self._max_bytes)
            return load_served(bundle, runtime_for(bundle.manifest.flavor, flavors))
        except BadBundle:
            self._cache.drop(digest)
            raise
        finally:
            self._cache.end_load(digest)
