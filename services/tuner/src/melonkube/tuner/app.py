"""The tuner's app: its parts put together, its tasks started and ended."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from melonkube.kit.app import create_service_app
from melonkube.kit.client import PeerClient
from melonkube.kit.db import Database, database_away
from melonkube.kit.errors import NotReady
from melonkube.kit.logs import get_logger
from melonkube.kit.migrations import migrate, migrate_when_there
from melonkube.kit.tokens import TokenKey, TokenSigner, TokenVerifier
from melonkube.tuner.catalog import endpoints as catalog_endpoints
from melonkube.tuner.catalog.registry import EXECUTORS, Catalog, find
from melonkube.tuner.engine.fleet import Fleet
from melonkube.tuner.engine.keeper import Keeper
from melonkube.tuner.engine.ledger import Ledgers
from melonkube.tuner.engine.owner import OwnerTools
from melonkube.tuner.events import endpoints as event_endpoints
from melonkube.tuner.events.bell import Bell
from melonkube.tuner.events.endpoints import EventStreams
from melonkube.tuner.executors.protocol import Executor
from melonkube.tuner.experiments import endpoints as experiment_endpoints
from melonkube.tuner.experiments.control import ExperimentService
from melonkube.tuner.experiments.create import ExperimentMaker
from melonkube.tuner.experiments.draft import Drafter
from melonkube.tuner.leases import endpoints as lease_endpoints
from melonkube.tuner.leases.service import LeaseService
from melonkube.tuner.leases.tokens import WorkerTokens
from melonkube.tuner.metrics import TunerMetrics
from melonkube.tuner.outbox.relay import OutboxRelay
from melonkube.tuner.registry import RegistryClient
from melonkube.tuner.search.client import SearchProcess
from melonkube.tuner.settings import Settings
from melonkube.tuner.trials import endpoints as trial_endpoints
from melonkube.tuner.trials.service import TrialService

log = get_logger("melonkube.tuner")

SERVICE = "tuner"
_RECORD_SECONDS = 2.0


@dataclass(frozen=True)
class Tuner:
    """The parts of a running tuner, as ``app.state.tuner``."""

    catalog: Catalog
    executor: Executor
    search: SearchProcess
    leases: LeaseService
    experiments: ExperimentService
    maker: ExperimentMaker
    trials: TrialService
    streams: EventStreams
    fleet: Fleet
    keeper: Keeper
    relay: OutboxRelay
    peer: PeerClient
    release_seconds: float

    async def before_stop(self) -> None:
        """Have workers hand back their trials while their calls are still answered; end every stream and every wait.

        A database that is away does not hold this up: what could not be recorded is found by the next start.
        """
        self.streams.close()
        self.leases.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.release_seconds + _RECORD_SECONDS):
                await self.fleet.close(self.release_seconds)


class Readiness:
    """Whether the schema is there: until then the service lives but is not ready."""

    def __init__(self) -> None:
        self.migrated = asyncio.Event()

    async def check(self) -> None:
        """Raise ``NotReady`` until the database has been brought to this version's schema."""
        if not self.migrated.is_set():
            raise NotReady("The tuner's database is not ready yet.")


def create_app(
    settings: Settings,
    *,
    catalog: Catalog | None = None,
    search: SearchProcess | None = None,
    registry_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Return the tuner's app.

    Args:
        settings: Its settings.
        catalog: What experiments can name; by default what is installed.
        search: What works suggestions out; by default a process of its own.
        registry_transport: For tests: where calls of the registry go instead of the network.
    """
    key = TokenKey.load(settings.tokens)
    signer = TokenSigner(key, settings.tokens.lifetime_seconds)
    db = Database.from_settings(settings, SERVICE)
    readiness = Readiness()

    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tuner: Tuner = app.state.tuner
        try:
            await migrate(db, SERVICE)
            readiness.migrated.set()
        except Exception as error:
            if not database_away(error):
                raise
            log.warning("the database is not there yet", reason=repr(error)[:300])
        if settings.warm_search:
            await tuner.search.warm()
        work = asyncio.create_task(_work(db, tuner, readiness), name="tuner")
        try:
            yield
        finally:
            await tuner.before_stop()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await tuner.search.close()
            await tuner.peer.close()

    app = create_service_app(
        service=SERVICE,
        title="MelonKube tuner",
        routers=[
            experiment_endpoints.router,
            trial_endpoints.router,
            event_endpoints.router,
            catalog_endpoints.router,
            lease_endpoints.router,
        ],
        lifespan=lifespan,
        verifier=TokenVerifier(key, SERVICE),
        database=db,
        ready=[readiness.check],
    )
    metrics = TunerMetrics(app.state.metrics.registry)
    peer = PeerClient(settings.peers.registry, "registry", SERVICE, signer, registry_transport)
    app.state.tuner = _assemble(
        settings, db, signer, peer, metrics, catalog or Catalog.installed(), search or SearchProcess()
    )
    return app


def _assemble(
    settings: Settings,
    db: Database,
    signer: TokenSigner,
    peer: PeerClient,
    metrics: TunerMetrics,
    catalog: Catalog,
    search: SearchProcess,
) -> Tuner:
    bell = Bell()
    ledgers = Ledgers(db, bell)
    registry = RegistryClient(peer)
    executor: Executor = find(EXECUTORS)[settings.executor].load()(settings)
    tokens = WorkerTokens(signer, settings.tokens.worker_lifetime_seconds)
    fleet = Fleet(executor, ledgers, tokens, settings.worker, metrics, settings.kubernetes.pending_seconds)
    tools = OwnerTools(db, ledgers, fleet, search, metrics, settings.lease, settings.owner)
    return Tuner(
        catalog=catalog,
        executor=executor,
        search=search,
        leases=LeaseService(db, ledgers, bell, fleet, tokens, settings.lease, metrics, settings.limits.artifact_bytes),
        experiments=ExperimentService(db, ledgers, bell, registry),
        maker=ExperimentMaker(db, ledgers, bell, Drafter(registry, catalog), registry, executor),
        trials=TrialService(db, ledgers),
        streams=EventStreams(db, bell),
        fleet=fleet,
        keeper=Keeper(tools, executor, settings.replica_name, settings.event_days),
        relay=OutboxRelay(db, registry, bell, metrics),
        peer=peer,
        release_seconds=settings.worker.release_seconds,
    )


async def _work(db: Database, tuner: Tuner, readiness: Readiness) -> None:
    """Wait for the database, however long it is away, then run the tuner's tasks; end the process if it will not do."""
    if not readiness.migrated.is_set():
        try:
            await migrate_when_there(db, SERVICE)
        except Exception as error:
            log.critical("the database cannot be used", reason=str(error))
            signal.raise_signal(signal.SIGTERM)
            return
        readiness.migrated.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(tuner.fleet.run(), name="fleet")
        group.create_task(tuner.keeper.run(), name="keeper")
        group.create_task(tuner.relay.run(), name="outbox")
