from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype, Task
from melonkube.tabular.targets import MAX_CLASSES, MIN_ROWS, TargetError, describe_target


def column(values: list[Any], kind: pa.DataType | None = None) -> Any:
    """Two chunks, as a column of a read file has."""
    whole = pa.array(values, type=kind)
    half = len(values) // 2
    return pa.chunked_array([whole[:half], whole[half:]])


@pytest.mark.parametrize(
    ("values", "dtype", "task"),
    [
        ([True, False] * 20, Dtype.BOOLEAN, Task.BINARY),
        (["no", "yes"] * 20, Dtype.STRING, Task.BINARY),
        (["a", "b", "c"] * 20, Dtype.STRING, Task.MULTICLASS),
        ([0, 1] * 20, Dtype.INT64, Task.BINARY),
        ([7, 9000] * 20, Dtype.INT64, Task.BINARY),
        ([1, 2, 3] * 10, Dtype.INT64, Task.MULTICLASS),
        (list(range(20)) * 10, Dtype.INT64, Task.MULTICLASS),
        (list(range(21)) * 10, Dtype.INT64, Task.REGRESSION),
        ([1, 2, 3] * 9, Dtype.INT64, Task.REGRESSION),
        ([0.0, 1.0] * 20, Dtype.FLOAT64, Task.REGRESSION),
        ([0.5, 1.25, 3.0] * 20, Dtype.FLOAT64, Task.REGRESSION),
    ],
)
def test_the_task_follows_from_the_values(values: list[Any], dtype: Dtype, task: Task) -> None:
    report = describe_target(column(values), dtype, None)
    assert report.task is task
    if task is Task.REGRESSION:
        assert report.classes is None
        assert report.counts is None
    else:
        assert report.classes == sorted(set(values))
        assert report.counts == [values.count(name) for name in report.classes]


def test_classes_keep_the_labels_own_type() -> None:
    assert describe_target(column([True, False] * 20), Dtype.BOOLEAN, None).classes == [False, True]
    numbers = describe_target(column([2.0, 1.0] * 20), Dtype.FLOAT64, Task.BINARY).classes
    assert numbers == [1.0, 2.0]
    assert all(type(number) is float for number in numbers)


def test_a_dictionary_column_is_read_as_its_values() -> None:
    values = column(["b", "a"] * 20).dictionary_encode()
    assert describe_target(values, Dtype.STRING, None).classes == ["a", "b"]


def test_two_classes_may_be_asked_for_as_several() -> None:
    assert describe_target(column(["a", "b"] * 20), Dtype.STRING, Task.MULTICLASS).task is Task.MULTICLASS


def test_missing_rows_are_counted_and_said() -> None:
    report = describe_target(column([*[1.5, 2.5] * 20, None, float("nan")], pa.float64()), Dtype.FLOAT64, None)
    assert report.missing == 2
    assert report.warnings == ["Rows without a target are left out: 2."]


def test_small_classes_are_named() -> None:
    report = describe_target(column(["a"] * 30 + ["b"] * 30 + ["seldom"] * 3), Dtype.STRING, None)
    assert any("seldom" in warning for warning in report.warnings)


MANY_CLASSES = [f"name {row % (MAX_CLASSES + 1)}" for row in range(1000)]
DATES = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(40)]


@pytest.mark.parametrize(
    ("values", "dtype", "task", "code"),
    [
        ([None] * 40, Dtype.STRING, None, ErrorCode.TARGET_MISSING),
        ([float("nan")] * 40, Dtype.FLOAT64, None, ErrorCode.TARGET_MISSING),
        ([], Dtype.FLOAT64, None, ErrorCode.TARGET_MISSING),
        (["same"] * 40, Dtype.STRING, None, ErrorCode.TARGET_CONSTANT),
        ([3] * 39 + [None], Dtype.INT64, None, ErrorCode.TARGET_CONSTANT),
        (["a", "b"] * (MIN_ROWS // 2 - 1), Dtype.STRING, None, ErrorCode.TOO_FEW_ROWS),
        (["a"] * 40 + ["once"], Dtype.STRING, Task.MULTICLASS, ErrorCode.TARGET_RARE_CLASS),
        (["a"] * 40 + ["b"] * 40 + ["once"], Dtype.STRING, None, ErrorCode.TARGET_RARE_CLASS),
        (["a"] * 40 + ["twice"] * 2, Dtype.STRING, None, ErrorCode.TARGET_RARE_CLASS),
        (MANY_CLASSES, Dtype.STRING, None, ErrorCode.TARGET_TOO_MANY_CLASSES),
        (["a", "b", "c"] * 20, Dtype.STRING, Task.BINARY, ErrorCode.TARGET_TOO_MANY_CLASSES),
        (["a", "b"] * 20, Dtype.STRING, Task.REGRESSION, ErrorCode.TARGET_NOT_NUMERIC),
        ([True, False] * 20, Dtype.BOOLEAN, Task.REGRESSION, ErrorCode.TARGET_NOT_NUMERIC),
        ([1.0, float("inf")] * 20, Dtype.FLOAT64, None, ErrorCode.TARGET_NOT_NUMERIC),
        (DATES, Dtype.TIMESTAMP, None, ErrorCode.TARGET_NOT_NUMERIC),
        (DATES[:2] * 20, Dtype.TIMESTAMP, Task.BINARY, ErrorCode.TARGET_NOT_NUMERIC),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_refused(
    values: list[Any], dtype: Dtype, task: Task | None, code: ErrorCode
) -> None:
    kinds: dict[Dtype, Any] = {Dtype.STRING: pa.string(), Dtype.INT64: pa.int64(), Dtype.FLOAT64: pa.float64()}
    with pytest.raises(TargetError) as refused:
        describe_target(column(values, kinds.get(dtype)), dtype, task)
    assert refused.value.code is code
    assert refused.value.detail.endswith(".")


def test_a_rare_class_is_named_with_its_rows() -> None:
    with pytest.raises(TargetError, match=r"'once' \(1\)"):
        describe_target(column(["a"] * 40 + ["b"] * 40 + ["once"]), Dtype.STRING, None)
