"""What a model takes and answers, from the columns of an experiment and its training rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from melonkube.contracts.base import Scalar, rfc3339
from melonkube.contracts.signature import Column, Dtype, Kind, Range, Role, Signature, Task
from melonkube.tabular.targets import ArrowColumn, plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS: dict[Dtype, frozenset[Kind]] = {
    Dtype.BOOLEAN: frozenset({Kind.BOOLEAN, Kind.CATEGORICAL, Kind.NUMERIC}),
    Dtype.INT64: frozenset({Kind.NUMERIC, Kind.CATEGORICAL}),
    Dtype.FLOAT64: frozenset({Kind.NUMERIC, Kind.CATEGORICAL}),
    Dtype.STRING: frozenset({Kind.CATEGORICAL, Kind.TEXT}),
    Dtype.TIMESTAMP: frozenset({Kind.DATETIME}),
}
"""What a column stored as such may mean to a model."""


def is_feature(column: Column) -> bool:
    """Whether a model is given the column: its role says so, and it is not free text."""
    return column.role is Role.FEATURE and column.kind is not Kind.TEXT


def category_text(value: Scalar) -> str:
    """Return the text form of a category: ``true``, ``3``, ``2.5``, or the text itself."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value + 0.0)  # -0.0 and 0.0 are one category
    return str(value)


def microseconds(column: ArrowColumn) -> ArrowColumn:
    """Return a timestamp or date column as int64 microseconds since the epoch, UTC."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    else:
        column = column.cast(pa.timestamp("us"))
    return column.cast(pa.int64())


def build_signature(
    table: pa.Table,
    columns: Sequence[Column],
    target: str,
    task: Task,
    classes: Sequence[Scalar] | None,
    train_rows: NDArray[np.int64],
) -> Signature:
    """Return the signature of a model trained on ``train_rows`` of ``table``.

    Categories and ranges are of the training rows alone: nothing of the rows a model is judged by leaks into it.

    Args:
        table: The data set; at least the features and the target.
        columns: All columns of the data set with the experiment's kinds and roles, in the table's order.
        target: Name of the target.
        task: What is predicted.
        classes: The label's values in the order of the model's outputs; null for regression.
        train_rows: Numbers of the rows to learn from.

    Raises:
        ValueError: ``columns`` lack the target, or a feature's kind does not fit how it is stored.
    """
    named = {column.name: column for column in columns}
    if target not in named:
        raise ValueError(f"columns lack the target {target!r}")
    features = [column for column in columns if column.name != target and is_feature(column)]
    described = []
    for column in features:
        if column.kind not in KINDS[column.dtype]:
            raise ValueError(f"column {column.name!r} is stored as {column.dtype} and cannot be {column.kind}")
        described.append(_describe(table.column(column.name).take(train_rows), column))
    kept = {column.name for column in features}
    return Signature(
        task=task,
        target=Column(
            name=target,
            dtype=named[target].dtype,
            kind=Kind.NUMERIC if task is Task.REGRESSION else Kind.CATEGORICAL,
            role=Role.TARGET,
            nullable=False,
        ),
        features=described,
        classes=None if classes is None else list(classes),
        ignored=[column.name for column in columns if column.name not in kept and column.name != target],
    )


def _describe(values: ArrowColumn, column: Column) -> Column:
    values = plain(values)
    categories: list[str] | None = None
    span: Range | None = None
    if column.kind is Kind.CATEGORICAL:
        seen = sorted(value for value in values.unique().to_pylist() if value is not None)
        categories = list(dict.fromkeys(category_text(value) for value in seen))
    elif column.kind is Kind.NUMERIC and column.dtype is not Dtype.BOOLEAN:
        span = _range_of_numbers(values)
    elif column.kind is Kind.DATETIME:
        span = _range_of_times(values)
    return Column(
        name=column.name,
        dtype=column.dtype,
        kind=column.kind,
        role=Role.FEATURE,
        nullable=values.null_count > 0,
        categories=categories,
        range=span,
    )


def _range_of_numbers(values: ArrowColumn) -> Range | None:
    numbers = values.cast(pa.float64(), safe=False).drop_null().to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    return Range(min=float(numbers.min()), max=float(numbers.max())) if len(numbers) else None


def _range_of_times(values: ArrowColumn) -> Range | None:
    ends: Any = pc.min_max(microseconds(values)).as_py()
    if ends["min"] is None:
        return None
    try:
        low, high = (rfc3339(_EPOCH + timedelta(microseconds=ends[end])) for end in ("min", "max"))
    except OverflowError:  # outside the years 1 to 9999
        return None
    return Range(min=low, max=high)
