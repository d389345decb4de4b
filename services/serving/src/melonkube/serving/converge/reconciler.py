"""Keeps every endpoint, follows what changes elsewhere, and gives up what deleted endpoints held."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from melonkube.contracts.models import AliasChange
from melonkube.kit.db import database_away
from melonkube.kit.errors import MelonError
from melonkube.kit.logs import get_logger
from melonkube.serving.converge.follower import AliasFollower
from melonkube.serving.converge.keeper import Keeper, Parts
from melonkube.serving.converge.loader import KeyedLocks
from melonkube.serving.endpoints.domain import Desired, Key
from melonkube.serving.endpoints.repository import EndpointReader, EndpointWriter
from melonkube.serving.peers import answering_holder, holder, is_outage

log = get_logger("melonkube.serving.reconciler")

_RELEASE_SECONDS = 5.0
"""How long the one who deletes an endpoint waits for the registry."""


class Reconciler:
    """Owns the keepers. Used on the event loop alone.

    Attributes:
        locks: Held by whoever changes an endpoint and its references together.
    """

    def __init__(self, parts: Parts) -> None:
        self.locks = KeyedLocks()
        self._parts = parts
        self._keepers: dict[Key, tuple[Keeper, asyncio.Task[None]]] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._release = asyncio.Event()

    async def start(self) -> None:
        """Let answer what answered before, as far as that is quick, then keep converging in the background."""
        async with self._parts.database.read() as session:
            found = await EndpointReader(session).all()
        keepers = [Keeper(self._parts, desired) for desired in found]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._parts.settings.restore_seconds):
                await asyncio.gather(*(keeper.restore() for keeper in keepers))
                for keeper in keepers:
                    self._begin(keeper)
                silent = [keeper for keeper in keepers if keeper.active is None and keeper.desired.active is not None]
                await asyncio.gather(*(keeper.rested.wait() for keeper in silent))
        for keeper in keepers:
            if keeper.desired.key not in self._keepers:
                self._begin(keeper)
        self._tasks = [asyncio.create_task(self._resync()), asyncio.create_task(self._give_up_references())]

    async def close(self) -> None:
        """Stop converging; what answers goes on answering."""
        tasks = [task for _, task in self._keepers.values()] + list(self._followers.values()) + self._tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def keeper(self, key: Key) -> Keeper | None:
        """Return an endpoint's keeper."""
        found = self._keepers.get(key)
        return None if found is None else found[0]

    def ask(self, desired: Desired) -> Keeper:
        """Take note of what an endpoint shall answer with; return its keeper."""
        found = self._keepers.get(desired.key)
        if found is not None and found[0].desired.id == desired.id:
            found[0].ask(desired)
            self._follow()
            return found[0]
        if found is not None:
            self.drop(desired.key)
        keeper = Keeper(self._parts, desired)
        self._begin(keeper)
        return keeper

    def drop(self, key: Key) -> None:
        """Stop keeping an endpoint, and answering for it."""
        found = self._keepers.pop(key, None)
        if found is not None:
            found[1].cancel()
        self._parts.table.remove(key.workspace_id, key.name)
        self._follow()

    def _begin(self, keeper: Keeper) -> None:
        self._keepers[keeper.desired.key] = (keeper, asyncio.create_task(keeper.run()))
        self._follow()

    def _follow(self) -> None:
        """Have one follower for each workspace with an endpoint that follows an alias."""
        wanted = {keeper.desired.key.workspace_id for keeper, _ in self._keepers.values() if keeper.desired.alias}
        for workspace_id in wanted - self._followers.keys():
            follower = AliasFollower(
                self._parts.registry,
                workspace_id,
                self._parts.settings,
                moved=partial(self._alias_moved, workspace_id),
                unsure=partial(self._aliases_unsure, workspace_id),
            )
            self._followers[workspace_id] = asyncio.create_task(follower.run())
        for workspace_id in self._followers.keys() - wanted:
            self._followers.pop(workspace_id).cancel()

    def _alias_moved(self, workspace_id: str, change: AliasChange) -> None:
        for keeper, _ in self._keepers.values():
            desired = keeper.desired
            if (desired.key.workspace_id, desired.model, desired.alias) == (workspace_id, change.model, change.alias):
                keeper.alias_moved(change.version)

    def _aliases_unsure(self, workspace_id: str) -> None:
        for keeper, _ in self._keepers.values():
            if keeper.desired.key.workspace_id == workspace_id and keeper.desired.alias:
                keeper.forget_alias()

    async def _resync(self) -> None:
        """Read the desired state now and then: another replica may have changed it."""
        while True:
            await asyncio.sleep(self._parts.settings.resync_seconds)
            await self._patiently("the desired state cannot be read", self.resync)

    async def resync(self) -> None:
        """Take note of what the database says now."""
        async with self._parts.database.read() as session:
            found = {desired.key: desired for desired in await EndpointReader(session).all()}
        kept = {key: keeper.desired for key, (keeper, _) in self._keepers.items()}
        for key in found.keys() | kept.keys():
            if key in found and key in kept and found[key].id == kept[key].id:
                self.ask(found[key])
                continue
            # Made or deleted elsewhere, or here while the answer was under way: only the row itself can tell.
            await self.look(key)

    async def look(self, key: Key) -> Keeper | None:
        """Take note of what the database says of one endpoint now; return its keeper, None if it is gone."""
        async with self.locks.hold(key):
            async with self._parts.database.read() as session:
                desired = await EndpointReader(session).get(key)
            if desired is not None:
                return self.ask(desired)
            if key in self._keepers:
                self.drop(key)
            return None

    async def _give_up_references(self) -> None:
        while True:
            self._release.clear()
            if not await self._patiently("references cannot be given up", self.release_due):
                await asyncio.sleep(self._parts.settings.retry_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._parts.settings.max_retry_seconds):
                    await self._release.wait()

    async def release_due(self) -> None:
        """Give up the references of endpoints that are no more."""
        async with self._parts.database.read() as session:
            due = await EndpointReader(session).releases(datetime.now(UTC))
        for key in due:
            await self._release_one(key)

    async def _release_one(self, key: Key) -> None:
        async with self.locks.hold(key):
            async with self._parts.database.read() as session:
                there = await EndpointReader(session).get(key) is not None
            if not there:
                registry = self._parts.registry
                await registry.release(key.workspace_id, holder(key.name))
                await registry.release(key.workspace_id, answering_holder(key.name))
            async with self._parts.database.write() as session:
                await EndpointWriter(session).cancel_release(key)

    async def release_soon(self, key: Key) -> None:
        """Give up the references of one that is no more, now if the registry answers, else in the background."""
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._patiently("references are given up later", partial(self._release_one, key))
        except TimeoutError:
            log.warning("references are given up later", reason="the registry is slow to answer")
        self._release.set()

    async def _patiently(self, what: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Do background work once; an outage, and even a bug, is logged and does not end the loop."""
        try:
            await work()
        except MelonError as error:
            log.warning(what, reason=error.detail, outage=is_outage(error))
        except Exception as error:
            if database_away(error):
                log.warning(what, reason="the database does not answer")
            else:
                log.exception(what)
        else:
            return True
        return False
