"""What a target column is: the task it makes, its classes, and why it cannot be predicted if it cannot."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from melonkube.contracts.base import Scalar
from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype, Task

ArrowColumn: TypeAlias = "pa.ChunkedArray[Any]"

MIN_ROWS = 20
"""Fewer rows with a target than this cannot be divided into rows to learn, to choose and to judge by."""
MAX_CLASSES = 200
MIN_CLASS_ROWS = {Task.BINARY: 3, Task.MULTICLASS: 2}
"""A class must be in the training rows, and in the validation rows; both of two classes in the holdout too."""

_INTEGER_CLASSES = 20
_ROWS_PER_INTEGER_CLASS = 10
_FEW_CLASS_ROWS = 10


class TargetError(Exception):
    """The column cannot be a target.

    Args:
        code: Stable code.
        detail: A sentence that says what to do.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What was found in a target column.

    ``classes`` are the label's own values in ascending order, null for regression; ``counts[i]`` rows hold
    ``classes[i]``. ``missing`` rows have no target and take no part.
    """

    task: Task
    classes: list[Scalar] | None
    counts: list[int] | None
    missing: int
    warnings: list[str] = field(default_factory=list)


def plain(column: ArrowColumn) -> ArrowColumn:
    """Return ``column`` without dictionary encoding, and with null in place of NaN."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def describe_target(column: ArrowColumn, dtype: Dtype, task: Task | None) -> TargetReport:
    """Return what ``column`` is as a target.

    Without a ``task``, texts and booleans are classes; whole numbers are two classes if there are but two, several
    if there are at most 20 with ten rows each on average; all else is regression.

    Args:
        column: The whole column, missing values included.
        dtype: How it is stored.
        task: What the user asked for, if anything.

    Raises:
        TargetError: It is constant, missing, too rare, too varied, or not of the task's type.
    """
    values = plain(column)
    missing = values.null_count
    present = len(values) - missing
    if present == 0:
        raise TargetError(
            ErrorCode.TARGET_MISSING, "The target has no value in any row; choose a column that holds the answers."
        )
    counted: Any = pc.value_counts(values.drop_null())
    distinct = len(counted)
    if distinct == 1:
        raise TargetError(
            ErrorCode.TARGET_CONSTANT,
            f"The target is {counted[0]['values'].as_py()!r} in every row, so there is nothing to predict; "
            "choose a column that varies.",
        )
    if present < MIN_ROWS:
        raise TargetError(
            ErrorCode.TOO_FEW_ROWS,
            f"Only {present} rows have a target and at least {MIN_ROWS} are needed; add rows to the data.",
        )
    warnings = []
    if missing:
        warnings.append(f"Rows without a target are left out: {missing}.")
    chosen = task or _infer(dtype, distinct, present)
    if chosen is Task.REGRESSION:
        _check_numbers(values, dtype)
        return TargetReport(chosen, None, None, missing, warnings)
    if dtype is Dtype.TIMESTAMP:
        raise TargetError(
            ErrorCode.TARGET_NOT_NUMERIC,
            "The target holds dates, which cannot be predicted; choose a column of numbers or of classes.",
        )
    classes, counts = _classes(counted, chosen)
    few = [str(name) for name, count in zip(classes, counts, strict=True) if count < _FEW_CLASS_ROWS]
    if few:
        shown = ", ".join(few[:5]) + (f", ... ({len(few)} in all)" if len(few) > 5 else "")
        warnings.append(f"Classes with fewer than {_FEW_CLASS_ROWS} rows, too few to learn well: {shown}.")
    return TargetReport(chosen, classes, counts, missing, warnings)


def _infer(dtype: Dtype, distinct: int, rows: int) -> Task:
    if dtype in (Dtype.BOOLEAN, Dtype.STRING):
        return Task.BINARY if distinct == 2 else Task.MULTICLASS
    if dtype is Dtype.INT64:
        if distinct == 2:
            return Task.BINARY
        if distinct <= _INTEGER_CLASSES and rows >= _ROWS_PER_INTEGER_CLASS * distinct:
            return Task.MULTICLASS
    return Task.REGRESSION


def _check_numbers(values: ArrowColumn, dtype: Dtype) -> None:
    if dtype not in (Dtype.INT64, Dtype.FLOAT64):
        holds = {Dtype.STRING: "texts", Dtype.BOOLEAN: "true and false", Dtype.TIMESTAMP: "dates"}[dtype]
        raise TargetError(
            ErrorCode.TARGET_NOT_NUMERIC,
            f"The target holds {holds} and regression needs numbers; choose another target or another task.",
        )
    if dtype is Dtype.FLOAT64 and not pc.all(pc.is_finite(values)).as_py():
        raise TargetError(
            ErrorCode.TARGET_NOT_NUMERIC, "The target holds infinite values; replace them by numbers or leave them out."
        )


def _classes(counted: Any, task: Task) -> tuple[list[Scalar], list[int]]:
    distinct = len(counted)
    if task is Task.BINARY and distinct != 2:
        raise TargetError(
            ErrorCode.TARGET_TOO_MANY_CLASSES,
            f"The target has {distinct} different values and binary classification needs exactly 2; "
            "choose multiclass, or another target.",
        )
    if distinct > MAX_CLASSES:
        raise TargetError(
            ErrorCode.TARGET_TOO_MANY_CLASSES,
            f"The target has {distinct} different values and at most {MAX_CLASSES} classes can be told apart; "
            "choose another target, or group its values.",
        )
    pairs = sorted(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    least = MIN_CLASS_ROWS[task]
    rare = [(name, count) for name, count in pairs if count < least]
    if rare:
        shown = ", ".join(f"{name!r} ({count})" for name, count in rare[:5]) + (", ..." if len(rare) > 5 else "")
        raise TargetError(
            ErrorCode.TARGET_RARE_CLASS,
            f"Each class needs at least {least} rows, and these have fewer: {shown}. "
            "Add rows, or remove or merge the class.",
        )
    return [name for name, _ in pairs], [count for _, count in pairs]
