"""What runs beside the requests: garbage is removed, abandoned work is taken up, leavings of crashes are cleaned."""

import asyncio
import time
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from melonkube.kit.errors import MelonError
from melonkube.kit.logs import get_logger
from melonkube.registry.blobs.service import BlobService
from melonkube.registry.datasets.parsing import Parsing
from melonkube.registry.settings import JanitorSettings

_GATHER_SECONDS = 0.5
"""How long garbage may gather, so that many deletions are cleaned up after at once."""

log = get_logger("melonkube.registry.janitor")


class Janitor:
    """Does the work beside the requests until it is cancelled; an error is logged and tried again."""

    def __init__(self, blobs: BlobService, parsing: Parsing, settings: JanitorSettings) -> None:
        self._blobs = blobs
        self._parsing = parsing
        self._settings = settings
        self._swept_at: float | None = None

    async def run(self) -> None:
        """Work for ever."""
        looked_at = None
        while True:
            now = time.monotonic()
            try:
                if looked_at is None or now - looked_at >= self._settings.interval_seconds:
                    looked_at = now
                    await self.look()
                else:
                    await self._blobs.collect()
            except (MelonError, SQLAlchemyError, OSError) as error:
                log.warning("cleaning up failed; it is tried again", error=str(error))
            except Exception:
                log.exception("cleaning up failed in a way that it should not; it is tried again")
            try:
                async with asyncio.timeout(self._settings.interval_seconds):
                    await self._blobs.garbage_made.wait()
                    await asyncio.sleep(_GATHER_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Look after everything once."""
        await self._parsing.take_over()
        grace = timedelta(seconds=self._settings.grace_seconds)
        staged = await self._blobs.store.sweep_staging(grace)
        removed = await self._blobs.collect()
        swept = 0
        if self._swept_at is None or time.monotonic() - self._swept_at > self._settings.sweep_seconds:
            swept = await self._blobs.sweep(grace)
            self._swept_at = time.monotonic()
        if staged or swept:
            log.info("removed what crashes left behind", staged=staged, unknown=swept)
        if removed:
            log.debug("removed deleted content", objects=removed)
