"""Columns of an uploaded Parquet file in the few types that the typed copy has."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype
from melonkube.tabular.arrow import ArrowArray, pc
from melonkube.tabular.faults import TableError
from melonkube.tabular.types import ARROW_TYPES, finite, storable_times

_FAR_DAYS = 3_650_000
"""More days than there are from 1970 to either end of the calendar."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open an uploaded file.

    Raises:
        TableError: It is damaged.
    """
    try:
        return pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(error) from error


def damaged(error: BaseException) -> TableError:
    """Return the error for a file that begins as Parquet and cannot be read as such."""
    said = str(error).splitlines()[0][:200]
    return TableError(
        ErrorCode.UNDECODABLE,
        f"The Parquet file is damaged or cut off ({said}); write it again and send the new one.",
    )


def dtype_of(kind: pa.DataType) -> Dtype | None:
    """Return how values of an Arrow type are stored, None if they cannot be."""
    if pa.types.is_dictionary(kind):
        return dtype_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return Dtype.BOOLEAN
    if pa.types.is_integer(kind):
        return Dtype.INT64
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Dtype.FLOAT64
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Dtype.STRING
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Dtype.TIMESTAMP
    return Dtype.STRING if pa.types.is_null(kind) else None


def dtypes_of(schema: pa.Schema) -> list[Dtype]:
    """Return how each column is stored.

    Raises:
        TableError: Some cannot be.
    """
    dtypes = [dtype_of(field.type) for field in schema]
    impossible = [
        f"'{field.name}' ({field.type})" for field, dtype in zip(schema, dtypes, strict=True) if dtype is None
    ]
    if impossible:
        shown = ", ".join(impossible[:5]) + (f" and {len(impossible) - 5} more" if len(impossible) > 5 else "")
        raise TableError(
            ErrorCode.UNSUPPORTED_COLUMN_TYPE,
            f"These columns hold no single numbers, texts, truths or times: {shown}; flatten or leave them out.",
        )
    return [dtype for dtype in dtypes if dtype is not None]


def has_big_integers(file: pq.ParquetFile, column: int) -> bool:
    """Whether an unsigned column holds what 64 bits with a sign cannot, as far as the file's statistics say."""
    for group in range(file.metadata.num_row_groups):
        statistics = file.metadata.row_group(group).column(column).statistics
        if statistics is None or statistics.max is None or statistics.max >= 2**63:
            return True
    return False


def convert(values: ArrowArray, dtype: Dtype) -> ArrowArray:
    """Return a column's values as they are stored; what has no place there (NaN, infinity, year 10000) is null."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    target = ARROW_TYPES[dtype]
    if dtype is Dtype.FLOAT64:
        return finite(pc.cast(values, target, safe=False))
    if dtype is Dtype.TIMESTAMP:
        return storable_times(_to_microseconds(values))
    return pc.cast(values, target)


def _to_microseconds(values: ArrowArray) -> ArrowArray:
    """Return times in microseconds; those so far away that they would overflow are null already."""
    target = ARROW_TYPES[Dtype.TIMESTAMP]
    if pa.types.is_date(values.type):
        days = _near(pc.cast(pc.cast(values, pa.date32()), pa.int32()), _FAR_DAYS)
        return pc.cast(pc.cast(pc.cast(days, pa.date32()), pa.timestamp("us")), target)
    factor = {"s": 1_000_000, "ms": 1_000}.get(values.type.unit)
    if factor is not None:
        numbers = _near(pc.cast(values, pa.int64()), _FAR_DAYS * 86_400_000_000 // factor)
        return pc.cast(pc.multiply(numbers, factor), target)
    return pc.cast(pc.cast(values, pa.timestamp("us", tz=values.type.tz), safe=False), target)


def _near(numbers: ArrowArray, limit: int) -> ArrowArray:
    """Return ``numbers`` with what is beyond ``limit`` on either side as null."""
    kept = pc.and_(pc.greater(numbers, -limit), pc.less(numbers, limit))
    return pc.if_else(kept, numbers, pa.scalar(None, numbers.type))
