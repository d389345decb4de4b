"""The worker as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from melonkube.contracts.experiments import Cause
from tests.trainer.stand_in import PATIENCE, StandIn

Environment = dict[str, str]

LONG: dict[str, Any] = {"num_iterations": 100_000, "early_stopping_rounds": 0, "num_leaves": 31}


@pytest.fixture
def environment(stand_in: StandIn, tmp_path: Path) -> Environment:
    return {
        "PATH": os.environ["PATH"],
        "MELON_WORKER_ID": "worker-1",
        "MELON_WORKER_TOKEN": stand_in.token,
        "MELON_TUNER_URL": stand_in.url,
        "MELON_REGISTRY_URL": stand_in.url,
        "MELON_CACHE_DIR": str(tmp_path / "cache"),
        "MELON_REQUEST_ID": "request-1",
    }


class Started:
    """A worker process, started as the tuner starts it."""

    def __init__(self, environment: Environment) -> None:
        command = [sys.executable, "-P", "-m", "melonkube.kit.child", str(os.getpid()), "melonkube.trainer.worker"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for the end; return exit code and what was logged."""
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, [json.loads(line) for line in said.decode().splitlines()]


@pytest.fixture
def start(environment: Environment) -> Iterator[Any]:
    started: list[Started] = []

    def start_one(**changes: str) -> Started:
        started.append(Started(environment | changes))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()


def test_it_works_until_it_is_told_to_end(stand_in: StandIn, start: Any) -> None:
    first, second = stand_in.add_trial(), stand_in.add_trial()
    code, lines = start().end()
    assert code == 0
    assert [run for run, _ in stand_in.completed] == [first, second]
    events = [line["event"] for line in lines]
    assert events.count("trial begins") == events.count("trial trained") == 2
    assert {line["request_id"] for line in lines} == {"request-1"}
    assert {line["service"] for line in lines} == {"worker"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_trial_back(number: signal.Signals, stand_in: StandIn, start: Any) -> None:
    run_id = stand_in.add_trial(params=LONG)
    running = start()
    stand_in.until(lambda: any(renewal.reports for _, renewal in stand_in.renewed))
    running.process.send_signal(number)
    code, _ = running.end()
    assert code == 0
    assert stand_in.completed == []
    [(released, failure)] = stand_in.failed
    assert (released, failure.cause) == (run_id, Cause.RELEASED)


def test_a_signal_ends_an_idle_worker_at_once(stand_in: StandIn, start: Any) -> None:
    stand_in.exit_when_idle = False
    running = start()
    stand_in.until(lambda: "POST /worker/v1/lease" in stand_in.calls)
    running.process.terminate()
    code, _ = running.end()
    assert code == 0
    stand_in.exit_when_idle = True


def test_the_second_signal_ends_it_whatever_it_does(stand_in: StandIn, start: Any) -> None:
    stand_in.add_trial(params=LONG)
    running = start()
    stand_in.until(lambda: len(stand_in.renewed) > 0)
    with stand_in.changed:  # nothing is answered, so it cannot give the trial back
        running.process.terminate()
        while running.process.poll() is None:
            running.process.terminate()
        assert running.process.returncode == 1
    running.end()


def test_a_refused_token_is_an_exit_code(start: Any) -> None:
    code, lines = start(MELON_WORKER_TOKEN="forged").end()
    assert code == 1
    assert lines[-1]["level"] == "error"


def test_what_is_missing_in_the_environment_is_said(environment: Environment) -> None:
    del environment["MELON_TUNER_URL"]
    done = subprocess.run(
        [sys.executable, "-m", "melonkube.trainer.worker"], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "MELON_TUNER_URL" in done.stderr
    assert "Traceback" not in done.stderr
