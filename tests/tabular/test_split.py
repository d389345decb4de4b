from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.signature import Task
from melonkube.tabular.split import Split, make_split, read_split, write_split


def column(values: list[Any]) -> Any:
    return pa.chunked_array([pa.array(values)])


def rows_of(split: Split) -> list[int]:
    return [*split.train.tolist(), *split.validation.tolist(), *split.holdout.tolist()]


@given(
    values=st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=30, max_size=200),
    seed=st.integers(0, 2**31 - 1),
    shares=st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45)),
)
def test_every_row_with_a_target_is_in_one_part(
    values: list[str | None], seed: int, shares: tuple[float, float]
) -> None:
    values = ["a", "a", "a", *values]
    split = make_split(column(values), Task.MULTICLASS, seed, *shares)
    assert sorted(rows_of(split)) == [row for row, value in enumerate(values) if value is not None]
    assert split.excluded == values.count(None)
    for part in (split.train, split.validation, split.holdout):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


@given(counts=st.lists(st.integers(3, 60), min_size=2, max_size=6), seed=st.integers(0, 1000))
def test_classes_keep_their_shares(counts: list[int], seed: int) -> None:
    values = [f"class {name}" for name, count in enumerate(counts) for _ in range(count)]
    split = make_split(column(values), Task.MULTICLASS, seed, 0.2, 0.2)
    labels = np.array(values)
    assert split.method == "stratified"
    for name, count in enumerate(counts):
        for part in (split.validation, split.holdout):
            held = (labels[part] == f"class {name}").sum()
            assert held >= 1
            assert abs(held - 0.2 * count) <= 1
        assert (labels[split.train] == f"class {name}").sum() >= 1


def test_a_class_of_two_rows_is_learned_and_chosen_by() -> None:
    values = ["a"] * 50 + ["b"] * 50 + ["pair"] * 2
    split = make_split(column(values), Task.MULTICLASS, 5, 0.4, 0.4)
    labels = np.array(values)
    assert [(labels[part] == "pair").sum() for part in (split.train, split.validation, split.holdout)] == [1, 1, 0]


def test_regression_is_divided_at_random() -> None:
    split = make_split(column([float(row) for row in range(1000)]), Task.REGRESSION, 1, 0.25, 0.1)
    assert split.method == "random"
    assert (len(split.train), len(split.validation), len(split.holdout)) == (650, 250, 100)


def test_the_same_seed_gives_the_same_rows_everywhere() -> None:
    split = make_split(column([float(row) for row in range(12)]), Task.REGRESSION, 2024, 0.25, 0.25)
    # Written down once: a new release of a library must not move rows between the parts.
    assert split.validation.tolist() == VALIDATION_OF_2024
    assert split.holdout.tolist() == HOLDOUT_OF_2024
    other = make_split(column([float(row) for row in range(12)]), Task.REGRESSION, 2025, 0.25, 0.25)
    assert other.validation.tolist() != VALIDATION_OF_2024


VALIDATION_OF_2024 = [5, 6, 9]
HOLDOUT_OF_2024 = [1, 2, 7]


@pytest.mark.parametrize("shares", [(0.0, 0.2), (0.2, 0.0), (0.5, 0.5), (0.9, 0.8)])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="together below 1"):
        make_split(column([1.0] * 100), Task.REGRESSION, 1, *shares)


def test_too_few_rows_for_three_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        make_split(column([1.0, 2.0]), Task.REGRESSION, 1)


def test_a_written_split_is_read_back(tmp_path: Path) -> None:
    split = make_split(column(["a", "b", None] * 40), Task.BINARY, 3, 0.2, 0.3)
    write_split(split, tmp_path / "split.parquet")
    back = read_split(tmp_path / "split.parquet")
    with (tmp_path / "split.parquet").open("rb") as file:
        from_file = read_split(file)
    for other in (back, from_file):
        assert (other.method, other.excluded) == ("stratified", 40)
        for part in ("train", "validation", "holdout"):
            assert np.array_equal(getattr(other, part), getattr(split, part))
            assert getattr(other, part).dtype == np.int64
