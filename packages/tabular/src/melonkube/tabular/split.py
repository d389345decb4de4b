"""The division of a data set's rows, made once per experiment: train, validation, and a holdout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from melonkube.contracts.signature import Task
from melonkube.tabular.targets import ArrowColumn, plain

Rows = NDArray[np.int64]

_PARTS = ("train", "validation", "holdout")


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers from 0, ascending in each part. ``excluded`` rows have no target and are in none.

    ``method`` is ``stratified`` or ``random``.
    """

    method: str
    train: Rows
    validation: Rows
    holdout: Rows
    excluded: int


def make_split(column: ArrowColumn, task: Task, seed: int, validation: float = 0.2, holdout: float = 0.2) -> Split:
    """Divide the rows that have a target; the same arguments give the same rows on every machine.

    Classes keep their shares in each part, and each is in the training rows, the validation rows and the holdout
    as far as its rows reach, in that order.

    Args:
        column: The target, missing values included.
        task: What is predicted; classification is stratified.
        seed: Which of the many divisions.
        validation: Share of the rows to score trials on.
        holdout: Share of the rows the search never sees.

    Raises:
        ValueError: The shares leave no row to train on.
    """
    if min(validation, holdout) <= 0 or validation + holdout >= 1:
        raise ValueError("validation and holdout must be above 0 and together below 1")
    values = plain(column)
    rows = np.flatnonzero(values.is_valid().to_numpy()).astype(np.int64)
    # Raw words of a bit generator are the same in every release of NumPy, which its permutations need not be.
    keys = np.random.PCG64(seed).random_raw(len(values))[rows]
    shuffled = rows[np.argsort(keys, kind="stable")]
    if task is Task.REGRESSION:
        method, groups = "random", [shuffled]
    else:
        method = "stratified"
        codes = values.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
        chosen = codes[shuffled].astype(np.int64)
        order = np.argsort(chosen, kind="stable")
        bounds = np.flatnonzero(np.diff(chosen[order])) + 1
        groups = np.split(shuffled[order], bounds)
    parts: dict[str, list[Rows]] = {name: [] for name in _PARTS}
    for group in groups:
        for_validation, for_holdout = _share(len(group), validation, holdout)
        parts["validation"].append(group[:for_validation])
        parts["holdout"].append(group[for_validation : for_validation + for_holdout])
        parts["train"].append(group[for_validation + for_holdout :])
    done = {name: np.sort(np.concatenate(arrays)) for name, arrays in parts.items()}
    if not all(len(part) for part in done.values()):
        raise ValueError("each part needs at least one row")
    return Split(method, done["train"], done["validation"], done["holdout"], len(values) - len(rows))


def _share(count: int, validation: float, holdout: float) -> tuple[int, int]:
    """Return how many of ``count`` rows go to validation and holdout: at least one each, if one is left to train."""
    for_validation = max(round(count * validation), 1)
    for_holdout = max(round(count * holdout), 1)
    while for_validation + for_holdout >= count and for_holdout > 1:
        for_holdout -= 1
    while for_validation + for_holdout >= count and for_validation > 1:
        for_validation -= 1
    if count == 2:
        return 1, 0
    return (for_validation, for_holdout) if count > 2 else (0, 0)


def write_split(split: Split, path: Path) -> None:
    """Write ``split`` as Parquet: a row number and the name of its part a row, the rest in the metadata."""
    rows = [split.train, split.validation, split.holdout]
    codes = np.repeat(np.arange(3, dtype=np.int8), [len(part) for part in rows])
    table = pa.table(
        {
            "row": pa.array(np.concatenate(rows)),
            "part": pa.DictionaryArray.from_arrays(codes, list(_PARTS)),
        }
    ).replace_schema_metadata({"method": split.method, "excluded": str(split.excluded)})
    options: Any = {"use_dictionary": ["part"], "column_encoding": {"row": "DELTA_BINARY_PACKED"}}
    pq.write_table(table, path, **options)


def read_split(path: Path | BinaryIO) -> Split:
    """Return what :func:`write_split` wrote."""
    table = pq.read_table(path)
    metadata = table.schema.metadata
    rows = table.column("row").to_numpy()
    names = table.column("part").cast(pa.string()).to_numpy(zero_copy_only=False)
    train, validation, holdout = (rows[names == name] for name in _PARTS)
    return Split(metadata[b"method"].decode(), train, validation, holdout, int(metadata[b"excluded"]))
