"""Data sets: one ``id`` names one immutable version of a named table."""

from enum import StrEnum

from melonkube.contracts.base import Answer, Instant
from melonkube.contracts.errors import Problem
from melonkube.contracts.ids import Id
from melonkube.contracts.signature import Column


class DatasetState(StrEnum):
    """Where a data set is: being read, usable, or refused with a problem."""

    PARSING = "parsing"
    READY = "ready"
    FAILED = "failed"


class FileFormat(StrEnum):
    """The formats an upload may have."""

    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


class Dataset(Answer):
    """A data set version.

    ``sha256`` and ``size_bytes`` are of the uploaded file, ``parquet_*`` of the typed copy that workers
    read. ``columns`` carry the role inferred without knowing a target. ``problem`` is set when ``failed``.
    """

    id: Id
    name: str
    version: int
    state: DatasetState
    rows: int | None = None
    sha256: str
    size_bytes: int
    format: FileFormat | None = None
    encoding: str | None = None
    delimiter: str | None = None
    file_name: str
    parquet_sha256: str | None = None
    parquet_bytes: int | None = None
    columns: list[Column] = []
    warnings: list[str] = []
    problem: Problem | None = None
    created_at: Instant


class Preview(Answer):
    """The first rows, each a list of cells in the order of ``columns``; datetimes as RFC 3339 text."""

    columns: list[str]
    rows: list[list[bool | int | float | str | None]]
    total_rows: int


class Histogram(Answer):
    """``counts[i]`` values lie in ``[edges[i], edges[i + 1])``, the last bin closed.

    The edges of datetimes are seconds since the epoch.
    """

    edges: list[float]
    counts: list[int]


class ValueCount(Answer):
    """How often one value of a column was seen."""

    value: str
    count: int


class ColumnProfile(Answer):
    """What a column holds.

    ``count`` is the number of rows, ``missing`` of those without a value. ``distinct`` is exact up to
    ``distinct_limit`` and then the limit with ``distinct_capped``. Quantiles are keyed by their level as text
    (``"0.25"``). ``min`` and ``max`` are numbers, or RFC 3339 text for datetimes. ``top`` is of the most
    frequent values first.
    """

    name: str
    count: int
    missing: int
    distinct: int
    distinct_capped: bool = False
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] | None = None
    histogram: Histogram | None = None
    top: list[ValueCount] = []


class Profile(Answer):
    """The profile of every column, in the order of the table."""

    dataset_id: Id
    rows: int
    columns: list[ColumnProfile]


class Sample(Answer):
    """A data set that comes with the installation, one call away; ``target`` is the column one would predict."""

    name: str
    title: str
    description: str
    target: str
    rows: int
    source: str
    licence: str
