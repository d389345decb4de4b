"""The tables in ``examples/data`` are what they are said to be."""

import csv
import json

import pytest

from melonkube.contracts.datasets import Sample
from tests.trainer.data import SAMPLES

LISTED = json.loads((SAMPLES / "samples.json").read_text())


def rows_of(file: str) -> list[dict[str, str]]:
    with (SAMPLES / file).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_main_sample_is_large_and_has_gaps_and_categories() -> None:
    rows = rows_of(LISTED[0]["file"])
    assert len(rows) >= 10_000
    assert sum(row["gust_mph"] == "" for row in rows) > 1000
    assert sum(row["plane_year"] == "" for row in rows) > 1000
    assert len({row["carrier"] for row in rows}) > 10
    assert {row["late"] for row in rows} == {"yes", "no"}


@pytest.mark.parametrize("listed", LISTED, ids=lambda listed: listed["name"])
def test_each_is_as_it_is_listed(listed: dict[str, object]) -> None:
    sample = Sample.model_validate(listed)
    rows = rows_of(str(listed["file"]))
    assert len(rows) == sample.rows
    assert all(row[sample.target] for row in rows)
    assert len({row["flight_id"] for row in rows}) == len(rows)
    assert not {"dep_delay", "dep_time", "arr_time", "arr_delay"} & set(rows[0])


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 4_000_000
    assert {path.name for path in SAMPLES.glob("*.csv")} == {listed["file"] for listed in LISTED}
