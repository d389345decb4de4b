"""What the registry must be told it is told, however long it is away."""

from typing import Any

import pytest
from sqlalchemy import select, update

from melonkube.kit.db import Database
from melonkube.tuner.tables import OutboxRow
from tests.tuner.conftest import MakeHand, Running, StartTuner
from tests.tuner.stand_in import StandIn


@pytest.fixture
async def running(start_tuner: StartTuner) -> Running:
    return await start_tuner(workers=0)


async def hurry(running: Running) -> int:
    """Make every call due, and have them made; return how many are left."""
    db: Database = running.app.state.db
    async with db.write() as session:
        await session.execute(update(OutboxRow).values(due_at=await db.now(session)))
    await running.tuner.relay.send_due()
    async with db.read() as session:
        return len((await session.execute(select(OutboxRow))).scalars().all())


async def lost(running: Running, by_hand: MakeHand) -> str:
    made = await running.create(budget={"max_trials": 3})
    hand = by_hand(running, made["id"])
    work = await hand.lease()
    await hand.fail(work, "released")
    run_id: str = work["run_id"]
    return run_id


async def test_lost_attempts_runs_are_finished(running: Running, by_hand: MakeHand) -> None:
    run_id = await lost(running, by_hand)
    assert await hurry(running) == 0
    assert running.registry.finished[run_id]["state"] == "lost"


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_registry_that_is_away_is_told_later(running: Running, by_hand: MakeHand, status: int) -> None:
    running.registry.broken["finish"] = status
    run_id = await lost(running, by_hand)
    assert await hurry(running) == 1
    assert await hurry(running) == 1
    assert run_id not in running.registry.finished
    assert "melonkube_tuner_outbox_pending 1.0" in (await running.client.get("/metrics")).text
    running.registry.broken.clear()
    assert await hurry(running) == 0
    assert running.registry.finished[run_id]["state"] == "lost"
    assert "melonkube_tuner_outbox_pending 0.0" in (await running.client.get("/metrics")).text


@pytest.mark.parametrize("status", [404, 409])
async def test_a_run_that_is_not_there_or_has_ended_is_settled(
    running: Running, by_hand: MakeHand, status: int
) -> None:
    running.registry.broken["finish"] = status
    await lost(running, by_hand)
    assert await hurry(running) == 0
    assert "melonkube_tuner_outbox_pending 0.0" in (await running.client.get("/metrics")).text


async def test_a_run_whose_experiment_was_never_made_is_deleted_later(running: Running, registry: StandIn) -> None:
    registry.broken.update({"artifact": 503, "delete": 503})
    body: dict[str, Any] = {"dataset_id": "01900000-0000-7000-8000-00000000d001", "target": "label"}
    answer = await running.client.post("/api/v1/experiments", json={**body, "trainer": "quadratic"})
    assert answer.status_code == 503
    assert len(registry.runs) == 1
    registry.broken.clear()
    assert await hurry(running) == 0
    assert registry.runs == {}
