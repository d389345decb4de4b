"""One conformance suite for every executor: workers start, end, and tell how, each exactly once."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from melonkube.contracts.experiments import Cause, WorkerSpec
from melonkube.contracts.ids import new_id
from melonkube.kit.settings import PeerSettings
from melonkube.tuner.executors.kubernetes.executor import KubernetesExecutor
from melonkube.tuner.executors.local import LocalExecutor
from melonkube.tuner.executors.protocol import CannotStart, Executor, WorkerExit, WorkerOrder
from melonkube.tuner.settings import KubernetesSettings, Settings, WorkerSettings
from tests.tuner.conftest import ROOT

EXPERIMENT = "01900000-0000-7000-8000-00000000e001"
IMAGE = "python:3.11-slim-bookworm"


class Ends:
    """Collects how workers ended."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[WorkerExit] = asyncio.Queue()

    async def __call__(self, end: WorkerExit) -> None:
        await self.seen.put(end)

    async def one(self) -> WorkerExit:
        async with asyncio.timeout(90):
            return await self.seen.get()


Make = Callable[[str], Awaitable[Executor]]


def local(program: str, folder: Path) -> Executor:
    (folder / "worker_program.py").write_text(program)
    return LocalExecutor(
        Settings(
            data_dir=folder / "data",
            workers=3,
            replica="r",
            peers=PeerSettings(tuner="http://tuner", registry="http://registry"),
            worker=WorkerSettings(module="worker_program"),
        )
    )


def kubernetes(program: str, namespace: str) -> Executor:
    own = KubernetesSettings(
        namespace=namespace,
        installation="conformance",
        image=IMAGE,
        command=["python3", "-c", program],
        cpu=0.05,
        memory_bytes=64 << 20,
        end_with_tuner=True,
    )
    return KubernetesExecutor(
        Settings(peers=PeerSettings(tuner="http://tuner", registry="http://registry"), kubernetes=own)
    )


@pytest.fixture
def namespace() -> str:
    """A namespace of its own with Pod Security restricted; the cluster drops it afterwards, in its own time."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    name = f"melon-test-{new_id()[-8:]}"
    subprocess.run(["kubectl", "create", "namespace", name], check=True, capture_output=True)
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    subprocess.run(["kubectl", "label", "namespace", name, enforce], check=True, capture_output=True)
    return name


@pytest.fixture(params=["local", pytest.param("kubernetes", marks=pytest.mark.cluster)])
async def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes an executor whose workers run the given text of Python."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    namespace = "" if request.param == "local" else request.getfixturevalue("namespace")
    made: list[Executor] = []

    async def make(program: str) -> Executor:
        executor = local(program, tmp_path) if request.param == "local" else kubernetes(program, namespace)
        await executor.open(Ends(), lambda: None)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        await executor.close(0.1)
        assert executor.workers() == frozenset()
    if namespace:
        left = ["kubectl", "-n", namespace, "get", "jobs,pods,secrets", "-o", "name"]
        for _ in range(60):  # what is deleted in the foreground goes a moment later
            found = subprocess.run(left, check=True, capture_output=True, text=True).stdout
            if not found:
                break
            await asyncio.sleep(0.5)
        subprocess.run(["kubectl", "delete", "namespace", namespace, "--wait=false"], check=True, capture_output=True)
        assert found == ""


def name(executor: Executor, number: int = 1) -> str:
    return executor.name_worker(EXPERIMENT, 1, number)


def order(executor: Executor, number: int = 1, spec: WorkerSpec | None = None) -> WorkerOrder:
    return WorkerOrder(
        name(executor, number),
        "ws",
        EXPERIMENT,
        "secret",
        "auto",
        "request-7",
        spec or WorkerSpec(env={"ASKED": "for"}),
    )


async def test_a_worker_is_told_what_it_needs_and_no_more(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELON_TOKENS__KEY", "the key")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    executor = await make("import json, os; print(json.dumps(dict(os.environ))); raise SystemExit(3)")
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    told = "\n".join(end.tail)
    for part in ("http://tuner", "http://registry", "secret", "request-7", name(executor), "MELON_CACHE_DIR", "ASKED"):
        assert part in told
    assert "the key" not in told
    assert "postgresql" not in told


async def test_an_end_in_order(make: Make) -> None:
    executor = await make("print('done')")
    ends = Ends()
    await executor.start(order(executor), ends)
    assert await ends.one() == WorkerExit(name(executor), "ws", EXPERIMENT, None, None, ["done"])
    assert executor.workers() == frozenset()


async def test_a_crash_brings_the_last_lines(make: Make) -> None:
    executor = await make(
        "import sys; [print('line', n, file=sys.stderr) for n in range(200)]; sys.exit('the fuse is blown')"
    )
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    assert end.cause is Cause.CODE_ERROR
    assert end.tail[-1] == "the fuse is blown"
    assert len(end.tail) == 50
    assert end.reason is not None
    assert "the fuse is blown" in end.reason


SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.mark.parametrize("program", [SLEEPER, DEAF])
async def test_a_worker_that_we_end_was_released(make: Make, program: str) -> None:
    executor = await make(program)
    ends = Ends()
    await executor.start(order(executor), ends)
    await executor.end(name(executor), grace_seconds=1.0)
    assert executor.workers() == frozenset()
    assert (await ends.one()).cause is Cause.RELEASED


async def test_ending_a_worker_nobody_knows_is_no_fault(make: Make) -> None:
    executor = await make(SLEEPER)
    await executor.end("nobody", grace_seconds=0.1)


async def test_workers_are_apart_and_close_ends_all(make: Make) -> None:
    executor = await make(SLEEPER)
    ends = Ends()
    await asyncio.gather(*(executor.start(order(executor, number), ends) for number in (1, 2, 3)))
    all_three = {name(executor, number) for number in (1, 2, 3)}
    assert executor.workers() == executor.workers_of(EXPERIMENT) == all_three
    assert executor.experiments() == {EXPERIMENT: "ws"}
    assert executor.workers_of(new_id()) == frozenset()
    await executor.end(name(executor, 2), grace_seconds=1.0)
    assert (await ends.one()).worker_id == name(executor, 2)
    await executor.close(1.0)
    assert {(await ends.one()).worker_id for _ in range(2)} == all_three - {name(executor, 2)}


async def test_names_are_never_given_twice(make: Make) -> None:
    executor = await make(SLEEPER)
    other = "01900000-0000-7000-8000-00000000e002"
    named = {
        executor.name_worker(experiment, epoch, number)
        for experiment in (EXPERIMENT, other)
        for epoch in (1, 11)
        for number in (1, 11)
    }
    assert len(named) == 8
    assert all(executor.owns(each) for each in named)
    assert not executor.owns("somebody-else")


async def test_a_closed_executor_starts_nothing(make: Make) -> None:
    executor = await make(SLEEPER)
    starting = asyncio.create_task(executor.start(order(executor), Ends()))
    await executor.close(1.0)
    await asyncio.gather(starting, return_exceptions=True)
    assert executor.workers() == frozenset()
    with pytest.raises(CannotStart):
        await executor.start(order(executor, 2), Ends())


async def test_it_tells_what_runs(make: Make) -> None:
    executor = await make(SLEEPER)
    await executor.start(order(executor), Ends())
    told = await executor.info()
    assert (told.name, told.slots, told.busy) == (executor.name, executor.slots, 1)
    assert executor.refusal(WorkerSpec()) is None
    assert executor.refusal(WorkerSpec(gpu=64)) is not None
