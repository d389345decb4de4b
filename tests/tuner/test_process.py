"""The tuner as a process that is killed, told to end, and replaced; the database that goes away."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from melonkube.contracts.events import Event
from melonkube.kit.settings import ServiceSettings
from melonkube.kit.tokens import TokenKey
from melonkube.tuner.engine.ledger import OwnershipLost
from tests.conftest import MakeToken
from tests.support.postgres import PostgresServer
from tests.tuner.conftest import ROOT, StartTuner, serving
from tests.tuner.stand_in import DATASET_ID, StandIn


@dataclass
class Tuner:
    """A tuner process behind a socket that outlives it, as the supervisor's do."""

    environment: dict[str, str]
    listener: socket.socket
    client: httpx.AsyncClient
    cache: Path
    process: Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "melonkube.tuner", env=self.environment, pass_fds=[self.listener.fileno()]
        )  # fmt: skip

    async def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            await self.process.wait()

    def behave(self, **how: Any) -> None:
        self.cache.mkdir(parents=True, exist_ok=True)
        (self.cache / "behaviour.json").write_text(json.dumps(how))

    async def create(self, **changes: Any) -> dict[str, Any]:
        body = {"dataset_id": DATASET_ID, "target": "label", "algorithm": "random", **changes}
        answer = await self.client.post("/api/v1/experiments", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def until(self, experiment_id: str, wanted: Callable[[Event], bool] | None) -> Event:
        """Follow the stream, over every break, to the event that is wanted, or to the end."""
        after = 0
        while True:
            try:
                url = f"/api/v1/experiments/{experiment_id}/events?after={after}"
                async with self.client.stream("GET", url, timeout=httpx.Timeout(60.0)) as stream:
                    event = None
                    async for line in stream.aiter_lines():
                        if line.startswith("data: "):
                            event = Event.model_validate_json(line[6:])
                            after = event.seq
                            if wanted is not None and wanted(event):
                                return event
                    ended = event is not None and event.type == "experiment" and event.data["finished_at"]
                    if wanted is None and event is not None and ended:
                        return event
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async def trials(self, experiment_id: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"/api/v1/experiments/{experiment_id}/trials?limit=1000")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def workers_of(cache: Path) -> list[int]:
    """Return the processes whose environment names this cache folder and a worker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"MELON_WORKER_ID=" in environment and f"MELON_CACHE_DIR={cache}".encode() in environment:
                found.append(int(entry.name))
    return found


StartProcess = Callable[..., Awaitable[Tuner]]


@pytest.fixture
async def start_process(
    database_settings: ServiceSettings, registry: StandIn, token_key: TokenKey, make_token: MakeToken, tmp_path: Path
) -> AsyncIterator[StartProcess]:
    """Starts tuner processes on one database, with the stand-in registry behind a real socket."""
    async with AsyncExitStack() as stack:
        door = socket.socket()
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        await stack.enter_async_context(serving(registry.app, door))
        key = tmp_path / "key.pem"
        key.write_bytes(token_key.to_pem())

        async def start(replica: str = "one", **more: str) -> Tuner:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            cache = tmp_path / f"cache-{replica}"
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "MELON_DATA_DIR": str(database_settings.data_dir),
                "MELON_LISTEN__FD": str(listener.fileno()),
                "MELON_PEERS__REGISTRY": f"http://127.0.0.1:{door.getsockname()[1]}",
                "MELON_PEERS__TUNER": address,
                "MELON_TOKENS__KEY_FILE": str(key),
                "MELON_REPLICA": replica,
                "MELON_WORKERS": "2",
                "MELON_WORKER__MODULE": "tests.tuner.fake_worker",
                "MELON_WORKER__CACHE_DIR": str(cache),
                "MELON_OWNER__TICK_SECONDS": "0.2",
                "MELON_PARENT_PID": str(os.getpid()),
                **more,
            }
            environment.pop("DATABASE_URL", None)
            if database_settings.database_url is not None:
                environment["DATABASE_URL"] = database_settings.database_url.get_secret_value()
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=address,
                    headers={"Authorization": f"Bearer {make_token('tuner')}"},
                    timeout=60.0,
                    trust_env=False,
                )
            )
            tuner = Tuner(environment, listener, client, cache)
            await tuner.start()
            stack.push_async_callback(end, tuner)
            return tuner

        async def end(tuner: Tuner) -> None:
            if tuner.process is not None and tuner.process.returncode is None:
                await tuner.signal(signal.SIGKILL)

        yield start


def counted_once(trials: list[dict[str, Any]], many: int) -> bool:
    return [(trial["number"], trial["state"]) for trial in trials] == [(n, "completed") for n in range(1, many + 1)]


@pytest.mark.chaos
async def test_kill_9_loses_no_finished_trial(start_process: StartProcess) -> None:
    tuner = await start_process()
    tuner.behave(seconds=0.2, renew=True)
    made = await tuner.create(budget={"max_trials": 14})
    values: dict[int, float] = {}
    for number in (3, 6, 9):
        await tuner.until(made["id"], lambda event, number=number: event.data.get("number") == number)  # type: ignore[misc]
        before = {each["number"]: each for each in await tuner.trials(made["id"]) if each["state"] == "completed"}
        values.update({each: trial["value"] for each, trial in before.items()})
        await tuner.signal(signal.SIGKILL)
        await tuner.start()
    end = await tuner.until(made["id"], None)
    assert end.data["state"] == "completed"
    assert end.data["trials"]["completed"] == 14
    assert end.data["trials"]["failed"] == 0
    trials = await tuner.trials(made["id"])
    assert counted_once(trials, 14)
    assert {each["number"]: each["value"] for each in trials if each["number"] in values} == values


@pytest.mark.chaos
async def test_told_to_end_it_takes_its_workers_along_and_goes_on_later(start_process: StartProcess) -> None:
    tuner = await start_process()
    tuner.behave(seconds=600)
    made = await tuner.create(budget={"max_trials": 3})
    await tuner.until(made["id"], lambda event: event.data.get("number") == 2)
    assert len(workers_of(tuner.cache)) == 2
    await tuner.signal(signal.SIGTERM)
    assert workers_of(tuner.cache) == []
    tuner.behave(seconds=0)
    await tuner.start()
    end = await tuner.until(made["id"], None)
    assert end.data["state"] == "completed"
    trials = await tuner.trials(made["id"])
    assert counted_once(trials, 3)
    first = (await tuner.client.get(f"/api/v1/experiments/{made['id']}/trials/1")).json()["attempts"]
    assert [(each["outcome"], each["cause"]) for each in first] == [("lost", "released"), ("completed", None)]


@pytest.mark.chaos
async def test_workers_die_with_a_tuner_that_is_killed(start_process: StartProcess) -> None:
    tuner = await start_process()
    tuner.behave(seconds=600, hang=True)
    made = await tuner.create(budget={"max_trials": 2})
    await tuner.until(made["id"], lambda event: event.data.get("number") == 2)
    assert len(workers_of(tuner.cache)) == 2
    await tuner.signal(signal.SIGKILL)
    async with asyncio.timeout(10):
        while workers_of(tuner.cache):  # noqa: ASYNC110 - the kernel tells nobody but the dead tuner
            await asyncio.sleep(0.05)


@pytest.mark.chaos
@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
async def test_another_replica_takes_over(start_process: StartProcess) -> None:
    quick = {
        "MELON_OWNER__SECONDS": "1.5",
        "MELON_LEASE__SECONDS": "2",
        "MELON_LEASE__HEARTBEAT_SECONDS": "0.5",
    }
    one = await start_process("one", **quick)
    one.behave(seconds=0.2, renew=True)
    made = await one.create(budget={"max_trials": 10})
    await one.until(made["id"], lambda event: event.data.get("number") == 4)
    two = await start_process("two", **quick)
    two.behave(seconds=0.05)
    assert (await two.client.get("/readyz")).status_code == 200
    await one.signal(signal.SIGKILL)
    end = await two.until(made["id"], None)
    assert (end.data["state"], end.data["trials"]["completed"]) == ("completed", 10)
    assert counted_once(await two.trials(made["id"]), 10)


@pytest.mark.chaos
@pytest.mark.parametrize("database_settings", ["postgresql"], indirect=True)
async def test_a_database_that_goes_away_is_waited_for(start_process: StartProcess, postgres: PostgresServer) -> None:
    tuner = await start_process()
    tuner.behave(seconds=0.2, renew=True)
    made = await tuner.create(budget={"max_trials": 10})
    await tuner.until(made["id"], lambda event: event.data.get("number") == 4)
    await asyncio.to_thread(postgres.stop)
    try:
        answer = await tuner.client.get(f"/api/v1/experiments/{made['id']}")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert (await tuner.client.get("/readyz")).status_code == 503
        assert (await tuner.client.get("/healthz")).status_code == 200
    finally:
        await asyncio.to_thread(postgres.start)
    end = await tuner.until(made["id"], None)
    assert (end.data["state"], end.data["trials"]["completed"]) == ("completed", 10)
    assert counted_once(await tuner.trials(made["id"]), 10)


async def test_an_owner_of_an_earlier_epoch_writes_nothing(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    made = await running.create()
    await running.until(made["id"], lambda _event: True)
    ledgers = running.tuner.leases._ledgers
    async with ledgers.open(made["id"], "00000000-0000-7000-8000-000000000001") as ledger:
        epoch = ledger.row.owner_epoch
    with pytest.raises(OwnershipLost):
        async with ledgers.open(made["id"], "00000000-0000-7000-8000-000000000001", epoch - 1):
            raise AssertionError("the ledger opened for an owner of the past")
