"""What training used of the machine."""

import threading
import time
from datetime import datetime
from itertools import count

import pytest

from melonkube.trainer.worker.usage import Usage
from tests.trainer.conftest import StartWorker
from tests.trainer.stand_in import StandIn

Points = list[tuple[str, int, float]]


class Gathered:
    """Takes points; :attr:`twice` is set once each series has two."""

    def __init__(self) -> None:
        self.points: Points = []
        self.twice = threading.Event()

    def __call__(self, name: str, step: int, value: float, _at: datetime) -> None:
        self.points.append((name, step, value))
        if len(self.points) >= 4:
            self.twice.set()


def test_the_end_is_measured_however_short_it_was() -> None:
    gathered = Gathered()
    with Usage(gathered):
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
    [(cpu, first, cores), (memory, second, held)] = gathered.points
    assert (cpu, first, memory, second) == ("system.cpu_cores", 0, "system.memory_bytes", 0)
    assert cores > 0
    assert held > 10_000_000


def test_long_training_is_measured_on_the_way() -> None:
    gathered = Gathered()
    seconds = count(step=10)
    with Usage(gathered, every=0.001, clock=lambda: float(next(seconds))):
        assert gathered.twice.wait(60)
    cores = [(step, value) for name, step, value in gathered.points if name == "system.cpu_cores"]
    assert [step for step, _ in cores] == [10 * n for n in range(1, len(cores) + 1)]
    assert all(0 <= value < 10 for _, value in cores)


def test_an_error_passes_and_is_measured_too() -> None:
    gathered = Gathered()
    with pytest.raises(MemoryError), Usage(gathered):
        raise MemoryError
    assert gathered.points


def test_a_run_holds_what_its_training_used(stand_in: StandIn, start_worker: StartWorker) -> None:
    run_id = stand_in.add_trial()
    assert start_worker().join() == 0
    series = {name for name, _ in stand_in.runs[run_id].points}
    assert {"system.cpu_cores", "system.memory_bytes"} <= series
    [(_, result)] = stand_in.completed
    assert not [name for name in result.metrics if name.startswith("system.")]
