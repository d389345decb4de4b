"""From rows to the vectors a model sees: the one road for training, evaluation and prediction.

Each feature of a signature becomes one model feature, or several where it is a date (:data:`DATE_PARTS`).
Missing is NaN throughout. Tables are encoded column by column here, JSON rows in ``instances``; the two agree bit
for bit.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from melonkube.contracts.signature import Column, Kind, Signature
from melonkube.tabular.instances import DATE_PARTS, HOUR, Encoded, InstanceEncoder
from melonkube.tabular.signature import category_text, microseconds
from melonkube.tabular.targets import ArrowColumn, plain

Matrix = NDArray[np.float64]

_DAY = 86_400_000_000
_MONDAY = 3
"""The epoch was a Thursday, the fourth day of its week."""


class FeatureEncoder:
    """Encodes rows of one signature. Immutable; safe to share among threads.

    Attributes:
        signature: What it was made from.
        names: Name of each model feature, unique: the column's, with ``.year`` and the like for parts of a date.
        categorical: Indices of the model features that are category codes.
        width: Number of model features.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        names: list[str] = []
        categorical: list[int] = []
        for column in signature.features:
            if column.kind is Kind.CATEGORICAL:
                categorical.append(len(names))
            if column.kind is Kind.DATETIME:
                names.extend(f"{column.name}.{part}" for part in DATE_PARTS)
            else:
                names.append(column.name)
        self.names: tuple[str, ...] = _distinct(names)
        self.categorical: tuple[int, ...] = tuple(categorical)
        self.width = len(names)
        self._instances = InstanceEncoder(signature)

    def encode_table(self, table: pa.Table) -> Matrix:
        """Return the rows of ``table`` as float64, shape (rows, :attr:`width`), column after column in memory.

        A category never seen in training and an infinite number are missing.

        Args:
            table: Holds at least the features, typed as the signature says.
        """
        matrix: Matrix = np.empty((table.num_rows, self.width), order="F")
        at = 0
        for column in self.signature.features:
            values = plain(table.column(column.name))
            if column.kind is Kind.CATEGORICAL:
                matrix[:, at] = _codes(values, column)
                at += 1
            elif column.kind is Kind.DATETIME:
                _write_dates(values, matrix[:, at : at + len(DATE_PARTS)])
                at += len(DATE_PARTS)
            else:
                matrix[:, at] = _numbers(values)
                at += 1
        return matrix

    def encode_instances(self, instances: list[dict[str, Any]]) -> Encoded:
        """Return JSON rows as the same vectors, one contiguous row each, with what a client should know.

        Raises:
            InstanceErrors: A field is missing, unknown or of the wrong type; all such are named.
        """
        return self._instances.encode(instances)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Return ``names`` with a number after each that would be there twice."""
    taken: set[str] = set()
    for index, name in enumerate(names):
        candidate, count = name, 2
        while candidate in taken or (candidate != name and candidate in names):
            candidate, count = f"{name}_{count}", count + 1
        names[index] = candidate
        taken.add(candidate)
    return tuple(names)


def _numbers(values: ArrowColumn) -> Matrix:
    numbers: Matrix = values.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _codes(values: ArrowColumn, column: Column) -> Matrix:
    known = {text: code for code, text in enumerate(column.categories or [])}
    encoded: Any = values.combine_chunks().dictionary_encode()
    texts = [category_text(value) for value in encoded.dictionary.to_pylist()]
    # One more than there are values: index -1, of missing cells, reads the last.
    codes: Matrix = np.array([*(known.get(text, np.nan) for text in texts), np.nan], dtype=np.float64)
    indices: NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes[indices]


def _write_dates(values: ArrowColumn, parts: Matrix) -> None:
    stamps: Any = microseconds(values)
    present = stamps.is_valid().to_numpy()
    micros = stamps.fill_null(0).to_numpy()
    days = micros // _DAY
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    parts[:, 0] = days
    parts[:, 1] = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    parts[:, 2] = months.astype(np.int64) % 12 + 1
    parts[:, 3] = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    parts[:, 4] = (days + _MONDAY) % 7
    parts[:, 5] = (micros - days * _DAY) / HOUR
    parts[~present] = np.nan
