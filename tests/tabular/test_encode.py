import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.signature import Column, Dtype, Kind, Role, Signature, Task
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.instances import DATE_PARTS
from melonkube.tabular.signature import build_signature

COLUMNS = [
    Column(name="number", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    Column(name="whole", dtype=Dtype.INT64, kind=Kind.NUMERIC),
    Column(name="flag", dtype=Dtype.BOOLEAN, kind=Kind.BOOLEAN),
    Column(name="flag as number", dtype=Dtype.BOOLEAN, kind=Kind.NUMERIC),
    Column(name="text", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="code", dtype=Dtype.INT64, kind=Kind.CATEGORICAL),
    Column(name="grade", dtype=Dtype.FLOAT64, kind=Kind.CATEGORICAL),
    Column(name="flag as category", dtype=Dtype.BOOLEAN, kind=Kind.CATEGORICAL),
    Column(name="moment", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME),
    Column(name="answer", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, role=Role.TARGET),
]
TYPES = {
    Dtype.FLOAT64: pa.float64(),
    Dtype.INT64: pa.int64(),
    Dtype.BOOLEAN: pa.bool_(),
    Dtype.STRING: pa.string(),
    Dtype.TIMESTAMP: pa.timestamp("us", "UTC"),
}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
MOMENT = st.datetimes(timezones=st.just(UTC))
VALUES: dict[Dtype, st.SearchStrategy[Any]] = {
    Dtype.FLOAT64: FINITE,
    Dtype.INT64: WHOLE,
    Dtype.BOOLEAN: st.booleans(),
    Dtype.STRING: st.text(max_size=8),
    Dtype.TIMESTAMP: MOMENT,
}
ROW = st.fixed_dictionaries({column.name: st.none() | VALUES[column.dtype] for column in COLUMNS})
SMALL_ROW = st.fixed_dictionaries(
    {
        column.name: st.none()
        | {
            Dtype.FLOAT64: st.sampled_from([0.0, -0.0, 1.0, 2.5, 1e300]),
            Dtype.INT64: st.integers(-2, 2),
            Dtype.BOOLEAN: st.booleans(),
            Dtype.STRING: st.sampled_from(["", "a", "b", "가"]),
            Dtype.TIMESTAMP: MOMENT,
        }[column.dtype]
        for column in COLUMNS
    }
)
ROWS = st.lists(ROW | SMALL_ROW, min_size=1, max_size=20)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table(
        {
            column.name: pa.array([row[column.name] for row in rows], TYPES[column.dtype], from_pandas=False)
            for column in COLUMNS
        }
    )


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "answer"
    }


def encoder_of(rows: list[dict[str, Any]]) -> FeatureEncoder:
    table = table_of(rows)
    return FeatureEncoder(build_signature(table, COLUMNS, "answer", Task.REGRESSION, None, np.arange(len(rows))))


@given(train=ROWS, rows=ROWS)
def test_tables_and_instances_agree_bit_for_bit(train: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    encoder = encoder_of(train)
    matrix = encoder.encode_table(table_of(rows))
    encoded = encoder.encode_instances([as_json(row) for row in rows])
    assert matrix.shape == encoded.matrix.shape == (len(rows), encoder.width)
    assert matrix.dtype == encoded.matrix.dtype == np.float64
    assert np.array_equal(np.ascontiguousarray(matrix).view(np.uint64), canonical(encoded.matrix).view(np.uint64))


def canonical(matrix: Any) -> Any:
    """One NaN for all: its bits carry nothing."""
    return np.where(np.isnan(matrix), np.nan, matrix)


@given(rows=ROWS)
def test_one_row_is_encoded_as_among_many(rows: list[dict[str, Any]]) -> None:
    encoder = encoder_of(rows)
    together = encoder.encode_instances([as_json(row) for row in rows]).matrix
    alone = np.vstack([encoder.encode_instances([as_json(row)]).matrix for row in rows])
    assert np.array_equal(together, alone, equal_nan=True)


@given(rows=ROWS)
def test_a_category_of_training_is_never_missing(rows: list[dict[str, Any]]) -> None:
    encoder = encoder_of(rows)
    matrix = encoder.encode_table(table_of(rows))
    for index, name in zip(encoder.categorical, [c.name for c in COLUMNS if c.kind is Kind.CATEGORICAL], strict=True):
        assert [bool(np.isnan(code)) for code in matrix[:, index]] == [row[name] is None for row in rows]


@given(moment=MOMENT)
def test_a_date_is_told_in_usable_numbers(moment: datetime) -> None:
    signature = Signature(
        task=Task.REGRESSION,
        target=Column(name="y", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, role=Role.TARGET),
        features=[Column(name="at", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME)],
    )
    encoder = FeatureEncoder(signature)
    values = dict(zip(DATE_PARTS, encoder.encode_instances([{"at": moment.isoformat()}]).matrix[0], strict=True))
    assert encoder.names == tuple(f"at.{part}" for part in DATE_PARTS)
    assert values["epoch_days"] == (moment.date() - datetime(1970, 1, 1).date()).days
    assert (values["year"], values["month"], values["day"]) == (moment.year, moment.month, moment.day)
    assert values["weekday"] == moment.weekday()
    seconds = timedelta(hours=float(values["hour"])).total_seconds()
    assert math.isclose(seconds, (moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds())


def test_what_cannot_be_a_number_in_a_table_is_missing() -> None:
    rows = [{column.name: None for column in COLUMNS}]
    table = table_of(rows).set_column(0, "number", pa.array([float("inf")]))
    assert np.isnan(encoder_of(rows).encode_table(table)).all()


def test_missing_and_unseen_are_nan() -> None:
    train = [{column.name: None for column in COLUMNS} | {"text": "known", "code": 5, "grade": 0.5}]
    encoder = encoder_of(train)
    row = dict.fromkeys(train[0], None) | {"text": "unknown", "code": 6, "grade": 0.25, "number": 3.0}
    matrix = encoder.encode_table(table_of([row]))
    assert matrix[0, 0] == 3.0
    assert np.isnan(matrix[0, 1:]).all()


def test_dictionary_columns_and_other_timestamps_are_read_alike() -> None:
    rows = [as_row(text="a", moment=datetime(2024, 5, 6, 7, tzinfo=UTC)), as_row(text="b"), as_row()]
    table = table_of(rows)
    encoder = encoder_of(rows)
    other = table.set_column(4, "text", table.column("text").dictionary_encode())
    other = other.set_column(8, "moment", table.column("moment").cast(pa.timestamp("ns", "Asia/Seoul")))
    assert np.array_equal(encoder.encode_table(other), encoder.encode_table(table), equal_nan=True)


def test_columns_of_one_table_may_stand_in_any_order() -> None:
    rows = [as_row(number=1.0, text="a"), as_row(whole=3)]
    encoder = encoder_of(rows)
    table = table_of(rows)
    turned = table.select(table.column_names[::-1])
    assert np.array_equal(encoder.encode_table(turned), encoder.encode_table(table), equal_nan=True)


def test_an_empty_table_has_no_rows() -> None:
    encoder = encoder_of([as_row(text="a")])
    assert encoder.encode_table(table_of([as_row()]).slice(0, 0)).shape == (0, encoder.width)
    assert encoder.encode_instances([]).matrix.shape == (0, encoder.width)


def test_names_of_model_features_are_unique() -> None:
    signature = Signature(
        task=Task.REGRESSION,
        target=Column(name="y", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, role=Role.TARGET),
        features=[
            Column(name="at.year", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
            Column(name="at", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME),
            Column(name="at.year_2", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
        ],
    )
    names = FeatureEncoder(signature).names
    assert len(set(names)) == len(names)
    assert names[0] == "at.year"
    assert names[-1] == "at.year_2"


def as_row(**values: Any) -> dict[str, Any]:
    return {column.name: values.get(column.name) for column in COLUMNS}


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("2024-05-06", datetime(2024, 5, 6, tzinfo=UTC)),
        ("2024-05-06T07:08:09", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06 07:08", datetime(2024, 5, 6, 7, 8, tzinfo=UTC)),
        ("2024-05-06T07:08:09.25Z", datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)),
        ("2024-05-06T07:08:09+09:00", datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=9)))),
    ],
)
def test_a_naive_date_is_utc_and_a_zone_is_kept_to(said: str, same: datetime) -> None:
    encoder = encoder_of([as_row(moment=same)])
    instance = as_json(as_row()) | {"moment": said}
    assert np.array_equal(
        encoder.encode_instances([instance]).matrix,
        encoder.encode_table(table_of([as_row(moment=same)])),
        equal_nan=True,
    )
