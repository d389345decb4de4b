"""One conformance suite for every executor: workers start, end, and tell how, each exactly once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from melonkube.contracts.experiments import Cause
from melonkube.kit.settings import PeerSettings
from melonkube.tuner.executors.local import LocalExecutor
from melonkube.tuner.executors.protocol import CannotStart, Executor, WorkerExit, WorkerOrder
from melonkube.tuner.settings import Settings, WorkerSettings
from tests.tuner.conftest import ROOT

EXPERIMENT = "01900000-0000-7000-8000-00000000e001"


class Ends:
    """Collects how workers ended."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[WorkerExit] = asyncio.Queue()

    async def __call__(self, end: WorkerExit) -> None:
        await self.seen.put(end)

    async def one(self) -> WorkerExit:
        async with asyncio.timeout(30):
            return await self.seen.get()


Make = Callable[[str], Executor]


@pytest.fixture(params=["local"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes an executor whose workers run the given text of Python."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    made: list[Executor] = []

    def local(program: str) -> Executor:
        (tmp_path / "worker_program.py").write_text(program)
        settings = Settings(
            data_dir=tmp_path / "data",
            workers=3,
            replica="r",
            peers=PeerSettings(tuner="http://tuner", registry="http://registry"),
            worker=WorkerSettings(module="worker_program"),
        )
        executor = LocalExecutor(settings)
        made.append(executor)
        return executor

    yield {"local": local}[request.param]
    for executor in made:
        await executor.close(0.1)
        assert executor.workers() == frozenset()


def order(executor: Executor, number: int = 1) -> WorkerOrder:
    return WorkerOrder(f"{executor.prefix}{number}", "ws", EXPERIMENT, "secret", "auto", "request-7")


async def test_a_worker_is_told_what_it_needs_and_no_more(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELON_TOKENS__KEY", "the key")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    executor = make("import json, os; print(json.dumps(dict(os.environ))); raise SystemExit(3)")
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    told = "\n".join(end.tail)
    for part in ("http://tuner", "http://registry", "secret", "request-7", f"{executor.prefix}1", "MELON_CACHE_DIR"):
        assert part in told
    assert "the key" not in told
    assert "postgresql" not in told


async def test_an_end_in_order(make: Make) -> None:
    executor = make("print('done')")
    ends = Ends()
    await executor.start(order(executor), ends)
    assert await ends.one() == WorkerExit(f"{executor.prefix}1", "ws", EXPERIMENT, None, None, ["done"])
    assert executor.workers() == frozenset()


async def test_a_crash_brings_the_last_lines(make: Make) -> None:
    executor = make("import sys; [print('line', n) for n in range(200)]; sys.exit('the fuse is blown')")
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    assert end.cause is Cause.CODE_ERROR
    assert end.tail[-1] == "the fuse is blown"
    assert len(end.tail) == 50
    assert end.reason is not None
    assert "the fuse is blown" in end.reason


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGKILL, Cause.WORKER_KILLED),
        (signal.SIGTERM, Cause.WORKER_KILLED),
        (signal.SIGSEGV, Cause.CODE_ERROR),
        (signal.SIGABRT, Cause.CODE_ERROR),
    ],
)
async def test_a_signal_that_is_not_ours(make: Make, number: int, cause: Cause) -> None:
    executor = make(f"import os; os.kill(os.getpid(), {int(number)})")
    ends = Ends()
    await executor.start(order(executor), ends)
    assert (await ends.one()).cause is cause


SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.mark.parametrize("program", [SLEEPER, DEAF])
async def test_a_worker_that_we_end_was_released(make: Make, program: str) -> None:
    executor = make(program)
    ends = Ends()
    await executor.start(order(executor), ends)
    await executor.end(f"{executor.prefix}1", grace_seconds=1.0)
    assert executor.workers() == frozenset()
    assert (await ends.one()).cause is Cause.RELEASED


async def test_ending_a_worker_nobody_knows_is_no_fault(make: Make) -> None:
    executor = make(SLEEPER)
    await executor.end("nobody", grace_seconds=0.1)


async def test_workers_are_apart_and_close_ends_all(make: Make) -> None:
    executor = make(SLEEPER)
    ends = Ends()
    for number in (1, 2, 3):
        await executor.start(order(executor, number), ends)
    assert executor.workers() == {f"{executor.prefix}{number}" for number in (1, 2, 3)}
    await executor.end(f"{executor.prefix}2", grace_seconds=1.0)
    assert (await ends.one()).worker_id == f"{executor.prefix}2"
    await executor.close(1.0)
    assert {(await ends.one()).worker_id for _ in range(2)} == {f"{executor.prefix}1", f"{executor.prefix}3"}


async def test_a_later_incarnation_knows_the_earlier_ones_workers_for_dead(make: Make) -> None:
    first, second = make(SLEEPER), make(SLEEPER)
    worker = f"{first.prefix}1"
    assert second.died_before(worker)
    assert not first.died_before(worker)
    assert not second.died_before(f"{second.prefix}1")
    assert not second.died_before("somebody-else")


async def test_lines_without_end_and_bytes_that_are_no_text(make: Make) -> None:
    executor = make("import sys; sys.stdout.buffer.write(b'x' * 300000 + b'\\n\\xff\\xfe\\nla\\0st\\n'); sys.exit(1)")
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    assert end.tail[-1] == "last"


async def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(make: Make) -> None:
    executor = make(
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print(child.pid)"
    )
    ends = Ends()
    await executor.start(order(executor), ends)
    end = await ends.one()
    os.kill(int(end.tail[0]), signal.SIGKILL)
    assert end.cause is None


async def test_a_closed_executor_starts_nothing(make: Make) -> None:
    executor = make(SLEEPER)
    starting = asyncio.create_task(executor.start(order(executor), Ends()))
    await executor.close(1.0)
    await asyncio.gather(starting, return_exceptions=True)
    assert executor.workers() == frozenset()
    with pytest.raises(CannotStart):
        await executor.start(order(executor, 2), Ends())
