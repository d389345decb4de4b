"""A stand-in for tuner and registry, and workers that talk to it."""

import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from melonkube.contracts.ids import new_id
from melonkube.contracts.signature import Task
from melonkube.contracts.worker import WorkerSetup
from melonkube.contracts.workload import ContainerSpec
from melonkube.tabular.split import write_split
from melonkube.trainer.worker import data, http, lease, recorder
from melonkube.trainer.worker.logs import LOGGER, RunLogHandler
from melonkube.trainer.worker.settings import WorkerSettings
from melonkube.trainer.worker.worker import Worker
from tests.trainer.data import make_job, make_table
from tests.trainer.pod import Pod
from tests.trainer.scripted import Gate, Script, ScriptedFitted, ScriptedTrainer
from tests.trainer.stand_in import PATIENCE, StandIn

MakeStandIn = Callable[..., StandIn]


@pytest.fixture(scope="session")
def parquet() -> bytes:
    """The table as the registry keeps it."""
    sink = io.BytesIO()
    pq.write_table(make_table(), sink)
    return sink.getvalue()


@pytest.fixture
def make_stand_in(tmp_path: Path, parquet: bytes) -> Iterator[MakeStandIn]:
    """Makes a tuner and registry for one task."""
    made: list[StandIn] = []

    def make(task: Task = Task.BINARY, **changes: Any) -> StandIn:
        job = make_job(task)
        write_split(job.split, tmp_path / "split.parquet")
        split = (tmp_path / "split.parquet").read_bytes()
        given: dict[str, Any] = {
            "experiment_id": new_id(), "experiment_name": "customers", "dataset_id": new_id(),
            "dataset_name": "customers", "dataset_version": 1, "dataset_sha256": "0" * 64,
            "parquet_sha256": hashlib.sha256(parquet).hexdigest(), "parquet_bytes": len(parquet),
            "target": job.target, "task": task, "metric": job.metric, "direction": job.direction,
            "trainer": "lightgbm", "columns": list(job.columns), "classes": job.classes,
            "split_run_id": new_id(), "split_path": "split.parquet",
            "split_sha256": hashlib.sha256(split).hexdigest(), "seed": 7, "fixed": {"max_bin": 255},
            "heartbeat_seconds": 0.05,
        }  # fmt: skip
        stand_in = StandIn(WorkerSetup(**(given | changes)), parquet, split)
        made.append(stand_in)
        return stand_in

    yield make
    for stand_in in made:
        stand_in.close()


@pytest.fixture
def stand_in(make_stand_in: MakeStandIn) -> StandIn:
    """A tuner and registry for two classes."""
    return make_stand_in()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather and wait for less time than in earnest."""
    monkeypatch.setattr(lease, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(http, "FIRST_DELAY", 0.002)
    monkeypatch.setattr(http, "LONGEST_DELAY", 0.02)


class RunningWorker:
    """A worker in a thread of this process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.worker = Worker(settings)
        self.handler = RunLogHandler(self.worker.recorder)
        logging.getLogger(LOGGER).addHandler(self.handler)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.code = self.worker.run()

    def join(self) -> int:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the worker did not end"
        assert self.code is not None
        return self.code


StartWorker = Callable[..., RunningWorker]


def settings_for(stand_in: StandIn, cache: Path, **changes: Any) -> WorkerSettings:
    """Settings of a worker of ``stand_in``."""
    settings = WorkerSettings("worker-1", stand_in.token, stand_in.url, stand_in.url, cache, request_id="request-1")
    return replace(settings, **changes)


@pytest.fixture
def start_worker(stand_in: StandIn, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers; ends those that a failed test left."""
    started: list[RunningWorker] = []
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)

    def start(place: StandIn = stand_in, **changes: Any) -> RunningWorker:
        running = RunningWorker(settings_for(place, tmp_path / "cache", **changes))
        started.append(running)
        return running

    yield start
    for running in started:
        running.worker.leave()
        stand_in.exit_when_idle = True
        with stand_in.changed:
            stand_in.changed.notify_all()
        running.join()
        logger.removeHandler(running.handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Replaces LightGBM by a trainer that does as a test tells it."""
    written = Script()
    written.prepare = lambda _job: None
    written.train = lambda _params, _control: ScriptedFitted()
    written.evaluate = lambda _files: {"auc": 0.7}
    monkeypatch.setattr(ScriptedTrainer, "script", written, raising=False)
    spec = SimpleNamespace(implementation="tests.trainer.scripted:ScriptedTrainer")
    monkeypatch.setattr(data, "find_spec", lambda _name: spec)
    return written


@pytest.fixture
def gate(script: Script) -> Gate:
    """Holds every trial until the test opens it."""
    held = Gate()
    script.train = held.train
    return held


MakePod = Callable[..., Pod]


@pytest.fixture
def make_place(make_stand_in: MakeStandIn) -> Callable[..., StandIn]:
    """Makes tuner and registry of an experiment whose trials run a command."""

    def make(*command: str, task: Task = Task.BINARY, **container: Any) -> StandIn:
        spec = ContainerSpec(image="an/image:1", command=list(command), **container)
        return make_stand_in(task, trainer="container", container=spec, fixed={})

    return make


@pytest.fixture
def make_pod(tmp_path: Path) -> Iterator[MakePod]:
    made: list[Pod] = []

    def make(stand_in: StandIn, shell: tuple[str, ...] = ("/bin/sh",)) -> Pod:
        made.append(Pod(stand_in, tmp_path / f"pod {len(made)}", shell))
        return made[-1]

    yield make
    for pod in made:
        pod.close()
