"""Fixtures every part's tests may use: real databases, keys, tokens."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from melonkube.kit.db import Database
from melonkube.kit.migrations import migrate
from melonkube.kit.settings import ServiceSettings, TokenSettings
from melonkube.kit.tokens import (
    DEFAULT_WORKSPACE,
    SCOPE_SERVICE,
    SCOPE_USER,
    SCOPE_WORKER,
    Principal,
    TokenKey,
    TokenSigner,
)
from tests.support.postgres import PostgresServer

MakeDatabase = Callable[[str], Awaitable[Database]]
MakeToken = Callable[..., str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceSettings:
    """Settings that name an empty database; a test that asks for it runs once on each kind."""
    if request.param == "sqlite":
        return ServiceSettings(data_dir=tmp_path / "data", database_url=None)
    server: PostgresServer = request.getfixturevalue("postgres")
    return ServiceSettings(data_dir=tmp_path / "data", database_url=server.create_database())


@pytest.fixture
async def make_database(database_settings: ServiceSettings) -> AsyncIterator[MakeDatabase]:
    """Makes the migrated database of a service: ``db = await make_database("registry")``; on both kinds."""
    made: list[Database] = []

    async def make(service: str) -> Database:
        database = Database.from_settings(database_settings, service)
        made.append(database)
        await migrate(database, service)
        return database

    yield make
    for database in made:
        await database.close()


@pytest.fixture(scope="session")
def token_key() -> TokenKey:
    """The key with which this test process signs."""
    return TokenKey.generate()


@pytest.fixture
def token_settings(token_key: TokenKey) -> TokenSettings:
    """Settings that name that key."""
    return TokenSettings(key=token_key.to_pem().decode())


@pytest.fixture
def make_token(token_key: TokenKey) -> MakeToken:
    """Makes a token: ``make_token("registry", scope="worker", experiment_id=...)``."""
    signer = TokenSigner(token_key)

    def make(
        audience: str,
        *,
        scope: str = SCOPE_USER,
        workspace_id: str = DEFAULT_WORKSPACE,
        experiment_id: str | None = None,
        dataset_id: str | None = None,
    ) -> str:
        assert scope in (SCOPE_USER, SCOPE_SERVICE, SCOPE_WORKER)
        principal = Principal(f"test:{scope}", workspace_id, frozenset({scope}), experiment_id, dataset_id)
        return signer.sign(principal, audience)

    return make
