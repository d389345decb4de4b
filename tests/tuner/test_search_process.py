"""Suggestions come from a process of their own, which may die at any time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction
from melonkube.contracts.space import FloatParameter, SearchSpace
from melonkube.tuner.search.client import SearchFailed, SearchGone, SearchProcess, SearchSession
from melonkube.tuner.search.hyperopt import TpeAlgorithm
from melonkube.tuner.search.process import SESSIONS_KEPT, Sessions
from melonkube.tuner.search.protocol import Observation, Outcome

SPACE: SearchSpace = {
    "x": FloatParameter(type="float", low=-1.0, high=1.0),
    "y": FloatParameter(type="float", low=1e-3, high=1.0, log=True),
}


def session(algorithm: str = "tpe") -> SearchSession:
    return SearchSession(algorithm, SPACE, Direction.MAXIMIZE, 7)


def observed(number: int) -> Observation:
    params: dict[str, Scalar] = {"x": (number % 20) / 10 - 1, "y": 0.001 * number}
    return Observation(number, params, Outcome.DONE, -abs((number % 20) / 10 - 1.3))


@pytest.fixture(scope="module")
def direct() -> TpeAlgorithm:
    return TpeAlgorithm(SPACE, Direction.MAXIMIZE)


@pytest.fixture
async def process() -> AsyncIterator[SearchProcess]:
    made = SearchProcess()
    yield made
    await made.close()


async def test_it_answers_as_the_algorithm_itself_and_survives_its_death(
    process: SearchProcess, direct: TpeAlgorithm
) -> None:
    mine = session()
    history = [observed(number) for number in range(1, 41)]
    mine.learn(history[:20])
    assert await process.suggest(mine, 21, 20) == direct.suggest(21, 7, history[:20])
    mine.learn(history[20:])
    # What is told beyond the limit is known and not used.
    assert await process.suggest(mine, 32, 30) == direct.suggest(32, 7, history[:30])
    assert mine.request(1, 1)["news"] == []

    running = process._process
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    await running.wait()
    assert await process.suggest(mine, 41, 40) == direct.suggest(41, 7, history)

    later = Observation(5, history[4].params, Outcome.DONE, 99.0)
    mine.learn([later])
    changed = [later if each.number == 5 else each for each in history]
    assert await process.suggest(mine, 41, 40) == direct.suggest(41, 7, changed)


async def test_a_process_that_dies_while_it_thinks_is_reported_and_started_again(process: SearchProcess) -> None:
    await process.warm()
    running = process._process
    assert running is not None
    os.kill(running.pid, signal.SIGSTOP)
    mine = session("random")
    thinking = asyncio.create_task(process.suggest(mine, 1, 0))
    await asyncio.sleep(0.1)
    os.kill(running.pid, signal.SIGKILL)
    with pytest.raises(SearchGone):
        await thinking
    assert (await process.suggest(mine, 1, 0)).keys() == {"x", "y"}


async def test_a_cancelled_request_does_not_answer_the_next(process: SearchProcess) -> None:
    mine, other = session("random"), SearchSession("random", {"z": SPACE["x"]}, Direction.MAXIMIZE, 1)
    thinking = asyncio.create_task(process.suggest(mine, 1, 0))
    await asyncio.sleep(0.05)
    thinking.cancel()
    await asyncio.gather(thinking, return_exceptions=True)
    assert (await process.suggest(other, 1, 0)).keys() == {"z"}


async def test_an_algorithm_that_fails_is_told_from_a_process_that_is_gone(process: SearchProcess) -> None:
    with pytest.raises(SearchFailed, match="KeyError"):
        await process.suggest(session("nonsense"), 1, 0)
    assert [name for name, _ in await process.describe()] == ["random", "tpe"]


def test_the_session_that_was_not_used_for_longest_makes_room() -> None:
    sessions = Sessions()
    first = session("random")
    sessions.answer(first.request(1, 0))
    for _ in range(SESSIONS_KEPT):
        sessions.answer(session("random").request(1, 0))
    first.learn([observed(1)])
    first.told = 1
    assert sessions.answer(first.request(2, 1)) == {"resync": True}
    first.forget()
    assert sessions.answer(first.request(2, 1))["params"].keys() == {"x", "y"}


def test_the_part_of_hyperopt_that_is_not_used_is_not_imported_and_not_spoiled() -> None:
    program = (
        "import sys, melonkube.tuner.search.hyperopt;"
        "assert 'scipy.stats' not in sys.modules, 'slow to start';"
        "import hyperopt.atpe; assert hyperopt.atpe.suggest"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
