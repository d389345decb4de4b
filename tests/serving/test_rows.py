"""The fast reader and the encoder agree on every row: the same numbers, or the reader leaves it to the encoder."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from melonkube.contracts.signature import Column, Dtype, Kind, Role, Signature, Task
from melonkube.kit.errors import MelonError
from melonkube.serving.predict.full import decode_row, read_instances
from melonkube.serving.predict.rows import DECLINED, RowReader, Unreadable
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.instances import InstanceErrors
from tests.serving.bundles import make_bundle

TARGET = Column(name="label", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, role=Role.TARGET)
SHAPES: list[tuple[Dtype, Kind, list[str] | None, list[Any]]] = [
    (Dtype.INT64, Kind.NUMERIC, None, [0, -3, 2**53 + 1, 2**64, 10**30, -0.0, 1.5, 1e308, 5e-324]),
    (Dtype.FLOAT64, Kind.NUMERIC, None, [0, 0.1, -2.5, 1e-7, 123456789.123456789]),
    (Dtype.BOOLEAN, Kind.NUMERIC, None, [True, False]),
    (Dtype.BOOLEAN, Kind.BOOLEAN, None, [True, False]),
    (Dtype.STRING, Kind.CATEGORICAL, ["a", "", "한국", 'q"\\/\n'], ["a", "", "한국", 'q"\\/\n']),
    (Dtype.INT64, Kind.CATEGORICAL, ["-1", "0", "7", str(2**60)], [-1, 0, 7, 7.0, -0.0, 2**60]),
    (Dtype.FLOAT64, Kind.CATEGORICAL, ["0.0", "0.5", "1e+22"], [0, 0.0, -0.0, 0.5, 1e22, 10**22]),
    (Dtype.BOOLEAN, Kind.CATEGORICAL, ["false", "true"], [True, False]),
    (
        Dtype.TIMESTAMP,
        Kind.DATETIME,
        None,
        ["2026-11-23T09:30:00Z", "2026-11-23", "1969-12-31T23:59:59.999999+09:00", "20261123T0930"],
    ),
]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    3.5,
    "",
    "b",
    "3",
    "NaN",
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [1],
    2**63,
    10**308,
    -(10**308),
    1e300,
    "x" * 300,
]


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=6))
    names = draw(
        st.lists(
            st.text(st.characters(codec="utf-8"), max_size=6).filter(lambda name: name not in ("label", "left out")),
            min_size=len(shapes),
            max_size=len(shapes),
            unique=True,
        )
    )
    features = [
        Column(name=name, dtype=dtype, kind=kind, categories=categories)
        for name, (dtype, kind, categories, _) in zip(names, shapes, strict=True)
    ]
    return Signature(task=Task.REGRESSION, target=TARGET, features=features, ignored=["left out"])


def good_values(column: Column) -> list[Any]:
    return next(values for dtype, kind, _, values in SHAPES if (dtype, kind) == (column.dtype, column.kind))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Signature, list[dict[str, Any]], bytes]:
    signature = draw(signatures())
    instances = []
    for _ in range(draw(st.integers(1, 3))):
        row = {
            column.name: draw(st.sampled_from([*good_values(column), None]))
            if draw(st.integers(0, 19))
            else draw(st.sampled_from(ODD))
            for column in draw(st.permutations(signature.features))
        }
        if not draw(st.integers(0, 9)):
            row.pop(draw(st.sampled_from(sorted(row))))
        if not draw(st.integers(0, 9)):
            row[draw(st.sampled_from(["label", "left out", "unknown"]))] = 1
        instances.append(row)
    text = json.dumps({"instances": instances}, ensure_ascii=draw(st.booleans()))
    return signature, instances, text.encode()


def read(reader: RowReader, body: bytes, width: int) -> np.ndarray | None:
    matrix = []
    try:
        for row in reader.read(body):
            buffer = np.empty(width)
            reader.fill(row, buffer)
            matrix.append(buffer)
    except DECLINED:
        return None
    return np.array(matrix)


@given(bodies())
def test_the_reader_makes_the_encoders_numbers_or_declines(case: tuple[Signature, list[Any], bytes]) -> None:
    signature, _, body = case
    try:
        reader = RowReader(signature)
    except Unreadable:
        assert any(set(column.name) & {'"', "\\", *map(chr, range(32))} for column in signature.features)
        return
    encoder = FeatureEncoder(signature)
    found = read(reader, body, encoder.width)
    try:
        encoded = encoder.encode_instances([decode_row(json.dumps(row)) for row in json.loads(body)["instances"]])
    except InstanceErrors:
        assert found is None
        return
    if encoded.warnings:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(found, encoded.matrix)


COLUMNS = {
    "n": Column(name="n", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    "c": Column(name="c", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, categories=["a", "b"]),
}
PLAIN = Signature(task=Task.REGRESSION, target=TARGET, features=list(COLUMNS.values()))


@example('{"instances":[{"n":1,"n":2,"c":"a"}]}')
@example('{"instances":[{"n":1e999,"c":"a"}]}')
@example('{"instances":[{"n":NaN,"c":"a"}]}')
@example('{"instances":[{"n":-0,"c":"\\u0061"}]}')
@example('{"instances":[{"n":1,"c":"\\ud800"}]}')
@example('{"instances":[{"n":1,"c":"a"}],"instances":[]}')
@example('{"instances":[{"n":1,"c":"a"}],"more":1}')
@example('{"instances":[{"n":1,"c":"a"}]} x')
@example('﻿{"instances":[{"n":1,"c":"a"}]}')
@given(st.text(st.sampled_from('{}[]":,.-+eE0123456789anctrulsiNfI \\u'), max_size=60))
def test_no_text_is_read_otherwise_than_by_the_full_path(text: str) -> None:
    found = read(RowReader(PLAIN), text.encode(), 2)
    try:
        instances, unreadable = read_instances(text.encode(), 100)
        encoded = FeatureEncoder(PLAIN).encode_instances(instances)
    except (MelonError, InstanceErrors):
        assert found is None or not len(found)
        return
    assert not unreadable
    if found is not None:
        np.testing.assert_array_equal(found, encoded.matrix)


@pytest.mark.parametrize("target", ["binary", "multiclass", "regression"])
def test_ordinary_rows_are_not_declined(target: str) -> None:
    made = make_bundle(target)
    encoder = FeatureEncoder(made.signature)
    body = json.dumps({"instances": made.instances}).encode()
    found = read(RowReader(made.signature), body, encoder.width)
    assert found is not None
    np.testing.assert_array_equal(found, encoder.encode_instances(list(made.instances)).matrix)
