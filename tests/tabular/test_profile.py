"""What columns hold, against numpy and plain counting."""

import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melonkube.contracts.signature import Dtype
from melonkube.tabular import profile
from melonkube.tabular.profile import ColumnFacts, ValueCounter, bin_edges, profile_parquet
from melonkube.tabular.types import ARROW_TYPES

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def facts(folder: Path, values: list[Any], dtype: Dtype, group: int = 1000) -> ColumnFacts:
    path = folder / "p.parquet"
    table = pa.table({"pad": pa.nulls(len(values), pa.string()), "x": pa.array(values, ARROW_TYPES[dtype])})
    pq.write_table(table, path, row_group_size=group)
    return profile_parquet(path, [Dtype.STRING, dtype])[1]


def test_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(10, 3, 5000)
    found = facts(tmp_path, [*values.tolist(), None, None], Dtype.FLOAT64).profile
    assert (found.count, found.missing, found.distinct, found.distinct_capped) == (5002, 2, 5000, False)
    assert (found.min, found.max) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.std == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found.quantiles is not None
    for level, quantile in found.quantiles.items():
        assert quantile == pytest.approx(np.quantile(values, float(level)), rel=1e-12)
    assert found.histogram is not None
    counts, edges = np.histogram(values, bins=30)
    assert found.histogram.counts == counts.tolist()
    assert found.histogram.edges == pytest.approx(edges.tolist())
    assert found.top == []


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=50))
def test_any_floats(tmp_path_factory: pytest.TempPathFactory, values: list[float | None]) -> None:
    found = facts(tmp_path_factory.mktemp("p"), values, Dtype.FLOAT64, group=7).profile
    present = [value for value in values if value is not None]
    assert (found.count, found.missing) == (len(values), len(values) - len(present))
    assert found.distinct == len(set(present))
    if present:
        assert (found.min, found.max) == (min(present), max(present))
    for number in (found.mean, found.std):
        assert number is None or math.isfinite(number)
    if found.histogram is not None:
        assert sum(found.histogram.counts) == len(present)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_few_whole_numbers_have_bins_of_whole_width(tmp_path: Path) -> None:
    found = facts(tmp_path, [1, 2, 2, 5], Dtype.INT64).profile
    assert found.histogram is not None
    assert found.histogram.edges == [1, 2, 3, 4, 5, 6]
    assert found.histogram.counts == [1, 2, 0, 0, 1]
    assert [(one.value, one.count) for one in found.top] == [("2", 2), ("1", 1), ("5", 1)]


def test_times(tmp_path: Path) -> None:
    values = [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    found = facts(tmp_path, [*values, None], Dtype.TIMESTAMP).profile
    assert (found.min, found.max) == ("2020-01-01T00:00:00.000000Z", "2020-01-04T00:00:00.000000Z")
    assert (found.mean, found.std) == (None, None)
    assert found.histogram is not None
    assert found.histogram.edges[0] == values[0].timestamp()
    assert found.quantiles is not None
    assert found.quantiles["0.5"] == datetime(2020, 1, 2, 12, tzinfo=UTC).timestamp()


def test_texts_and_truths(tmp_path: Path) -> None:
    texts = facts(tmp_path, ["나", "가", "나", None, "x y z", "v" * 500], Dtype.STRING)
    assert [(one.value, one.count) for one in texts.profile.top] == [
        ("나", 2),
        ("v" * 200, 1),
        ("x y z", 1),
        ("가", 1),
    ]
    assert texts.profile.distinct == 4
    assert texts.shape.words == pytest.approx(7 / 5)
    truths = facts(tmp_path, [True, False, True, None], Dtype.BOOLEAN).profile
    assert [(one.value, one.count) for one in truths.top] == [("true", 2), ("false", 1)]


@pytest.mark.parametrize("dtype", [Dtype.STRING, Dtype.FLOAT64, Dtype.INT64, Dtype.TIMESTAMP, Dtype.BOOLEAN])
def test_nothing_but_missing(tmp_path: Path, dtype: Dtype) -> None:
    found = facts(tmp_path, [None, None, None], dtype).profile
    assert (found.count, found.missing, found.distinct) == (3, 3, 0)
    assert (found.min, found.histogram, found.quantiles, found.top) == (None, None, None, [])


def test_distinct_values_are_counted_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "DISTINCT_LIMIT", 100)
    exact, over = ValueCounter(keep_heavy=True), ValueCounter(keep_heavy=True)
    exact.add(pa.array([str(n) for n in range(100)]))
    over.add(pa.array([str(n) for n in range(101)] + ["common"] * 50))
    for batch in range(10):
        over.add(pa.array([f"{batch}/{n}" for n in range(100)] + ["common"] * 50))
    assert (exact.distinct, exact.capped) == (100, False)
    assert (over.distinct, over.capped) == (100, True)
    assert over.top(Dtype.STRING)[0] == ("common", 550)


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=20), max_size=8))
def test_counts_over_batches_are_those_of_all(batches: list[list[str]]) -> None:
    counter = ValueCounter(keep_heavy=True)
    for batch in batches:
        counter.add(pa.array(batch, pa.string()))
    everything = Counter(value for batch in batches for value in batch)
    assert dict(counter.top(Dtype.STRING)) == dict(everything)


def test_quantiles_of_many_rows_are_of_an_even_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "QUANTILE_ROWS", 1000)
    monkeypatch.setattr(profile, "_BATCH_ROWS", 333)
    values = list(range(20_000))
    found = facts(tmp_path, values, Dtype.INT64).profile
    assert found.quantiles is not None
    for level, quantile in found.quantiles.items():
        assert quantile == pytest.approx(np.quantile(values, float(level)), abs=100)


@given(FINITE, FINITE, st.booleans())
def test_edges_hold_the_values_between_them(a: float, b: float, whole: bool) -> None:
    low, high = sorted((a, b))
    if whole:
        low, high = float(math.floor(max(low, -1e15))), float(math.ceil(min(high, 1e15)))
    if low > high:
        return
    edges = bin_edges(low, high, whole=whole)
    if edges is not None:
        assert edges[0] <= low
        assert high <= edges[-1]
        assert np.all(np.isfinite(edges))
        assert len(edges) <= 32
