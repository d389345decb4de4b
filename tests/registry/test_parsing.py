"""Reading files in the background: leases, deaths, and who takes over."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from melonkube.kit.db import Database
from melonkube.registry.datasets.job import Task
from melonkube.registry.datasets.models import DatasetRow
from melonkube.registry.datasets.readers import ReaderDied, ReaderPool
from melonkube.registry.settings import JanitorSettings, ParsingSettings
from tests.registry.conftest import Registry, StartRegistry
from tests.registry.process import eventually
from tests.registry.test_datasets import CSV, upload


class SilentReaders(ReaderPool):
    """Readers that never answer: as if the process hung, or were about to be killed."""

    async def read(self, task: Task) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


class DyingReaders(ReaderPool):
    """Readers that die of each file, a number of times."""

    def __init__(self, deaths: int, then: ReaderPool) -> None:
        super().__init__(1)
        self.deaths = deaths
        self._then = then

    async def read(self, task: Task) -> dict[str, Any]:
        if self.deaths:
            self.deaths -= 1
            raise ReaderDied("killed")
        return await self._then.read(task)


async def row_of(registry: Registry, dataset_id: str) -> DatasetRow:
    database: Database = registry.app.state.db
    async with database.read() as session:
        return (await session.execute(select(DatasetRow).where(DatasetRow.id == dataset_id))).scalar_one()


async def begun(registry: Registry) -> str:
    """Begin a data set that this registry never finishes, and return its id."""
    answer = await upload(await registry.client(), CSV, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    dataset_id: str = answer.json()["id"]
    return dataset_id


async def disown(registry: Registry, dataset_id: str, owner: str, lease: timedelta) -> None:
    database: Database = registry.app.state.db
    async with database.write() as session:
        await session.execute(
            update(DatasetRow)
            .where(DatasetRow.id == dataset_id)
            .values(owner=owner, lease_until=datetime.now(UTC) + lease)
        )


ELSEWHERE = "0123456789abcdef.1.1"
FAST = JanitorSettings(interval_seconds=0.01)


async def test_a_file_whose_reader_went_silent_is_taken_over(start_registry: StartRegistry) -> None:
    hung = await start_registry(pool=SilentReaders(1))
    dataset_id = await begun(hung)
    await disown(hung, dataset_id, ELSEWHERE, timedelta(seconds=-1))
    successor = await start_registry(janitor=FAST)
    same = await upload(await successor.client(), CSV)
    assert (same.status_code, same.json()["id"], same.json()["state"]) == (200, dataset_id, "ready")
    row = await row_of(successor, dataset_id)
    assert (row.attempts, row.owner, row.lease_until) == (2, None, None)


async def test_a_file_that_is_being_read_is_left_to_its_reader(start_registry: StartRegistry) -> None:
    hung = await start_registry(pool=SilentReaders(1))
    dataset_id = await begun(hung)
    await disown(hung, dataset_id, ELSEWHERE, timedelta(hours=1))
    successor = await start_registry()
    await successor.app.state.parts.parsing.take_over()
    row = await row_of(successor, dataset_id)
    assert (row.attempts, row.owner) == (1, ELSEWHERE)
    answer = await (await successor.client()).get(f"/api/v1/datasets/{dataset_id}/preview")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_ready")


async def test_one_of_many_successors_takes_over(start_registry: StartRegistry) -> None:
    hung = await start_registry(pool=SilentReaders(1))
    dataset_id = await begun(hung)
    await disown(hung, dataset_id, ELSEWHERE, timedelta(seconds=-1))
    parsing = [(await start_registry(pool=SilentReaders(1), janitor=JanitorSettings())).app.state.parts.parsing]
    await asyncio.gather(*(one.take_over() for one in parsing * 5))
    assert (await row_of(hung, dataset_id)).attempts == 2


async def test_the_lease_is_renewed_while_a_file_is_read(start_registry: StartRegistry) -> None:
    registry = await start_registry(pool=SilentReaders(1), parsing=ParsingSettings(lease_seconds=0.15))
    dataset_id = await begun(registry)
    first = (await row_of(registry, dataset_id)).lease_until
    assert first is not None

    async def renewed() -> bool:
        until = (await row_of(registry, dataset_id)).lease_until
        return until is not None and until > first

    await eventually(renewed, "the lease is renewed")


async def test_a_service_that_stops_leaves_its_files_to_the_next_at_once(start_registry: StartRegistry) -> None:
    stopped = await start_registry(pool=SilentReaders(1))
    dataset_id = await begun(stopped)
    await stopped.app.state.parts.parsing.close()
    row = await row_of(stopped, dataset_id)
    assert (row.state, row.owner, row.lease_until) == ("parsing", None, None)


async def test_a_reader_that_dies_is_tried_again(start_registry: StartRegistry, readers: ReaderPool) -> None:
    registry = await start_registry(pool=DyingReaders(4, readers))
    assert (await upload(await registry.client(), CSV)).status_code == 201


async def test_a_file_that_kills_its_readers_is_given_up(start_registry: StartRegistry, readers: ReaderPool) -> None:
    registry = await start_registry(pool=DyingReaders(100, readers))
    client = await registry.client()
    answer = await upload(client, CSV)
    assert (answer.status_code, answer.json()["code"]) == (422, "undecodable")
    assert "memory" in answer.json()["detail"]
    failed = (await client.get("/api/v1/datasets")).json()["items"]
    assert [(item["state"], item["problem"]["code"]) for item in failed] == [("failed", "undecodable")]


async def test_a_fault_of_ours_is_told_as_such(start_registry: StartRegistry) -> None:
    class Faulty(ReaderPool):
        async def read(self, task: Task) -> dict[str, Any]:
            raise KeyError("a bug")

    registry = await start_registry(pool=Faulty(1))
    client = await registry.client()
    answer = await upload(client, CSV)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert (await client.get("/api/v1/datasets")).json()["items"] == []


async def test_a_data_set_deleted_while_it_is_read_stays_deleted(start_registry: StartRegistry) -> None:
    class Gate(ReaderPool):
        async def read(self, task: Task) -> dict[str, Any]:
            entered.set()
            await leave.wait()
            return await super().read(task)

    entered, leave = asyncio.Event(), asyncio.Event()
    gate = Gate(1)
    registry = await start_registry(pool=gate)
    client = await registry.client()
    waiting = asyncio.create_task(upload(client, CSV))
    await entered.wait()
    (dataset,) = (await client.get("/api/v1/datasets")).json()["items"]
    assert (await client.delete(f"/api/v1/datasets/{dataset['id']}")).status_code == 204
    await registry.app.state.parts.blobs.collect()
    leave.set()
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    await registry.app.state.parts.blobs.collect()
    assert registry.blob_files() == []
    await asyncio.to_thread(gate.close)


async def test_a_pool_that_is_closed_reads_no_more() -> None:
    pool = ReaderPool(1)
    pool.warm()
    pool.close()
    with pytest.raises(ReaderDied):
        await pool.read(Task("a", "a.csv", "b", 1))
