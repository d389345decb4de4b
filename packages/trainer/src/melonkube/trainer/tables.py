"""What every trainer of tables needs: the signature, encoded rows, and rows as a client would send them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from melonkube.contracts.base import JsonObject, rfc3339
from melonkube.contracts.signature import Column, Kind, Signature
from melonkube.tabular.encode import FeatureEncoder, Matrix
from melonkube.tabular.labels import encode_labels
from melonkube.tabular.signature import build_signature, is_feature, microseconds
from melonkube.tabular.split import Rows
from melonkube.trainer.metrics import Labels
from melonkube.trainer.protocol import Job, TrainingError

GOLDEN_ROWS = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """The rows to learn from and to choose by, encoded.

    ``golden`` are up to :data:`GOLDEN_ROWS` training rows, among them such with missing values; ``example`` is the
    most complete of them.
    """

    signature: Signature
    encoder: FeatureEncoder
    train: Matrix
    train_labels: Labels
    validation: Matrix
    validation_labels: Labels
    golden: list[JsonObject]
    example: JsonObject


def prepare_table(job: Job) -> PreparedTable:
    """Read and encode the training and validation rows of ``job``.

    Raises:
        TrainingError: There is no feature.
    """
    names = [column.name for column in job.columns if column.name != job.target and is_feature(column)]
    if not names:
        raise TrainingError("No column is left to learn from; make at least one a feature.")
    table = job.read([*names, job.target])
    split = job.split
    signature = build_signature(table, job.columns, job.target, job.task, job.classes, split.train)
    encoder = FeatureEncoder(signature)
    train_rows = table.take(split.train)
    train = encoder.encode_table(train_rows)
    golden = as_instances(train_rows.take(_golden_rows(train)), signature.features)
    validation_rows = table.take(split.validation)
    return PreparedTable(
        signature=signature,
        encoder=encoder,
        train=train,
        train_labels=encode_labels(train_rows.column(job.target), job.task, job.classes),
        validation=encoder.encode_table(validation_rows),
        validation_labels=encode_labels(validation_rows.column(job.target), job.task, job.classes),
        golden=golden,
        example=min(golden, key=lambda row: sum(value is None for value in row.values())),
    )


def read_holdout(job: Job, encoder: FeatureEncoder) -> tuple[Matrix, Labels]:
    """Return the holdout rows, encoded for a model, and their labels."""
    table = job.read([*(column.name for column in encoder.signature.features), job.target]).take(job.split.holdout)
    return encoder.encode_table(table), encode_labels(table.column(job.target), job.task, job.classes)


def as_instances(table: pa.Table, features: Sequence[Column]) -> list[JsonObject]:
    """Return the rows of ``table`` as JSON that a predict call takes."""
    columns = {column.name: _as_json(table.column(column.name), column) for column in features}
    return [{name: values[row] for name, values in columns.items()} for row in range(table.num_rows)]


def _as_json(values: Any, column: Column) -> list[Any]:
    if column.kind is Kind.DATETIME:
        return [None if stamp is None else _as_time(stamp) for stamp in microseconds(values).to_pylist()]
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return [None if isinstance(v, float) and not math.isfinite(v) else v for v in values.to_pylist()]


def _as_time(stamp: int) -> str | None:
    try:
        return rfc3339(_EPOCH + timedelta(microseconds=stamp))
    except OverflowError:  # outside the years 1 to 9999, which a client cannot write
        return None


def _golden_rows(train: Matrix) -> Rows:
    """Return row numbers spread over ``train``: half of any kind, half with missing values where there are some."""
    half = GOLDEN_ROWS // 2
    spread = _spread(np.arange(len(train)), half)
    missing = np.flatnonzero(np.isnan(train).any(axis=1))
    return np.union1d(spread, _spread(np.setdiff1d(missing, spread), GOLDEN_ROWS - half))


def _spread(rows: Rows, count: int) -> Rows:
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.intp)] if len(rows) else rows
