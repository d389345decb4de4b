"""Serving, whole and in this process, with stand-ins for the registry and the tuner."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from blockbuster import BlockBuster
from fastapi import FastAPI
from structlog.testing import capture_logs

from melonkube.kit.settings import ServiceSettings, TokenSettings
from melonkube.kit.tokens import DEFAULT_WORKSPACE
from melonkube.serving.app import create_app
from melonkube.serving.converge.keeper import Keeper
from melonkube.serving.converge.reconciler import Reconciler
from melonkube.serving.endpoints.domain import Key
from melonkube.serving.predict.table import PREFIX, Live
from melonkube.serving.settings import Settings
from tests.serving.standin import Registry, Tuner

Call = Callable[..., Any]


@pytest.fixture
def blocking() -> Iterator[BlockBuster]:
    """Fails a test in which running serving blocks the event loop. Its log is kept from the terminal: that blocks."""
    guard = BlockBuster("melonkube.serving")
    for function in guard.functions.values():  # asyncpg looks for its files as it connects
        function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args")
    with capture_logs():
        yield guard
        guard.deactivate()


class Running:
    """A running app and a client of it that sends a person's token."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, registry: Registry, tuner: Tuner) -> None:
        self.app = app
        self.client = client
        self.registry = registry
        self.tuner = tuner

    @property
    def reconciler(self) -> Reconciler:
        reconciler: Reconciler = self.app.state.reconciler
        return reconciler

    def keeper(self, name: str) -> Keeper:
        keeper = self.reconciler.keeper(Key(DEFAULT_WORKSPACE, name))
        assert keeper is not None
        return keeper

    def live(self, name: str) -> Live:
        live: Live | None = self.app.state.fast.at_path(f"{PREFIX}/{name}/predict".encode(), {}).get(DEFAULT_WORKSPACE)
        assert live is not None
        return live

    async def rested(self, name: str) -> dict[str, Any]:
        """Wait until the endpoint is as far as it can be now; return it."""
        await self.keeper(name).rested.wait()
        return await self.get(name)

    async def until(self, name: str, **expected: Any) -> dict[str, Any]:
        """Wait until the endpoint is as expected (``target_state`` means ``target.state``)."""
        async with asyncio.timeout(60):
            while True:
                endpoint = await self.rested(name)
                found = {**endpoint, "target_state": endpoint["target"]["state"]}
                if all(found[field] == value for field, value in expected.items()):
                    return await self.rested(name)
                await asyncio.sleep(0.005)

    async def put(self, name: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.put(f"/api/v1/endpoints/{name}", json=body)
        assert answer.is_success, answer.text
        endpoint: dict[str, Any] = answer.json()
        return endpoint

    async def get(self, name: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/endpoints/{name}")
        assert answer.status_code == 200, answer.text
        endpoint: dict[str, Any] = answer.json()
        return endpoint

    async def deploy(self, name: str, **body: Any) -> dict[str, Any]:
        await self.put(name, **body)
        endpoint = await self.rested(name)
        assert endpoint["target"]["state"] == "ready", endpoint
        return endpoint

    async def predict(self, name: str, *instances: Any) -> httpx.Response:
        return await self.client.post(f"/api/v1/endpoints/{name}/predict", json={"instances": list(instances)})


@pytest.fixture
def settings(tmp_path: Path, token_settings: TokenSettings) -> Settings:
    return Settings(
        data_dir=tmp_path / "serving",
        database_url=None,
        tokens=token_settings,
        # Waits that a test would have to sit out are short; the periodic work is called by the tests themselves.
        converge={
            "retry_seconds": 0.01,
            "max_retry_seconds": 0.05,
            "resync_seconds": 3600,
            "restore_seconds": 5,
            "wait_seconds": 0.5,
            "poll_seconds": 2,
        },
    )


@pytest.fixture
def database_serving_settings(settings: Settings, database_settings: ServiceSettings) -> Settings:
    """The same on SQLite and on PostgreSQL."""
    return settings.model_copy(update={"database_url": database_settings.database_url})


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def tuner() -> Tuner:
    return Tuner()


Start = Callable[..., Any]


@pytest.fixture
async def start(
    settings: Settings, registry: Registry, tuner: Tuner, make_token: Callable[..., str], blocking: BlockBuster
) -> AsyncIterator[Start]:
    """Starts serving: ``running = await start()``; ``await start.stop()`` ends the newest."""
    stacks: list[AsyncExitStack] = []

    async def begin(with_settings: Settings | None = None) -> Running:
        stack = AsyncExitStack()
        stacks.append(stack)
        blocking.deactivate()  # before the first request nobody waits
        app = create_app(with_settings or settings, {"registry": registry.gate, "tuner": tuner.gate})
        await stack.enter_async_context(LifespanManager(app, startup_timeout=30, shutdown_timeout=30))
        blocking.activate()
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://serving",
                headers={"Authorization": f"Bearer {make_token('serving')}"},
            )
        )
        return Running(app, client, registry, tuner)

    async def stop() -> None:
        await stacks.pop().aclose()

    begin.stop = stop  # type: ignore[attr-defined]
    yield begin
    for stack in reversed(stacks):
        await stack.aclose()


@pytest.fixture
async def serving(start: Start) -> Running:
    running: Running = await start()
    return running
