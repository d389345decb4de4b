"""``Idempotency-Key`` on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from melonkube.kit.db import Base, Database, metadata
from melonkube.kit.errors import Conflict
from melonkube.kit.idempotency import IdempotencyRow, fingerprint, recall, remember
from melonkube.kit.settings import ServiceSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class KeyBase(Base):
    __abstract__ = True
    metadata = metadata()


class Key(IdempotencyRow, KeyBase):
    __tablename__ = "keys"


@pytest.fixture
async def database(database_settings: ServiceSettings) -> AsyncIterator[Database]:
    database = Database.from_settings(database_settings, "kit")
    async with database.writer.begin() as connection:
        if not database.sqlite:
            await connection.execute(text("CREATE SCHEMA kit"))
        await connection.run_sync(KeyBase.metadata.create_all)
    yield database
    await database.close()


async def test_a_repeat_finds_what_the_first_made(database: Database) -> None:
    async with database.write() as session:
        assert await recall(session, Key, "w", "k", "f") is None
        await remember(session, Key, "w", "k", "f", "object", NOW)
    async with database.write() as session:
        assert await recall(session, Key, "w", "k", "f") == "object"
        assert await recall(session, Key, "other", "k", "f") is None
        with pytest.raises(Conflict, match="new key"):
            await recall(session, Key, "w", "k", "another")


async def test_keys_are_forgotten_after_a_day(database: Database) -> None:
    async with database.write() as session:
        await remember(session, Key, "w", "old", "f", "object", NOW)
    async with database.write() as session:
        await remember(session, Key, "w", "new", "f", "object", NOW + timedelta(days=1, seconds=1))
    async with database.write() as session:
        assert await recall(session, Key, "w", "old", "f") is None
        assert await recall(session, Key, "w", "new", "f") == "object"


def test_the_fingerprint_keeps_its_parts_apart() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
