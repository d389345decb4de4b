from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from melonkube.contracts.signature import Column, Dtype, Kind, Range, Role, Task
from melonkube.tabular.signature import KINDS, build_signature, category_text, microseconds

TABLE = pa.table(
    {
        "size": pa.array([3.5, None, float("inf"), -1.0, 99.0]),
        "colour": pa.array(["red", "blue", None, "red", "only in the last row"]),
        "code": pa.array([7, 10, 7, None, 1]),
        "share": pa.array([0.5, -0.0, 0.0, 2.0, float("nan")]),
        "open": pa.array([True, False, None, True, False]),
        "at": pa.array([datetime(2024, 2, 29, 12, 30, tzinfo=UTC)] * 4 + [None], pa.timestamp("us", "UTC")),
        "note": pa.array(["long text"] * 5),
        "key": pa.array(["k1", "k2", "k3", "k4", "k5"]),
        "price": pa.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    }
)
COLUMNS = [
    Column(name="size", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    Column(name="colour", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="code", dtype=Dtype.INT64, kind=Kind.CATEGORICAL),
    Column(name="share", dtype=Dtype.FLOAT64, kind=Kind.CATEGORICAL),
    Column(name="open", dtype=Dtype.BOOLEAN, kind=Kind.BOOLEAN),
    Column(name="at", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME),
    Column(name="note", dtype=Dtype.STRING, kind=Kind.TEXT),
    Column(name="key", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, role=Role.ID),
    Column(name="price", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, role=Role.TARGET),
]


def signature_of(rows: list[int]) -> Any:
    return build_signature(TABLE, COLUMNS, "price", Task.REGRESSION, None, np.array(rows))


def test_features_are_in_order_and_the_rest_is_ignored() -> None:
    signature = signature_of([0, 1, 2, 3])
    assert [column.name for column in signature.features] == ["size", "colour", "code", "share", "open", "at"]
    assert all(column.role is Role.FEATURE for column in signature.features)
    assert signature.ignored == ["note", "key"]
    assert (signature.target.name, signature.target.role, signature.target.kind) == ("price", Role.TARGET, Kind.NUMERIC)
    assert signature.classes is None


def test_categories_and_ranges_come_from_the_training_rows_alone() -> None:
    size, colour, code, share, _, at = signature_of([0, 1, 2, 3]).features
    assert colour.categories == ["blue", "red"]
    assert code.categories == ["7", "10"]
    assert share.categories == ["0.0", "0.5", "2.0"]
    assert size.range == Range(min=-1.0, max=3.5)
    assert at.range == Range(min="2024-02-29T12:30:00.000000Z", max="2024-02-29T12:30:00.000000Z")
    assert (size.nullable, colour.nullable, code.nullable, share.nullable, at.nullable) == (
        True, True, True, False, False,
    )  # fmt: skip


def test_a_feature_without_a_value_has_no_range() -> None:
    table = TABLE.set_column(0, "size", pa.array([None] * 5, pa.float64()))
    table = table.set_column(5, "at", pa.array([None] * 5, pa.timestamp("us", "UTC")))
    signature = build_signature(table, COLUMNS, "price", Task.REGRESSION, None, np.array([0, 1]))
    assert signature.features[0].range is None
    assert signature.features[5].range is None


def test_a_date_beyond_what_text_can_say_has_no_range() -> None:
    far = pa.array([10**18] * 5, pa.int64()).cast(pa.timestamp("us", "UTC"))
    signature = build_signature(TABLE.set_column(5, "at", far), COLUMNS, "price", Task.REGRESSION, None, np.array([0]))
    assert signature.features[5].range is None


def test_the_wire_keeps_a_signature_as_it_is() -> None:
    signature = signature_of([0, 1, 2, 3])
    assert type(signature).model_validate_json(signature.model_dump_json()) == signature


def test_classes_are_kept_with_their_type() -> None:
    signature = build_signature(TABLE, COLUMNS, "colour", Task.BINARY, ["blue", "red"], np.array([0, 1]))
    assert signature.classes == ["blue", "red"]
    assert signature.target.kind is Kind.CATEGORICAL
    assert "colour" not in [column.name for column in signature.features]


def test_an_impossible_kind_is_refused() -> None:
    columns = [Column(name="colour", dtype=Dtype.STRING, kind=Kind.NUMERIC), COLUMNS[-1]]
    with pytest.raises(ValueError, match="cannot be numeric"):
        build_signature(TABLE, columns, "price", Task.REGRESSION, None, np.array([0]))


def test_the_target_must_be_a_column() -> None:
    with pytest.raises(ValueError, match="lack the target"):
        build_signature(TABLE, COLUMNS[:-1], "price", Task.REGRESSION, None, np.array([0]))


def test_every_dtype_may_mean_something() -> None:
    assert set(KINDS) == set(Dtype)
    assert all(KINDS.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (3, "3"), (3.0, "3.0"), (-0.0, "0.0"), (2.5, "2.5"), ("가 나", "가 나")],
)
def test_categories_have_one_text_form(value: Any, text: str) -> None:
    assert category_text(value) == text


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime(1969, 12, 31, 23, 59, 59)], pa.timestamp("s")),
        pa.array([datetime(1969, 12, 31, 23, 59, 59)], pa.timestamp("ns")),
        pa.array([datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)], pa.timestamp("ms", "Asia/Seoul")),
    ],
)
def test_timestamps_of_any_unit_are_microseconds(column: Any) -> None:
    assert microseconds(pa.chunked_array([column])).to_pylist() == [-1_000_000]


def test_a_date_is_its_midnight() -> None:
    dates = pa.chunked_array([pa.array([1], pa.date32())])
    assert microseconds(dates).to_pylist() == [86_400_000_000]
