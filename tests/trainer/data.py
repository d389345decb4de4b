"""A small table with every kind of column, and what a worker is told of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import DIRECTIONS, TASK_METRICS, Metric
from melonkube.contracts.signature import Column, Dtype, Kind, Role, Task
from melonkube.tabular.split import make_split
from melonkube.tabular.targets import describe_target
from melonkube.trainer.protocol import Job

TARGETS = {Task.BINARY: "bought", Task.MULTICLASS: "plan", Task.REGRESSION: "spent"}

COLUMNS = [
    Column(name="customer", dtype=Dtype.STRING, kind=Kind.TEXT, role=Role.ID),
    Column(name="age", dtype=Dtype.INT64, kind=Kind.NUMERIC),
    Column(name="income, {k}", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC, nullable=True),
    Column(name="도시", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, nullable=True),
    Column(name="member", dtype=Dtype.BOOLEAN, kind=Kind.BOOLEAN, nullable=True),
    Column(name="joined at", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME, nullable=True),
    Column(name="bought", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="plan", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="spent", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
]


def make_table(rows: int = 600, seed: int = 0) -> pa.Table:
    """Return a table whose targets follow from number, category, date and what is missing."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 90, rows)
    income = random.lognormal(1, 0.5, rows)
    poor = random.random(rows) < 0.3
    cities = np.array(["Seoul", "Busan", "Jeju", "Daegu"])[random.integers(0, 4, rows)]
    nowhere = random.random(rows) < 0.1
    member = random.random(rows) < 0.5
    days = random.integers(15_000, 20_000, rows)
    score = (
        (age - 50) / 20
        + np.where(poor, -1.5, income / 3)
        + np.where(cities == "Jeju", 2.0, 0.0)
        + np.where((days + 3) % 7 >= 5, 1.5, 0.0)
        + random.normal(0, 0.5, rows)
    )
    return pa.table(
        {
            "customer": pa.array([f"c{row}" for row in range(rows)]),
            "age": pa.array(age),
            "income, {k}": pa.array(income, mask=poor),
            "도시": pa.array(cities, mask=nowhere),
            "member": pa.array(member, mask=random.random(rows) < 0.05),
            "joined at": pa.array(
                days.astype("datetime64[D]").astype("datetime64[us]"),
                pa.timestamp("us", "UTC"),
                mask=random.random(rows) < 0.05,
            ),
            "bought": pa.array(np.where(score > 0.5, "yes", "no")),
            "plan": pa.array(np.select([score < -0.5, score < 1.5], ["free", "basic"], "full")),
            "spent": pa.array(score * 10),
        }
    )


def columns_for(task: Task) -> list[Column]:
    """Return the columns with one target; the other targets are left out."""
    columns = []
    for column in COLUMNS:
        role = Role.TARGET if column.name == TARGETS[task] else column.role
        if column.name in TARGETS.values() and role is not Role.TARGET:
            role = Role.IGNORED
        columns.append(column.model_copy(update={"role": role}))
    return columns


def make_job(task: Task, metric: Metric | None = None, table: pa.Table | None = None, **changes: Any) -> Job:
    """Return what a trainer is given for one of the table's targets."""
    table = make_table() if table is None else table
    target = TARGETS[task]
    dtype = next(column.dtype for column in COLUMNS if column.name == target)
    classes: Sequence[Scalar] | None = describe_target(table.column(target), dtype, task).classes
    chosen = metric or TASK_METRICS[task][0]
    given: dict[str, Any] = {
        "task": task,
        "metric": chosen,
        "direction": DIRECTIONS[chosen],
        "target": target,
        "columns": columns_for(task),
        "classes": classes,
        "split": make_split(table.column(target), task, 7),
        "seed": 7,
        "threads": 1,
        "fixed": {"max_bin": 255, "min_data_in_bin": 3},
        "read": lambda names: table.select(list(names)),
    }
    return Job(**(given | changes))


class FreeControl:
    """Lets a trial run to its end and keeps its reports; or ends it after so many rounds."""

    def __init__(self, rounds: int | None = None) -> None:
        self.reports: list[tuple[int, float]] = []
        self._left = rounds

    def proceed(self) -> bool:
        if self._left is None:
            return True
        self._left -= 1
        return self._left > 0

    def report(self, step: int, value: float) -> None:
        self.reports.append((step, value))


SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "data"
