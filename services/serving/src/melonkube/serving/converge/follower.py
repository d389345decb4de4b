"""Follows the aliases of a workspace by the registry's long poll."""

import asyncio
from collections.abc import Callable

from melonkube.contracts.models import AliasChange
from melonkube.kit.errors import MelonError
from melonkube.kit.logs import get_logger
from melonkube.serving.peers import Registry, is_outage
from melonkube.serving.settings import ConvergeSettings

log = get_logger("melonkube.serving.follower")


class AliasFollower:
    """Tells of every alias that moved in one workspace; of an uncertain gap, that all must be read again.

    Args:
        registry: Where to ask.
        workspace_id: Whose aliases.
        settings: How long to wait.
        moved: Called with each change, in order.
        unsure: Called when changes may have been missed: at the start, and when the registry's count began anew.
    """

    def __init__(
        self,
        registry: Registry,
        workspace_id: str,
        settings: ConvergeSettings,
        moved: Callable[[AliasChange], None],
        unsure: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._workspace_id = workspace_id
        self._settings = settings
        self._moved = moved
        self._unsure = unsure
        self._after: int | None = None

    async def run(self) -> None:
        """Follow, until cancelled; an outage is waited out."""
        failures = 0
        while True:
            try:
                await self._poll()
                failures = 0
            except Exception as error:
                if not isinstance(error, MelonError):
                    log.exception("following aliases failed in an unexpected way")
                elif not is_outage(error):
                    log.warning("the place in the registry's changes is lost", reason=error.detail)
                    self._after = None
                wait = min(self._settings.max_retry_seconds, self._settings.retry_seconds * 2.0**failures)
                failures = min(failures + 1, 32)
                await asyncio.sleep(wait)

    async def _poll(self) -> None:
        if self._after is None:
            self._after = await self._newest()
            self._unsure()
            return
        changes = await self._registry.changes(self._workspace_id, self._after, self._settings.poll_seconds)
        if changes.next < self._after:
            self._after = None
            return
        for change in changes.items:
            self._moved(change)
        self._after = changes.next

    async def _newest(self) -> int:
        """Return the place after all changes there are."""
        after = 0
        while True:
            changes = await self._registry.changes(self._workspace_id, after, 0)
            if not changes.items or changes.next <= after:
                return changes.next
            after = changes.next
