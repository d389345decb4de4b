"""Which columns are features, and why the others are not."""

import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from melonkube.contracts.signature import Column, Dtype, Kind, Role
from melonkube.tabular.profile import profile_parquet
from melonkube.tabular.roles import infer_column
from melonkube.tabular.types import ARROW_TYPES

RANDOM = random.Random(5)
WORDS = ["slow", "good", "delivery", "was", "late", "I", "will", "come", "back", "never", "nice", "price"]


def infer(folder: Path, name: str, values: list[Any], dtype: Dtype) -> Column:
    path = folder / "r.parquet"
    pq.write_table(pa.table({name: pa.array(values, ARROW_TYPES[dtype])}), path)
    return infer_column(profile_parquet(path, [dtype])[0])


def prose(words: int) -> list[str]:
    return [" ".join(RANDOM.choices(WORDS, k=words)) for _ in range(300)]


@pytest.mark.parametrize(
    ("name", "values", "dtype", "kind", "role", "reason"),
    [
        ("x", [1.5, 2.5, None] * 50, Dtype.FLOAT64, Kind.NUMERIC, Role.FEATURE, None),
        ("x", [3, 1, 2] * 50, Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        ("x", [True, False] * 50, Dtype.BOOLEAN, Kind.BOOLEAN, Role.FEATURE, None),
        ("x", [0, 86_400_000_000] * 50, Dtype.TIMESTAMP, Kind.DATETIME, Role.FEATURE, None),
        ("x", ["a", "b", None] * 50, Dtype.STRING, Kind.CATEGORICAL, Role.FEATURE, None),
        # all missing, constant
        ("x", [None] * 50, Dtype.STRING, Kind.CATEGORICAL, Role.IGNORED, "all_missing"),
        ("x", [None] * 50, Dtype.FLOAT64, Kind.NUMERIC, Role.IGNORED, "all_missing"),
        ("x", [7] * 50, Dtype.INT64, Kind.NUMERIC, Role.IGNORED, "constant"),
        ("x", ["a"] * 50, Dtype.STRING, Kind.CATEGORICAL, Role.IGNORED, "constant"),
        ("x", ["a", None] * 50, Dtype.STRING, Kind.CATEGORICAL, Role.FEATURE, None),
        # numbers that only number the rows
        ("x", list(range(1, 51)), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("x", list(range(50)), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("x", RANDOM.sample(range(50), 50), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("x", list(range(7000, 7100)), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("year", list(range(1990, 2020)), Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        ("x", [1, 2], Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        ("customer_id", RANDOM.sample(range(10**6), 50), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("customerId", RANDOM.sample(range(10**6), 50), Dtype.INT64, Kind.NUMERIC, Role.ID, "sequence"),
        ("paid", RANDOM.sample(range(10**6), 50), Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        ("amount", RANDOM.sample(range(10**6), 50), Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        ("customer_id", [*range(100, 149), 100], Dtype.INT64, Kind.NUMERIC, Role.FEATURE, None),
        # texts that tell rows apart, and texts to read
        ("x", [str(uuid.uuid4()) for _ in range(50)], Dtype.STRING, Kind.CATEGORICAL, Role.ID, "unique_text"),
        ("x", [str(n) for n in range(19)], Dtype.STRING, Kind.CATEGORICAL, Role.FEATURE, None),
        ("x", prose(8), Dtype.STRING, Kind.TEXT, Role.IGNORED, "free_text"),
        ("x", ["the shop in the town", "not the shop but"] * 50, Dtype.STRING, Kind.CATEGORICAL, Role.FEATURE, None),
    ],
)  # fmt: skip
def test_roles(
    tmp_path: Path, name: str, values: list[Any], dtype: Dtype, kind: Kind, role: Role, reason: str | None
) -> None:
    column = infer(tmp_path, name, values, dtype)
    assert (column.kind, column.role, column.reason) == (kind, role, reason)
    assert column.nullable == (None in values)


def test_ranges_are_of_numbers_and_times(tmp_path: Path) -> None:
    number = infer(tmp_path, "x", [1.5, None, 9.0], Dtype.FLOAT64)
    assert number.range is not None
    assert (number.range.min, number.range.max) == (1.5, 9.0)
    time = infer(tmp_path, "x", [0, 1], Dtype.TIMESTAMP)
    assert time.range is not None
    assert time.range.min == "1970-01-01T00:00:00.000000Z"
    assert infer(tmp_path, "x", ["a", "b"], Dtype.STRING).range is None
