"""Content that several things share: kept while one refers to it, gone with the last, whatever comes in between."""

import asyncio
import random
from datetime import timedelta

import httpx
from sqlalchemy import select

from melonkube.contracts.ids import new_id
from melonkube.kit.db import Database
from melonkube.registry.blobs.models import BlobRow, GarbageRow
from melonkube.registry.blobs.service import BlobService
from tests.registry.conftest import Registry, StartRegistry
from tests.registry.process import eventually


def blobs_of(registry: Registry) -> BlobService:
    service: BlobService = registry.app.state.parts.blobs
    return service


async def keep(client: httpx.AsyncClient, data: bytes) -> str:
    """Make a run that holds ``data`` and return its address."""
    run_id = (await client.post("/api/v1/runs", json={"id": new_id()})).json()["id"]
    answer = await client.put(f"/api/v1/runs/{run_id}/artifacts/a", content=data)
    assert answer.status_code == 201, answer.text
    return f"/api/v1/runs/{run_id}"


async def rows_and_files(registry: Registry) -> tuple[list[str], list[str]]:
    database: Database = registry.app.state.db
    async with database.read() as session:
        rows = list(await session.scalars(select(BlobRow.key)))
        assert list(await session.scalars(select(GarbageRow.key))) == []
    folder = registry.settings.data_dir / "blobs"
    return sorted(rows), [str(path.relative_to(folder)) for path in registry.blob_files()]


async def test_deleting_and_keeping_the_same_bytes_at_once_loses_none(start_registry: StartRegistry) -> None:
    """Two replicas on one database and store: every reference always leads to its bytes."""
    replicas = [await start_registry(), await start_registry()]
    clients = [await replica.client() for replica in replicas]
    contents = [b"one", b"two" * 1000, b"three" * (1 << 20), b""]

    async def caller(seed: int) -> None:
        chance = random.Random(seed)
        mine: list[tuple[str, bytes]] = []
        for _ in range(12):
            client = chance.choice(clients)
            if mine and chance.random() < 0.5:
                url, data = mine.pop(chance.randrange(len(mine)))
                assert (await client.get(f"{url}/artifacts/a")).content == data
                assert (await client.delete(url)).status_code == 204
            else:
                data = chance.choice(contents)
                mine.append((await keep(client, data), data))
            if chance.random() < 0.3:
                await blobs_of(chance.choice(replicas)).collect()
        for url, data in mine:
            assert (await chance.choice(clients).get(f"{url}/artifacts/a")).content == data

    await asyncio.gather(*(caller(seed) for seed in range(6)))
    for replica in replicas:
        await blobs_of(replica).collect()
    rows, files = await rows_and_files(replicas[0])
    assert rows == files
    assert len(rows) <= len(contents)


async def test_writers_that_cross_all_get_through(client: httpx.AsyncClient, registry: Registry) -> None:
    """Contents change places, runs go while they are written: no order of locks crosses another."""
    contents = [b"one", b"two", b"three"]

    async def writer(turn: int) -> None:
        url = await keep(client, contents[turn % 3])
        for step in range(6):
            files = [(f"f{n}", (f"f{n}", contents[(turn + step + n) % 3])) for n in range(turn % 2, 3)]
            assert (await client.post(f"{url}/artifacts", files=files)).status_code == 200
            answer = await client.put(f"{url}/artifacts/a", content=contents[(turn * step) % 3])
            assert answer.status_code == 200, answer.text
        late = client.put(f"{url}/artifacts/a", content=contents[turn % 3])
        written, deleted = await asyncio.gather(late, client.delete(url))
        assert written.status_code in (200, 404)
        assert deleted.status_code == 204

    await asyncio.gather(*(writer(turn) for turn in range(6)))
    await blobs_of(registry).collect()
    assert await rows_and_files(registry) == ([], [])


async def test_what_another_replica_deleted_is_stored_anew(start_registry: StartRegistry) -> None:
    one, other = await start_registry(), await start_registry()
    client = await one.client()
    first = await keep(client, b"the same bytes")
    assert (await (await other.client()).delete(first)).status_code == 204
    await blobs_of(other).collect()
    assert one.blob_files() == []
    again = await keep(client, b"the same bytes")
    assert (await client.get(f"{again}/artifacts/a")).content == b"the same bytes"


async def test_the_same_small_bytes_are_stored_once(client: httpx.AsyncClient, registry: Registry) -> None:
    for _ in range(5):
        await keep(client, b"signature")
    assert len(registry.blob_files()) == 1


async def test_workspaces_share_no_content(client: httpx.AsyncClient, registry: Registry) -> None:
    other = await registry.client(workspace_id=new_id())
    mine = await keep(client, b"bytes")
    theirs = await keep(other, b"bytes")
    assert len(registry.blob_files()) == 2
    await client.delete(mine)
    await blobs_of(registry).collect()
    assert (await other.get(f"{theirs}/artifacts/a")).content == b"bytes"


async def test_objects_that_nobody_knows_are_swept(client: httpx.AsyncClient, registry: Registry) -> None:
    kept = await keep(client, b"kept")
    store = blobs_of(registry).store
    await store.put(store.content_key("0" * 64), b"its transaction never came")
    assert await blobs_of(registry).sweep(timedelta(hours=1)) == 0
    assert await blobs_of(registry).sweep(timedelta(0)) == 1
    assert len(registry.blob_files()) == 1
    assert (await client.get(f"{kept}/artifacts/a")).content == b"kept"


async def test_garbage_left_by_a_crash_is_removed_at_the_next_start(start_registry: StartRegistry) -> None:
    first = await start_registry()
    database: Database = first.app.state.db
    store = blobs_of(first).store
    key = store.content_key("0" * 64)
    await store.put(key, b"deleted, but not yet removed")
    async with database.write() as session:
        await blobs_of(first)._repository.condemn(session, new_id(), [key], await database.now(session))
    second = await start_registry()

    async def removed() -> bool:
        return not (second.settings.data_dir / "blobs" / key).exists()

    await eventually(removed, "the next registry removes the object")


async def test_content_lost_from_the_store_is_told(client: httpx.AsyncClient, registry: Registry) -> None:
    url = await keep(client, b"x")
    registry.blob_files()[0].unlink()
    answer = await client.get(f"{url}/artifacts/a")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
