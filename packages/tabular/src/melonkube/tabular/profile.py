"""What each column of a typed copy holds: read column by column, in bounded memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.base import rfc3339
from melonkube.contracts.datasets import ColumnProfile, Histogram, ValueCount
from melonkube.contracts.signature import Dtype
from melonkube.tabular.arrow import ArrowArray, pc

DISTINCT_LIMIT = 100_000
"""Distinct values are counted exactly up to here."""
QUANTILE_ROWS = 1_000_000
"""Up to so many values quantiles are exact; beyond, they are of an even sample of at least half as many."""
HISTOGRAM_BINS = 30
TOP_VALUES = 10
QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TEXT_SHOWN = 200
"""Longer texts are cut among the most frequent values."""
_BATCH_ROWS = 65_536
_HEAVY_KEPT = 1_000


@dataclass(slots=True)
class TextShape:
    """How the texts of a column look: mean length in characters, mean number of words."""

    length: float = 0.0
    words: float = 0.0


@dataclass(slots=True)
class ColumnFacts:
    """A column's profile and what else its role is inferred from.

    ``distinct_share`` is the number of distinct values by that of values; of a column with more distinct values
    than are counted, as it was when counting ended.
    """

    profile: ColumnProfile
    dtype: Dtype
    distinct_share: float
    shape: TextShape


def profile_parquet(path: Path, dtypes: list[Dtype]) -> list[ColumnFacts]:
    """Return the facts of each column of a typed copy, in its order."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = file.schema_arrow.names
        return [
            _profile_column(_Column(file, name, place), dtype)
            for place, (name, dtype) in enumerate(zip(names, dtypes, strict=True))
        ]


@dataclass(slots=True)
class _Column:
    file: pq.ParquetFile
    name: str
    place: int

    def batches(self) -> Iterator[ArrowArray]:
        for group in range(self.file.metadata.num_row_groups):
            table = self.file.reader.read_row_group(group, column_indices=[self.place], use_threads=False)
            for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
                yield batch.column(0)


def _profile_column(column: _Column, dtype: Dtype) -> ColumnFacts:
    counter = ValueCounter(keep_heavy=dtype is Dtype.STRING)
    numbers = _Numbers() if dtype in (Dtype.INT64, Dtype.FLOAT64, Dtype.TIMESTAMP) else None
    shape = TextShape()
    rows = missing = 0
    for values in column.batches():
        rows += len(values)
        missing += values.null_count
        present = values.drop_null()
        if len(present) == 0:
            continue
        counter.add(present)
        if numbers is not None:
            numbers.add(_floats(present, dtype))
        elif dtype is Dtype.STRING:
            shape.length += _total(pc.utf8_length(present))
            shape.words += len(present) + _total(pc.count_substring(present, " "))
    present_rows = rows - missing
    if present_rows:
        shape.length /= present_rows
        shape.words /= present_rows
    profile = ColumnProfile(
        name=column.name,
        count=rows,
        missing=missing,
        distinct=counter.distinct,
        distinct_capped=counter.capped,
        top=[ValueCount(value=text_of(value)[:TEXT_SHOWN], count=count) for value, count in counter.top(dtype)],
    )
    if numbers is not None and present_rows:
        numbers.describe(profile, dtype)
        profile.histogram = numbers.histogram(column, dtype)
    return ColumnFacts(profile, dtype, counter.share, shape)


def _total(counts: ArrowArray) -> int:
    return int(pc.sum(counts).as_py())


def _floats(values: ArrowArray, dtype: Dtype) -> np.ndarray[Any, np.dtype[np.float64]]:
    if dtype is Dtype.TIMESTAMP:
        microseconds = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
        return np.asarray(microseconds, dtype=np.float64) / 1e6
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def text_of(value: Any) -> str:
    """Return a value as text, as the profile shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)


def time_text(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 text."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


class ValueCounter:
    """Counts distinct values exactly up to ``DISTINCT_LIMIT``.

    Beyond it the number stays at the limit. With ``keep_heavy`` values already frequent go on being counted, so
    that a column of a million texts still shows its most common ones (their counts are then lower bounds).
    """

    def __init__(self, *, keep_heavy: bool) -> None:
        self._counts: dict[Any, int] = {}
        self._keep_heavy = keep_heavy
        self._seen = 0
        self.capped = False
        self.share = 0.0

    @property
    def distinct(self) -> int:
        """Distinct values seen, at most the limit."""
        return DISTINCT_LIMIT if self.capped else len(self._counts)

    def add(self, values: ArrowArray) -> None:
        """Take in values without nulls."""
        if len(values) == 0 or (self.capped and not self._keep_heavy):
            return
        counted = pc.value_counts(values)
        keys: ArrowArray = counted.field("values")
        counts: ArrowArray = counted.field("counts")
        if self.capped:
            known = self._counts
            heaviest = pc.array_sort_indices(counts, order="descending")[:_HEAVY_KEPT]
            for key, count in zip(keys.take(heaviest).to_pylist(), counts.take(heaviest).to_pylist(), strict=True):
                if key in known or count > 1:
                    known[key] = known.get(key, 0) + count
            return
        for key, count in zip(keys.to_pylist(), counts.to_pylist(), strict=True):
            self._counts[key] = self._counts.get(key, 0) + count
        self._seen += len(values)
        self.share = len(self._counts) / self._seen
        if len(self._counts) > DISTINCT_LIMIT:
            self.capped = True
            heavy = sorted(self._counts.items(), key=lambda item: -item[1])[:_HEAVY_KEPT] if self._keep_heavy else []
            self._counts = dict(heavy)

    def top(self, dtype: Dtype) -> list[tuple[Any, int]]:
        """Return the most frequent values; none of continuous columns that have more values than one would list."""
        if dtype in (Dtype.FLOAT64, Dtype.TIMESTAMP, Dtype.INT64) and (self.capped or len(self._counts) > 1000):
            return []
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], text_of(item[0])))
        return ordered[:TOP_VALUES]


class _Numbers:
    """Moments and an even sample of numbers that come in batches (Chan, Golub, LeVeque 1979, for the moments)."""

    def __init__(self) -> None:
        self.count = 0
        self.low, self.high = math.inf, -math.inf
        self._mean = self._m2 = 0.0
        self._stride = 1
        self._sample: list[np.ndarray[Any, np.dtype[np.float64]]] = []
        self._sampled = 0

    def add(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        count = len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            m2 = float(((values - mean) ** 2).sum())
            delta = mean - self._mean
            total = self.count + count
            self._m2 += m2 + delta * delta * self.count * count / total
            self._mean += delta * count / total
        first = -self.count % self._stride
        self._sample.append(values[first :: self._stride].copy())
        self._sampled += len(self._sample[-1])
        self.count = total
        if self._sampled > QUANTILE_ROWS:
            self._sample = [np.concatenate(self._sample)[::2]]
            self._sampled = len(self._sample[0])
            self._stride *= 2

    def describe(self, profile: ColumnProfile, dtype: Dtype) -> None:
        """Write what was found into ``profile``; what is no finite number is left out."""
        with np.errstate(over="ignore", invalid="ignore"):
            quantiles = np.quantile(np.concatenate(self._sample), QUANTILE_LEVELS)
        profile.quantiles = {
            str(level): float(quantile)
            for level, quantile in zip(QUANTILE_LEVELS, quantiles, strict=True)
            if math.isfinite(quantile)
        }
        if dtype is Dtype.TIMESTAMP:
            profile.min, profile.max = time_text(self.low), time_text(self.high)
            return
        profile.min, profile.max = self.low, self.high
        deviation = math.sqrt(self._m2 / (self.count - 1)) if self.count > 1 and self._m2 >= 0 else 0.0
        profile.mean = self._mean if math.isfinite(self._mean) else None
        profile.std = deviation if math.isfinite(deviation) else None

    def histogram(self, column: _Column, dtype: Dtype) -> Histogram | None:
        """Count the values in equal bins, whole numbers wide where the values are whole and few."""
        edges = bin_edges(self.low, self.high, whole=dtype is Dtype.INT64)
        if edges is None:
            return None
        counts = np.zeros(len(edges) - 1, dtype=np.int64)
        for values in column.batches():
            present = values.drop_null()
            if len(present):
                counts += np.histogram(_floats(present, dtype), bins=edges)[0]
        return Histogram(edges=[float(edge) for edge in edges], counts=[int(count) for count in counts])


def bin_edges(low: float, high: float, *, whole: bool) -> "np.ndarray[Any, np.dtype[np.float64]] | None":
    """Return the edges of a histogram from ``low`` to ``high``, None where there can be none."""
    if not math.isfinite(high - low) or low == high:
        return None
    if whole:
        width = max(1, math.ceil((high - low + 1) / HISTOGRAM_BINS))
        count = math.ceil((high - low + 1) / width)
        edges = low + width * np.arange(count + 1, dtype=np.float64)
    else:
        with np.errstate(over="ignore"):
            edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    return edges if bool(np.all(np.isfinite(edges)) and np.all(np.diff(edges) > 0)) else None
