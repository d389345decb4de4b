"""From a worker's setup to a trainer with its data: fetched, checked, loaded once."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.worker import WorkerSetup
from melonkube.tabular.split import read_split
from melonkube.trainer.protocol import Job, Trainer, TrainingError
from melonkube.trainer.spec import find_spec
from melonkube.trainer.worker.registry import RegistryFiles


def make_trainer(setup: WorkerSetup, files: RegistryFiles, trainer: str | None = None) -> Trainer:
    """Return the experiment's trainer, or the one of that name, its data loaded and prepared.

    Raises:
        UnknownTrainer: It is not installed here.
        TrainingError: The data cannot be trained on.
        WorkerError: The data cannot be had.
    """
    trainer_name = trainer or setup.trainer
    module, _, attribute = find_spec(trainer_name).implementation.partition(":")
    if not module:
        raise TrainingError(f"A worker of ours cannot train {trainer_name!r}: its trials run in an image of their own.")
    implementation: Any = getattr(import_module(module), attribute)
    pa.set_cpu_count(setup.threads)
    with files.artifact(setup.split_run_id, setup.split_path, setup.split_sha256) as file:
        split = read_split(file)

    def read(columns: Sequence[str]) -> pa.Table:
        with files.dataset(setup.dataset_id, setup.parquet_sha256) as file:
            return pq.read_table(file, columns=list(columns), use_threads=setup.threads > 1)

    made: Trainer = implementation.prepare(
        Job(
            task=setup.task,
            metric=setup.metric,
            direction=setup.direction,
            target=setup.target,
            columns=setup.columns,
            classes=setup.classes,
            split=split,
            seed=setup.seed,
            threads=setup.threads,
            fixed=setup.fixed,
            read=read,
        )
    )
    return made
