"""What is the local executor's alone: processes, signals, pipes, incarnations."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from melonkube.contracts.experiments import Cause, WorkerSpec
from melonkube.tuner.executors.protocol import Executor
from tests.tuner.conftest import ROOT
from tests.tuner.test_executors import SLEEPER, Ends, local, name, order

Make = Callable[[str], Executor]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    made: list[Executor] = []

    def make(program: str) -> Executor:
        made.append(local(program, tmp_path))
        return made[-1]

    yield make
    for executor in made:
        await executor.close(0.1)


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


async def test_a_later_incarnation_knows_the_earlier_ones_workers_for_dead(make: Make) -> None:
    first, second = make(SLEEPER), make(SLEEPER)
    worker = name(first)
    assert second.died_before(worker)
    assert not first.died_before(worker)
    assert not second.died_before(name(second))
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


def test_what_a_process_cannot_be_given_is_named(make: Make) -> None:
    refusal = make(SLEEPER).refusal(WorkerSpec(gpu=1, cpu=2.0, env={"A": "b"}))
    assert refusal is not None
    assert "cpu, gpu" in refusal
    assert make(SLEEPER).refusal(WorkerSpec(env={"A": "b"})) is None
