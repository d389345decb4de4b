"""A real tuner in this process: its app behind a real socket, workers as real processes, a small registry."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from blockbuster import BlockBuster
from fastapi import FastAPI

from melonkube.contracts.base import Scalar
from melonkube.contracts.events import Event
from melonkube.contracts.space import FloatParameter
from melonkube.kit.settings import PeerSettings, ServiceSettings, TokenSettings
from melonkube.kit.tokens import DEFAULT_WORKSPACE
from melonkube.trainer.spec import find_spec, trainer_names
from melonkube.tuner.app import Tuner, create_app
from melonkube.tuner.catalog.registry import Catalog
from melonkube.tuner.search.client import SearchProcess, SearchSession
from melonkube.tuner.settings import LeaseSettings, OwnerSettings, Settings, WorkerSettings
from tests.conftest import MakeToken
from tests.tuner.quadratic import SPEC
from tests.tuner.stand_in import DATASET_ID, StandIn

ROOT = Path(__file__).parents[2]
CATALOG = Catalog(
    algorithms=("random", "tpe"), trainers={"quadratic": SPEC, **{name: find_spec(name) for name in trainer_names()}}
)


class QuickSearch(SearchProcess):
    """Draws at random in this process: the real one takes seconds to start, and has tests of its own."""

    async def suggest(self, session: SearchSession, number: int, upto: int) -> dict[str, Scalar]:
        draw = random.Random(session.seed * 1_000_003 + number)
        params: dict[str, Scalar] = {}
        for name, parameter in sorted(session.space.items()):
            assert isinstance(parameter, FloatParameter)
            params[name] = draw.uniform(parameter.low, parameter.high)
        return params


@dataclass
class Running:
    """A running tuner and a client that speaks for a user."""

    app: FastAPI
    settings: Settings
    client: httpx.AsyncClient
    registry: StandIn

    @property
    def tuner(self) -> Tuner:
        tuner: Tuner = self.app.state.tuner
        return tuner

    def behave(self, **how: Any) -> None:
        """Say how workers behave from their next trial on."""
        self.settings.cache_dir.mkdir(parents=True, exist_ok=True)
        new = self.settings.cache_dir / "behaviour.new"
        new.write_text(json.dumps(how))
        new.replace(self.settings.cache_dir / "behaviour.json")

    async def create(self, **changes: Any) -> dict[str, Any]:
        """Make an experiment."""
        body = {"dataset_id": DATASET_ID, "target": "label", "trainer": "quadratic", "algorithm": "random", **changes}
        answer = await self.client.post("/api/v1/experiments", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/api/v1/experiments/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def trial(self, made: dict[str, Any], number: int) -> dict[str, Any]:
        """Read a trial of an experiment."""
        found: dict[str, Any] = await self.get(f"{made['id']}/trials/{number}")
        return found

    async def events(self, experiment_id: str, after: int = 0) -> AsyncGenerator[Event]:
        """Read the stream to its end."""
        url = f"/api/v1/experiments/{experiment_id}/events?after={after}"
        async with self.client.stream("GET", url, timeout=60.0) as stream:
            assert stream.status_code == 200
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    yield Event.model_validate_json(line[6:])

    async def until(self, experiment_id: str, wanted: Callable[[Event], bool]) -> Event:
        """Follow the stream to the event that is wanted."""
        async with aclosing(self.events(experiment_id)) as events:
            async for event in events:
                if wanted(event):
                    return event
        raise AssertionError("the stream ended without the event")

    async def finished(self, experiment_id: str) -> dict[str, Any]:
        """Follow the stream to its end; return the experiment then."""
        async for _ in self.events(experiment_id):
            pass
        found: dict[str, Any] = await self.get(experiment_id)
        return found


@dataclass
class ByHand:
    """A worker played by the test."""

    running: Running
    make_token: MakeToken
    experiment_id: str
    name: str = "hand-1"
    workspace_id: str = DEFAULT_WORKSPACE

    async def raw(self, path: str, **body: Any) -> httpx.Response:
        token = self.make_token(
            "tuner",
            scope="worker",
            experiment_id=self.experiment_id,
            dataset_id=DATASET_ID,
            workspace_id=self.workspace_id,
        )
        return await self.running.client.post(
            f"/worker/v1/{path}",
            json={"worker_id": self.name, **body},
            headers={"Authorization": f"Bearer {token}"},
        )

    async def call(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.raw(path, **body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def lease(self, wait: float = 20.0) -> dict[str, Any]:
        """Take work, which there must be."""
        answer = await self.call("lease", wait_seconds=wait)
        assert answer["assignment"] is not None, answer
        work: dict[str, Any] = answer["assignment"]
        return work

    async def complete(self, work: dict[str, Any], value: float, **more: Any) -> dict[str, Any]:
        return await self.call(f"leases/{work['run_id']}/complete", value=value, **more)

    async def fail(self, work: dict[str, Any], cause: str, **more: Any) -> dict[str, Any]:
        return await self.call(f"leases/{work['run_id']}/fail", cause=cause, reason="because", **more)


MakeHand = Callable[..., ByHand]


@pytest.fixture
def by_hand(make_token: MakeToken) -> MakeHand:
    def make(running: Running, experiment_id: str, name: str = "hand-1", **more: Any) -> ByHand:
        return ByHand(running, make_token, experiment_id, name, **more)

    return make


StartTuner = Callable[..., Awaitable[Running]]


@pytest.fixture
def registry() -> StandIn:
    return StandIn()


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none", timeout_graceful_shutdown=5)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    try:
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the test process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def start_tuner(
    database_settings: ServiceSettings,
    token_settings: TokenSettings,
    make_token: MakeToken,
    registry: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[StartTuner]:
    """Starts a tuner; called again, starts one more on the same database.

    From then on a call of the tuner's that blocks the event loop fails the test; while it starts, migrations may.
    """
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    guard = BlockBuster("melonkube.tuner")
    for blocking in guard.functions.values():
        blocking.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_dsn_and_args"})  # looks for ~/.pgpass
        blocking.can_block_in("structlog/dev.py", {"__call__"})  # shows the source beside a traceback
        blocking.can_block_in("subprocess.py", {"_execute_child"})  # fork and exec, which uvloop does by itself
    async with AsyncExitStack() as stack:
        stack.callback(guard.deactivate)

        async def start(
            *,
            workers: int = 2,
            replica: str = "one",
            lease_seconds: float = 30.0,
            heartbeat_seconds: float = 10.0,
            owner_seconds: float = 15.0,
            tick_seconds: float = 0.2,
            turn_seconds: float = 30.0,
            search: SearchProcess | None = None,
            **more: Any,
        ) -> Running:
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            settings = Settings(
                data_dir=database_settings.data_dir,
                database_url=database_settings.database_url,
                tokens=token_settings,
                peers=PeerSettings(tuner=address),
                replica=replica,
                warm_search=False,
                workers=workers,
                lease=LeaseSettings(seconds=lease_seconds, heartbeat_seconds=heartbeat_seconds),
                owner=OwnerSettings(seconds=owner_seconds, tick_seconds=tick_seconds),
                worker=WorkerSettings(
                    module="tests.tuner.fake_worker", stop_seconds=1.0, release_seconds=5.0, turn_seconds=turn_seconds
                ),
                **more,
            )
            app = create_app(
                settings,
                catalog=CATALOG,
                search=search or QuickSearch(),
                registry_transport=httpx.ASGITransport(app=registry.app),
            )
            guard.deactivate()
            await stack.enter_async_context(serving(app, listener))
            guard.activate()
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=address,
                    headers={"Authorization": f"Bearer {make_token('tuner')}"},
                    timeout=30.0,
                    trust_env=False,
                )
            )
            return Running(app, settings, client, registry)

        yield start


Begin = Callable[..., Awaitable[tuple[Running, dict[str, Any], ByHand]]]


@pytest.fixture
async def begin(start_tuner: StartTuner, by_hand: MakeHand) -> Begin:
    """Starts a tuner without workers of its own and an experiment of so many trials."""

    async def make(trials: int = 3, **more: Any) -> tuple[Running, dict[str, Any], ByHand]:
        tuner_options = {
            key: more.pop(key) for key in ("lease_seconds", "heartbeat_seconds", "tick_seconds") if key in more
        }
        running = await start_tuner(workers=0, **tuner_options)
        budget = {"max_trials": trials, **more.pop("budget", {})}
        made = await running.create(budget=budget, parallelism=more.pop("parallelism", 4), **more)
        return running, made, by_hand(running, made["id"])

    return make
