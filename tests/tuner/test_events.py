"""The stream: gapless, resumable, honest about what is gone, over when the experiment is."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from melonkube.contracts.events import Event
from melonkube.kit.db import Database
from melonkube.kit.tokens import DEFAULT_WORKSPACE
from melonkube.tuner.events import repository
from melonkube.tuner.events.bell import Bell
from melonkube.tuner.events.endpoints import EventStreams
from tests.tuner.conftest import MakeHand, Running, StartTuner


@pytest.fixture
async def ended(start_tuner: StartTuner, by_hand: MakeHand) -> tuple[Running, str]:
    """A tuner with an experiment of two trials that has ended."""
    running = await start_tuner(workers=0)
    made = await running.create(budget={"max_trials": 2})
    hand = by_hand(running, made["id"])
    first = await hand.lease()
    second = (await hand.complete(first, 0.6, wait_seconds=20))["next"]["assignment"]
    scoring = (await hand.complete(second, 0.8, wait_seconds=20))["next"]["assignment"]
    await hand.call(f"leases/{scoring['run_id']}/evaluated", values={"best": {"auc": 0.7}, "baseline": {"auc": 0.5}})
    return running, made["id"]


async def read(running: Running, experiment_id: str, after: int = 0) -> list[Event]:
    async with aclosing(running.events(experiment_id, after)) as events:
        return [event async for event in events]


async def test_the_stream_has_no_gap_and_ends_with_the_final_state(ended: tuple[Running, str]) -> None:
    running, experiment_id = ended
    events = await read(running, experiment_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(event.experiment_id == experiment_id for event in events)
    last = events[-1]
    assert (last.type, last.data["state"], last.data["last_event"]) == ("experiment", "completed", last.seq)
    assert last.data["best"]["holdout_value"] == 0.7
    assert last.data == await running.get(experiment_id)
    trials = [(event.data["number"], event.data["state"]) for event in events if event.type == "trial"]
    assert trials == [(1, "leased"), (1, "completed"), (2, "leased"), (2, "completed")]


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_reader_goes_on_where_it_left_off(ended: tuple[Running, str], by_header: bool) -> None:
    running, experiment_id = ended
    everything = await read(running, experiment_id)
    url = f"/api/v1/experiments/{experiment_id}/events"
    headers = {"Last-Event-ID": "3"} if by_header else {}
    params = {} if by_header else {"after": 3}
    text = (await running.client.get(url, headers=headers, params=params)).text
    ids = [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
    assert ids == [event.seq for event in everything[3:]]


async def test_a_reader_of_all_is_answered_at_once(ended: tuple[Running, str]) -> None:
    running, experiment_id = ended
    last = (await running.get(experiment_id))["last_event"]
    assert await read(running, experiment_id, after=last) == []


async def test_what_is_no_longer_kept_is_gone(ended: tuple[Running, str]) -> None:
    running, experiment_id = ended
    last = (await running.get(experiment_id))["last_event"]
    db: Database = running.app.state.db
    async with db.write() as session:
        now = await db.now(session)
        await repository.sweep(session, now + timedelta(days=1))
    url = f"/api/v1/experiments/{experiment_id}/events"
    answer = await running.client.get(url, params={"after": 2})
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert (await running.client.get(url, params={"after": last + 1})).status_code == 410
    assert await read(running, experiment_id, after=last) == []
    assert await read(running, experiment_id) == []


@pytest.mark.parametrize(("name", "value"), [("after", "-1"), ("after", "x"), ("after", "9" * 30)])
async def test_a_place_that_is_none(ended: tuple[Running, str], name: str, value: str) -> None:
    running, experiment_id = ended
    answer = await running.client.get(f"/api/v1/experiments/{experiment_id}/events", params={name: value})
    assert answer.status_code in (410, 422)


@pytest.mark.parametrize("value", ["-1", "x", "９", "9" * 30])
async def test_a_header_that_is_none(ended: tuple[Running, str], value: str) -> None:
    running, experiment_id = ended
    answer = await running.client.get(
        f"/api/v1/experiments/{experiment_id}/events", headers={b"Last-Event-ID": value.encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_stream_on_which_nothing_happens_says_that_it_lives(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    made = await running.create()
    streams = EventStreams(running.app.state.db, Bell(), heartbeat_seconds=0.05)
    seen = []
    async with aclosing(streams.stream(DEFAULT_WORKSPACE, made["id"], 0)) as stream:
        async for message in stream:
            seen.append(message)
            if message.startswith(":"):
                break
    assert seen[-1] == ": alive\n\n"
    assert seen[0].startswith("retry:")


async def test_a_stream_of_a_deleted_experiment_ends(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    made = await running.create()
    async with aclosing(running.events(made["id"])) as events:
        assert (await anext(events)).seq == 1
        await running.client.post(f"/api/v1/experiments/{made['id']}/stop")
        assert [event.data["state"] async for event in events] == ["stopped"]
    assert (await running.client.delete(f"/api/v1/experiments/{made['id']}")).status_code == 204


async def test_every_reader_sees_every_event(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=2)
    made = await running.create(budget={"max_trials": 6})
    readers = [asyncio.create_task(read(running, made["id"])) for _ in range(5)]
    lists = await asyncio.gather(*readers)
    assert all(events == lists[0] for events in lists)
    assert lists[0][-1].data["state"] == "completed"
