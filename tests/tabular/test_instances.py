"""Strictness with JSON rows; that they agree with tables is in ``test_encode``."""

from typing import Any

import numpy as np
import pytest

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Column, Dtype, Kind, Role, Signature, Task
from melonkube.tabular.instances import MAX_ERRORS, MAX_WARNINGS, InstanceEncoder, InstanceErrors

SIGNATURE = Signature(
    task=Task.BINARY,
    target=Column(name="bought", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, role=Role.TARGET),
    features=[
        Column(name="age", dtype=Dtype.INT64, kind=Kind.NUMERIC),
        Column(name="member", dtype=Dtype.BOOLEAN, kind=Kind.BOOLEAN),
        Column(name="city", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, categories=["Busan", "Seoul"]),
        Column(name="store", dtype=Dtype.INT64, kind=Kind.CATEGORICAL, categories=["7", "12"]),
        Column(name="grade", dtype=Dtype.FLOAT64, kind=Kind.CATEGORICAL, categories=["0.5", "3.0"]),
        Column(name="regular", dtype=Dtype.BOOLEAN, kind=Kind.CATEGORICAL, categories=["false", "true"]),
        Column(name="joined", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME),
        Column(name="a/b~c", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    ],
    classes=["no", "yes"],
    ignored=["customer_id"],
)
GOOD: dict[str, Any] = {
    "age": 41,
    "member": True,
    "city": "Seoul",
    "store": 12,
    "grade": 3,
    "regular": False,
    "joined": "2024-02-29T12:30:00Z",
    "a/b~c": 0.25,
}
ENCODER = InstanceEncoder(SIGNATURE)


def faults(*instances: Any) -> list[tuple[str, str]]:
    with pytest.raises(InstanceErrors) as refused:
        ENCODER.encode(list(instances))
    assert all(item.detail for item in refused.value.items)
    return [(item.pointer, item.code) for item in refused.value.items]


def test_a_good_row_is_its_vector() -> None:
    encoded = ENCODER.encode([GOOD])
    assert encoded.warnings == []
    assert encoded.matrix.tolist() == [[41, 1, 1, 1, 1, 0, 19782, 2024, 2, 29, 3, 12.5, 0.25]]
    assert encoded.matrix.flags.c_contiguous


def test_null_is_missing_in_every_field() -> None:
    encoded = ENCODER.encode([dict.fromkeys(GOOD, None)])
    assert np.isnan(encoded.matrix).all()
    assert encoded.warnings == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "41"), ("age", True), ("age", [41]), ("age", {}), ("age", float("nan")), ("age", float("inf")),
        ("age", 10**400), ("age", -(10**400)),
        ("member", 1), ("member", 0.0), ("member", "true"),
        ("city", 5), ("city", True), ("city", ["Seoul"]), ("city", {}),
        ("store", "12"), ("store", 12.5), ("store", True), ("store", float("inf")),
        ("grade", "0.5"), ("grade", True), ("grade", float("nan")), ("grade", 10**400),
        ("regular", "true"), ("regular", 1),
        ("joined", 1709209800), ("joined", "yesterday"), ("joined", ""), ("joined", "2024-02-30"), ("joined", True),
        ("joined", "0001-01-01T00:00:00+14:00"),
        ("a/b~c", "0.25"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_refused(name: str, value: Any) -> None:
    pointer = "/instances/0/" + name.replace("~", "~0").replace("/", "~1")
    assert faults(GOOD | {name: value}) == [(pointer, ErrorCode.WRONG_TYPE)]


@pytest.mark.parametrize(("name", "value"), [("age", 41.0), ("age", 41.5), ("store", 12.0), ("grade", 3.0)])
def test_numbers_may_be_written_either_way(name: str, value: float) -> None:
    encoded = ENCODER.encode([GOOD | {name: value}])
    assert encoded.warnings == []
    assert not np.isnan(encoded.matrix).any()


def test_all_bad_rows_and_fields_are_named_at_once() -> None:
    without_city = {name: value for name, value in GOOD.items() if name != "city"}
    assert faults(GOOD, without_city | {"age": "old", "shoe": 42}, "not a row", GOOD | {"hat": None}) == [
        ("/instances/1/age", ErrorCode.WRONG_TYPE),
        ("/instances/1/city", ErrorCode.MISSING_FIELD),
        ("/instances/1/shoe", ErrorCode.UNKNOWN_FIELD),
        ("/instances/2", ErrorCode.WRONG_TYPE),
        ("/instances/3/hat", ErrorCode.UNKNOWN_FIELD),
    ]


@pytest.mark.parametrize("row", [None, 1, "text", [], [1], True])
def test_a_row_must_be_an_object(row: Any) -> None:
    assert faults(row) == [("/instances/0", ErrorCode.WRONG_TYPE)]


def test_an_empty_row_misses_every_field() -> None:
    assert {code for _, code in faults({})} == {ErrorCode.MISSING_FIELD}
    assert len(faults({})) == len(GOOD)


def test_pointers_are_escaped() -> None:
    assert faults(GOOD | {"x/y": 1, "~": 2}) == [
        ("/instances/0/x~1y", ErrorCode.UNKNOWN_FIELD),
        ("/instances/0/~0", ErrorCode.UNKNOWN_FIELD),
    ]


def test_target_and_left_out_columns_are_ignored_with_a_warning() -> None:
    encoded = ENCODER.encode([GOOD | {"bought": "yes", "customer_id": 5}, GOOD, GOOD | {"bought": "no"}])
    assert len(encoded.matrix) == 3
    assert len(encoded.warnings) == 2
    assert "'bought'" in encoded.warnings[0]
    assert "'customer_id'" in encoded.warnings[1]


def test_an_unseen_category_is_missing_with_a_warning() -> None:
    encoded = ENCODER.encode([GOOD, GOOD | {"city": "Jeju"}, GOOD | {"city": "Jeju", "store": 8, "grade": 0.25}])
    assert np.isnan(encoded.matrix[1]).tolist() == [False, False, True] + [False] * 10
    assert np.isnan(encoded.matrix[2]).tolist() == [False, False, True, True, True] + [False] * 8
    jeju, store, grade = encoded.warnings
    assert "'Jeju'" in jeju
    assert "row 1 and 1 more" in jeju
    assert "'8'" in store
    assert "'0.25'" in grade


def test_a_good_row_after_a_bad_one_stays_in_line() -> None:
    encoded = ENCODER.encode([GOOD | {"city": "Jeju"}, GOOD])
    assert np.array_equal(encoded.matrix[1], ENCODER.encode([GOOD]).matrix[0])


def test_an_answer_cannot_dwarf_its_request() -> None:
    rows = MAX_ERRORS // len(GOOD) + 100
    assert len(faults(*[{}] * rows)) == MAX_ERRORS
    warnings = ENCODER.encode([GOOD | {"city": f"town {row}" * 100} for row in range(MAX_WARNINGS + 50)]).warnings
    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1] == "50 further warnings are left out."
    assert max(map(len, warnings)) < 300


def test_a_long_value_is_shortened_in_the_sentence() -> None:
    with pytest.raises(InstanceErrors) as refused:
        ENCODER.encode([GOOD | {"age": "x" * 10_000}])
    assert len(refused.value.items[0].detail) < 200
