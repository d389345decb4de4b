"""The long poll by which others follow aliases."""

import asyncio

from melonkube.contracts.models import AliasChanges
from melonkube.kit.db import Database
from melonkube.registry.models.repository import ModelRepository
from melonkube.registry.models.schemas import change_of

_AT_ONCE = 1000
_LOOK_SECONDS = 1.0


class Changes:
    """Tells followers of alias changes. Owned by the app; lives on its event loop.

    A change made by this process wakes them at once, one made by another within a second.
    """

    def __init__(self, database: Database, repository: ModelRepository) -> None:
        self._db = database
        self._repository = repository
        self._happened = asyncio.Event()
        self._closed = False

    def notify(self) -> None:
        """Wake all who wait; to be called after the commit."""
        self._happened.set()
        self._happened = asyncio.Event()

    def close(self) -> None:
        """Let all who wait go with what there is, and make nobody wait any more."""
        self._closed = True
        self.notify()

    async def after(self, workspace_id: str, after: int, wait: float) -> AliasChanges:
        """Return the changes after a number, waiting up to ``wait`` seconds for one.

        A number beyond the last there is comes from another life of the database: then all changes are returned.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            happened = self._happened
            async with self._db.read() as session:
                rows, last = await self._repository.changes(session, workspace_id, after, _AT_ONCE)
                if after > last:
                    rows, last = await self._repository.changes(session, workspace_id, 0, _AT_ONCE)
                    after = 0
            left = deadline - loop.time()
            if rows or left <= 0 or self._closed:
                return AliasChanges(items=[change_of(row) for row in rows], next=rows[-1].seq if rows else after)
            try:
                async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                    await happened.wait()
            except TimeoutError:
                continue
