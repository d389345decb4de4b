"""Keeps one endpoint at what was asked for: resolve -> refer -> fetch, verify, load, warm up -> swap -> drain."""

import asyncio
import contextlib
import random
from dataclasses import dataclass

from melonkube.contracts.endpoints import EndpointState
from melonkube.kit.db import Database, database_away
from melonkube.kit.errors import MelonError
from melonkube.kit.logs import get_logger
from melonkube.serving.bundles.bundle import BadBundle
from melonkube.serving.converge.loader import Loader
from melonkube.serving.endpoints.domain import Active, Desired, Progress
from melonkube.serving.endpoints.repository import EndpointWriter
from melonkube.serving.peers import Registry, answering_holder, holder, is_outage
from melonkube.serving.predict.served import ServedModel
from melonkube.serving.predict.stats import EndpointCollector
from melonkube.serving.predict.table import Live, LiveTable
from melonkube.serving.settings import ConvergeSettings

log = get_logger("melonkube.serving.converge")


@dataclass(frozen=True, slots=True)
class Parts:
    """What all keepers work with."""

    registry: Registry
    loader: Loader
    table: LiveTable
    collector: EndpointCollector
    database: Database
    settings: ConvergeSettings


class _Gone(Exception):
    """The target cannot be had as things stand; the message says why, and only a change elsewhere helps."""


class Keeper:
    """Keeps one endpoint. A level-triggered loop: it looks at what is asked for now, whatever woke it.

    Attributes:
        desired: What was asked for, the newest this process knows.
        progress: How far it is.
        active: What answers; None before anything does.
        rested: Set while it waits, having done what can be done now.
    """

    def __init__(self, parts: Parts, desired: Desired) -> None:
        self.desired = desired
        self.progress = Progress()
        self.active: Active | None = None
        self.rested = asyncio.Event()
        self._parts = parts
        self._log = log.bind(endpoint=desired.key.name, workspace_id=desired.key.workspace_id)
        self._previous: Live | None = None
        self._alias_version: int | None = None
        self._alias_gone = False
        self._wake = asyncio.Event()
        self._failures = 0
        self._saved: Active | None = desired.active
        self._referred: tuple[str, int | None, str | None] | None = None
        self._held: Active | None = None
        self._held_known = False

    def ask(self, desired: Desired) -> None:
        """Take note of what is asked for; a generation that is not newer changes nothing."""
        if desired.generation <= self.desired.generation:
            return
        if (desired.model, desired.alias) != (self.desired.model, self.desired.alias):
            self.forget_alias()
        self.desired = desired
        self._failures = 0
        self._rouse()

    def alias_moved(self, version: int | None) -> None:
        """Take note that the alias it follows now names ``version``, or is gone."""
        self._alias_version, self._alias_gone = version, version is None
        self._failures = 0
        self._rouse()

    def forget_alias(self) -> None:
        """Take note that nothing is known of the alias it follows."""
        self._alias_version, self._alias_gone = None, False
        self._rouse()

    def _rouse(self) -> None:
        self.rested.clear()
        self._wake.set()

    async def restore(self) -> None:
        """Let answer what answered last, if its bundle is on disk. Asks nobody."""
        last = self.desired.active
        if last is None:
            return
        served = await self._parts.loader.load_from_disk(last.digest)
        if served is not None:
            self._swap(last, served)

    async def run(self) -> None:
        """Converge, again and again, until cancelled."""
        while True:
            self._wake.clear()
            try:
                wait = await self._round()
            except Exception:
                self._log.exception("keeping the endpoint failed in an unexpected way")
                wait = self._backoff()
            if not self._wake.is_set():
                self.rested.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            self.rested.clear()

    async def _round(self) -> float | None:
        """Converge once; return after how many seconds to try again, None to wait until woken."""
        desired = self.desired
        try:
            await self._converge(desired)
        except (BadBundle, _Gone) as error:
            self._failed(desired, EndpointState.FAILED, str(error))
            await self._fall_back(desired)
            return None
        except MelonError as error:
            if not is_outage(error):
                self._failed(desired, EndpointState.FAILED, error.detail)
                await self._fall_back(desired)
                return None
            self._failed(desired, EndpointState.LOADING, error.detail)
        except OSError as error:
            self._failed(desired, EndpointState.LOADING, f"the disk does not take the bundle: {error.strerror}")
        except Exception as error:
            self._log.exception("converging failed in an unexpected way")
            self._failed(desired, EndpointState.LOADING, f"an unexpected error: {type(error).__name__}")
        else:
            return await self._settle(desired)
        await self._fall_back(desired)
        return self._backoff()

    async def _converge(self, desired: Desired) -> None:
        version = desired.version if desired.version is not None else await self._resolve(desired)
        current = self.active
        if current is not None and (current.model, current.version) == (desired.model, version):
            self.active = Active(current.model, current.version, current.digest, desired.generation)
            self._ready(desired, version)
            return
        if (self.progress.generation, self.progress.version) != (desired.generation, version):
            self.progress = Progress(desired.generation, version)
        await self.hold_answering()
        await self._refer(desired)
        workspace_id = desired.key.workspace_id
        digest = (await self._parts.registry.version(workspace_id, desired.model, version)).digest
        served = await self._parts.loader.load(workspace_id, desired.model, version, digest)
        if self._wake.is_set() and self._overtaken(desired, version):
            return
        self._swap(Active(desired.model, version, digest, desired.generation), served)
        self._ready(desired, version)

    def _overtaken(self, desired: Desired, version: int) -> bool:
        """Whether something else was asked for while this was loading."""
        if self.desired.generation != desired.generation:
            return True
        return desired.version is None and self._alias_version != version

    async def _resolve(self, desired: Desired) -> int:
        if self._alias_gone:
            raise _Gone(f"the alias {desired.alias!r} of {desired.model!r} is gone; set it again")
        if self._alias_version is None:
            alias = desired.alias or ""
            found = await self._parts.registry.alias(desired.key.workspace_id, desired.model, alias)
            if self._alias_version is None:  # the follower may have learned something newer meanwhile
                self._alias_version = found.version
        return self._alias_version

    def _swap(self, active: Active, served: ServedModel) -> None:
        """Let a model answer from the next call on. The one before stays warm; the one before that is freed.

        Calls under way keep the model they began with: its memory goes with the last reference to it.
        """
        key = self.desired.key
        retired = [self._previous]
        self._previous = self._parts.table.get(key.workspace_id, key.name)
        stats = self._parts.collector.stats(key.workspace_id, key.name)
        self._parts.table.swap(Live(key.workspace_id, key.name, active.model, active.version, served, stats))
        self.active = active
        # Freeing a large model takes a while, and nobody must wait for it.
        asyncio.get_running_loop().run_in_executor(None, retired.clear)
        self._log.info("answers", model=active.model, version=active.version, digest=active.digest)

    async def _fall_back(self, desired: Desired) -> None:
        """Where nothing answers since a restart, let the version answer that did before, if it is to be had."""
        last = desired.active
        if self.active is not None or last is None or (last.model, last.version) == (desired.model, self._version):
            return
        try:
            workspace_id = desired.key.workspace_id
            served = await self._parts.loader.load(workspace_id, last.model, last.version, last.digest)
        except (BadBundle, MelonError, OSError) as error:
            self._log.warning("what answered before cannot be loaded either", reason=str(error))
        else:
            self._swap(last, served)

    async def _settle(self, desired: Desired) -> float | None:
        """Do what follows a swap and may be late: remember it, and hold it at the registry."""
        active = self.active
        if active is None or self.desired.generation != desired.generation:
            return None
        try:
            if self._saved != active:
                async with self._parts.database.write() as session:
                    await EndpointWriter(session).note_active(desired, active)
                self._saved = active
            await self._refer(desired)
            if self.progress.state is EndpointState.READY:
                await self._let_go()
            else:
                await self.hold_answering()
        except MelonError as error:
            self._log.warning("what follows a swap is not done yet", reason=error.detail)
            return self._backoff() if is_outage(error) else None
        except Exception as error:
            if not database_away(error):
                raise
            self._log.warning("what follows a swap is not done yet", reason="the database does not answer")
            return self._backoff()
        self._failures = 0
        await self._parts.loader.trim()
        return None

    async def _refer(self, desired: Desired) -> None:
        """Hold what was asked for at the registry, once."""
        wanted = (desired.model, desired.version, desired.alias)
        if self._referred != wanted:
            await self._parts.registry.refer(
                desired.key.workspace_id,
                holder(desired.key.name),
                model=desired.model,
                version=desired.version,
                alias=desired.alias,
            )
            self._referred = wanted

    async def hold_answering(self) -> None:
        """Hold what answers at the registry under a name of its own: what was asked for is another version.

        Raises:
            MelonError: The registry refused, or does not answer.
        """
        active = self.active
        if active is None or (self._held_known and self._held == active):
            return
        key = self.desired.key
        await self._parts.registry.refer(
            key.workspace_id, answering_holder(key.name), model=active.model, version=active.version
        )
        self._held, self._held_known = active, True

    async def _let_go(self) -> None:
        """Give that up again: what answers is what was asked for, and held as such."""
        if self._held is None and self._held_known:
            return
        key = self.desired.key
        await self._parts.registry.release(key.workspace_id, answering_holder(key.name))
        self._held, self._held_known = None, True

    def _ready(self, desired: Desired, version: int) -> None:
        self.progress = Progress(desired.generation, version, EndpointState.READY)

    def _failed(self, desired: Desired, state: EndpointState, reason: str) -> None:
        if self.desired.generation != desired.generation:
            return
        self.progress = Progress(desired.generation, self._version, state, reason)
        key = desired.key
        self._parts.collector.stats(key.workspace_id, key.name).failures += 1
        self._log.warning("the target does not answer", state=state.value, reason=reason)

    @property
    def _version(self) -> int | None:
        """The version of the target, as far as it is known."""
        return self.desired.version if self.desired.version is not None else self._alias_version

    def _backoff(self) -> float:
        settings = self._parts.settings
        wait = min(settings.max_retry_seconds, settings.retry_seconds * 2.0**self._failures)
        self._failures = min(self._failures + 1, 32)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - spread, not secrecy
