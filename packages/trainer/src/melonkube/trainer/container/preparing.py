"""Puts a trial in place for the user's container, as a worker whose way to do a trial it is."""

import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.base import Scalar
from melonkube.contracts.runs import RunState
from melonkube.contracts.worker import (
    EvaluationAssignment,
    EvaluationResult,
    LeaseAnswer,
    RenewRequest,
    TrialAssignment,
    Verdict,
    WorkerSetup,
)
from melonkube.tabular.split import Split, read_split
from melonkube.trainer.container import places as at
from melonkube.trainer.container import render
from melonkube.trainer.container.places import Places
from melonkube.trainer.container.state import Handover, Own
from melonkube.trainer.protocol import TrainingError
from melonkube.trainer.worker.assignments import Assignments
from melonkube.trainer.worker.data import make_trainer
from melonkube.trainer.worker.http import Abandoned, Patience, Refused, TokenRefused
from melonkube.trainer.worker.lease import Lease
from melonkube.trainer.worker.process import work

log = logging.getLogger("melonkube.worker.prepare")

_FLUSH_SECONDS = 5.0


def prepare(signals: Collection[signal.Signals]) -> None:
    """Prepare one assignment; does not return.

    Args:
        signals: Blocked in every thread; the first gives the trial back.
    """
    places = Places.from_environment()
    lay_out(places)
    work(signals, partial(Preparing, places=places))


def lay_out(places: Places) -> None:
    """Make the folders and FIFOs, and a script that does nothing: what runs if there is nothing to run.

    The user's container may be of another user than ours; what they share is the group.
    """
    os.umask(0o007)
    folders = (places.shared / at.OUTPUT_FOLDER, places.run)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o770)
    for name in (at.CONTROL, at.RELEASE):
        (places.run / name).unlink(missing_ok=True)
        os.mkfifo(places.run / name, 0o660)
    (places.run / at.SCRIPT).write_text(render.NOTHING, encoding="utf-8")
    (places.run / at.SAID).touch(0o660)


class Preparing(Assignments):
    """Does a trial by laying it out for the user's container, and scores what such trials left."""

    def __init__(self, *arguments: Any, places: Places) -> None:
        super().__init__(*arguments)
        self._places = places

    def _train(self, trial: TrialAssignment, lease: Lease, last: bool) -> LeaseAnswer:
        setup, places = self._setup, self._places
        if setup.container is None:
            raise TrainingError("The experiment names no container, so there is no command to run.")
        began = time.monotonic()
        argv = render.arguments(setup.container.command, trial.params)
        rows = write_data(setup, self._read_split(), self._read_table(), places.shared)
        _write_json(places.shared / "experiment.json", describe(setup, trial, rows))
        _write_json(places.shared / "params.json", dict(trial.params))
        log.info("data in place", extra={"rows": sum(rows), "seconds": round(time.monotonic() - began, 3)})
        self._recorder.flush(_FLUSH_SECONDS)
        renewed = self._calls.renew(lease.run_id, RenewRequest(worker_id=self._worker_id), Patience(lease.over))
        lease.obey(renewed.verdict)
        if lease.verdict is Verdict.LOST or self._leaving():
            raise Abandoned
        if lease.verdict is not Verdict.CONTINUE:
            return self._hand_in(lease, last, RunState.STOPPED, None)
        Own(places.own).hand_over(Handover(setup=setup, trial=trial), self._calls.token.value)
        # From here on the trial is the sidecar's.
        (places.run / at.SCRIPT).write_text(render.script(argv, places.run, places.last_word), encoding="utf-8")
        shutil.rmtree(places.own / "cache", ignore_errors=True)
        return LeaseAnswer(exit=True)

    def _read_split(self) -> Split:
        setup = self._setup
        with self._files.artifact(setup.split_run_id, setup.split_path, setup.split_sha256) as file:
            return read_split(file)

    def _read_table(self) -> pa.Table:
        with self._files.dataset(self._setup.dataset_id, self._setup.parquet_sha256) as file:
            return pq.read_table(file, use_threads=False)

    def _evaluate(self, evaluation: EvaluationAssignment, lease: Lease, last: bool) -> LeaseAnswer:
        values: dict[str, dict[str, float]] = {}
        reason = None
        for label, run_id in evaluation.models.items():
            try:
                values[label] = self._score(run_id)
            except _NoModel as error:
                reason = str(error)
            except (Abandoned, TokenRefused, MemoryError):
                raise
            except Exception as error:  # the bundle is the user's, and so are its faults
                log.warning("the model cannot be scored", exc_info=error)
                reason = f"The winner's model could not be scored on the unseen rows: {type(error).__name__}: {error}"
        request = EvaluationResult(
            worker_id=self._worker_id, values=values, reason=None if reason is None else reason[:4000], want_next=False
        )
        return self._handed_in(self._calls.evaluated(lease.run_id, request, Patience(lease.over)))

    def _score(self, run_id: str) -> dict[str, float]:
        try:
            manifest = self._files.manifest(run_id)
        except Refused as refused:
            if refused.status != 404:
                raise
            raise _NoModel(
                "The winner left no model bundle in /melon/output/model: it has no value on the unseen rows, "
                "and cannot be deployed."
            ) from refused
        trainer = make_trainer(self._setup, self._files, manifest.flavor)
        return trainer.evaluate(self._files.bundle(run_id))


class _NoModel(Exception):
    """There is nothing to score."""


def write_data(setup: WorkerSetup, split: Split, table: pa.Table, folder: Path) -> tuple[int, int]:
    """Write the rows that train, then those that choose, and none of the others; return how many of each."""
    rows = np.concatenate([split.train, split.validation])
    pq.write_table(table.take(pa.array(rows)), folder / "data.parquet")
    return len(split.train), len(split.validation)


def describe(setup: WorkerSetup, trial: TrialAssignment, rows: tuple[int, int]) -> Mapping[str, Any]:
    """Return what the command is told of its experiment."""
    return {
        "experiment": setup.experiment_name,
        "trial": trial.number,
        "attempt": trial.attempt,
        "target": setup.target,
        "task": setup.task,
        "metric": setup.metric,
        "direction": setup.direction,
        "columns": [column.model_dump(mode="json", include=_COLUMN_FIELDS) for column in setup.columns],
        "classes": setup.classes,
        "seed": setup.seed,
        "train_rows": rows[0],
        "validation_rows": rows[1],
    }


_COLUMN_FIELDS = {"name", "dtype", "kind", "role", "nullable"}


def _write_json(path: Path, content: Mapping[str, Any] | dict[str, Scalar]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
