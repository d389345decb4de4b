"""Rows of endpoints on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from melonkube.contracts.ids import new_id
from melonkube.kit.db import Database
from melonkube.kit.tokens import DEFAULT_WORKSPACE
from melonkube.serving.endpoints.domain import Active, Key
from melonkube.serving.endpoints.models import EndpointRow
from melonkube.serving.endpoints.repository import EndpointReader, EndpointWriter
from melonkube.serving.settings import Settings
from tests.conftest import MakeDatabase
from tests.serving.bundles import make_bundle
from tests.serving.conftest import Start

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KEY = Key(DEFAULT_WORKSPACE, "e")
PINNED: dict[str, Any] = {"model": "m", "version": 1, "alias": None, "experiment_id": None}


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    return await make_database("serving")


async def put(database: Database, key: Key = KEY, now: datetime = NOW, **changes: Any) -> Any:
    async with database.write() as session:
        return await EndpointWriter(session).put(key, **{**PINNED, **changes}, now=now)


async def get(database: Database, key: Key = KEY) -> Any:
    async with database.read() as session:
        return await EndpointReader(session).get(key)


async def test_puts_count_generations_and_keep_the_identity(database: Database) -> None:
    first, new = await put(database)
    assert (first.generation, new, first.created_at, first.active) == (1, True, NOW, None)
    later = NOW + timedelta(seconds=5)
    second, new = await put(database, now=later, version=None, alias="a")
    assert (second.generation, new, second.version, second.alias) == (2, False, None, "a")
    assert (second.id, second.created_at, second.updated_at) == (first.id, NOW, later)
    assert await get(database) == second


async def test_names_are_a_workspaces_own(database: Database) -> None:
    other = Key(new_id(), "e")
    await put(database)
    assert await get(database, other) is None
    made, new = await put(database, other, model="n")
    assert (made.model, new, made.generation) == ("n", True, 1)
    assert (await get(database)).model == "m"
    async with database.write() as session:
        assert await EndpointWriter(session).remove(other)
    assert await get(database) is not None


async def test_a_name_is_there_once(database: Database) -> None:
    await put(database)
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            values = {**PINNED, "name": "e", "workspace_id": DEFAULT_WORKSPACE, "generation": 1}
            session.add(EndpointRow(id=new_id(), active_generation=0, created_at=NOW, updated_at=NOW, **values))


async def test_what_answers_is_remembered_unless_something_newer_is(database: Database) -> None:
    first, _ = await put(database)
    second, _ = await put(database, version=2)
    newer, older = Active("m", 2, "b" * 64, 2), Active("m", 1, "a" * 64, 1)
    for active in (newer, older):
        async with database.write() as session:
            await EndpointWriter(session).note_active(second, active)
    assert (await get(database)).active == newer
    moved = Active("m", 3, "c" * 64, 2)  # an alias moved: the same generation
    async with database.write() as session:
        await EndpointWriter(session).note_active(second, moved)
    assert (await get(database)).active == moved
    async with database.write() as session:
        writer = EndpointWriter(session)
        assert await writer.remove(KEY)
        assert not await writer.remove(KEY)
    again, _ = await put(database)
    async with database.write() as session:
        await EndpointWriter(session).note_active(first, newer)  # a late note of the one that is gone
    assert (await get(database)).active is None
    assert again.generation == 1


async def test_pages_go_by_name(database: Database) -> None:
    for name in ("b", "a-1", "c", "a"):
        await put(database, Key(DEFAULT_WORKSPACE, name))
    await put(database, Key(new_id(), "b"))
    async with database.read() as session:
        reader = EndpointReader(session)
        assert [item.key.name for item in await reader.page(DEFAULT_WORKSPACE, None, 2)] == ["a", "a-1"]
        assert [item.key.name for item in await reader.page(DEFAULT_WORKSPACE, "a-1", 9)] == ["b", "c"]
        assert len(await reader.all()) == 5


async def test_releases_are_due_at_their_time_and_can_be_moved_and_cancelled(database: Database) -> None:
    other = Key(DEFAULT_WORKSPACE, "f")
    async with database.write() as session:
        writer = EndpointWriter(session)
        await writer.plan_release(KEY, NOW)
        await writer.plan_release(other, NOW)
        await writer.plan_release(other, NOW + timedelta(minutes=1))
    async with database.write() as session:
        writer = EndpointWriter(session)
        assert await writer.releases(NOW) == [KEY]
        assert await writer.releases(NOW + timedelta(minutes=1)) == [KEY, other]
        await writer.cancel_release(KEY)
        assert await writer.releases(NOW + timedelta(minutes=1)) == [other]


async def test_an_endpoint_goes_its_whole_way_on_both(start: Start, database_serving_settings: Settings) -> None:
    running = await start(database_serving_settings)
    made = make_bundle()
    running.registry.add("m", made)
    await running.deploy("e", model="m", version=1)
    await start.stop()  # type: ignore[attr-defined]
    running.registry.gate.up = False
    again = await start(database_serving_settings)
    assert (await again.predict("e", made.instances[0])).json()["digest"] == made.digest
    assert (await again.client.delete("/api/v1/endpoints/e")).status_code == 204
    again.registry.gate.up = True
    await again.reconciler.release_due()
    assert again.registry.references == {}
