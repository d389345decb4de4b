"""The registry as a client sees it: the whole app on either database, with a store in a folder."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from blockbuster import BlockBuster
from fastapi import FastAPI

from melonkube.kit.settings import ServiceSettings, TokenSettings
from melonkube.registry.app import create_app
from melonkube.registry.datasets.readers import ReaderPool
from melonkube.registry.settings import Settings
from tests.conftest import MakeToken
from tests.support.s3 import S3Server, why_not


@pytest.fixture(scope="session")
def readers() -> Iterator[ReaderPool]:
    """Processes that read files, shared by all tests."""
    pool = ReaderPool(1)
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server, where one can be built."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture
def settings(database_settings: ServiceSettings, token_settings: TokenSettings) -> Settings:
    """Settings of a registry with an empty database and store."""
    return Settings(
        data_dir=database_settings.data_dir, database_url=database_settings.database_url, tokens=token_settings
    )


class Registry:
    """A running registry, and callers of it."""

    def __init__(self, app: FastAPI, settings: Settings, make_token: MakeToken, stack: AsyncExitStack) -> None:
        self.app = app
        self.settings = settings
        self._make_token = make_token
        self._stack = stack

    async def client(self, **who: str) -> httpx.AsyncClient:
        """Return a client: ``client(scope="worker", experiment_id=...)``; by default a person's."""
        token = self._make_token("registry", **who)
        return await self._stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self.app),
                base_url="http://registry",
                headers={"Authorization": f"Bearer {token}"},
            )
        )

    def blob_files(self) -> list[Path]:
        """Return all files in the store's folder."""
        folder = self.settings.data_dir / "blobs"
        return sorted(path for path in folder.rglob("*") if path.is_file())


StartRegistry = Callable[..., Awaitable[Registry]]


@pytest.fixture
async def start_registry(
    settings: Settings, make_token: MakeToken, readers: ReaderPool
) -> AsyncIterator[StartRegistry]:
    """Starts a registry, with changed settings if wanted: ``await start_registry(limits=...)``.

    From then on a call of the registry's that blocks the event loop fails the test; while it starts, migrations may.
    """
    guard = BlockBuster("melonkube.registry")
    for blocking in guard.functions.values():
        blocking.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_dsn_and_args"})  # looks for ~/.pgpass
        blocking.can_block_in("structlog/dev.py", {"__call__"})  # shows the source beside a traceback
    async with AsyncExitStack() as stack:
        stack.callback(guard.deactivate)

        async def start(pool: ReaderPool | None = readers, **changes: object) -> Registry:
            guard.deactivate()
            changed = settings.model_copy(update=changes)
            app = create_app(changed, pool)
            await stack.enter_async_context(LifespanManager(app))
            guard.activate()
            return Registry(app, changed, make_token, stack)

        yield start


@pytest.fixture
async def registry(start_registry: StartRegistry) -> Registry:
    """A running registry."""
    return await start_registry()


@pytest.fixture
async def client(registry: Registry) -> httpx.AsyncClient:
    """A person's client."""
    return await registry.client()


@pytest.fixture
async def service(registry: Registry) -> httpx.AsyncClient:
    """Another service's client."""
    return await registry.client(scope="service")
