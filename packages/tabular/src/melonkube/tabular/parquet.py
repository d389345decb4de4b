"""Columns of an uploaded Parquet file in the few types that the typed copy has."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype
from melonkube.tabular.arrow import ArrowArray, pc
from melonkube.tabular.faults import TableError
from melonkube.tabular.types import ARROW_TYPES, finite, storable_times


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
    target = ARROW_TYPES[Dtype.TIMESTAMP]
    if pa.types.is_date(values.type):
        days = pc.cast(values, pa.date32())
        near = pc.and_(pc.greater(pc.cast(days, pa.int32()), -800_000), pc.less(pc.cast(days, pa.int32()), 3_000_000))
        return pc.cast(pc.cast(pc.if_else(near, days, pa.scalar(None, pa.date32())), pa.timestamp("us")), target)
    if values.type.unit in ("s", "ms"):
        factor = 1_000_000 if values.type.unit == "s" else 1_000
        numbers = pc.cast(values, pa.int64())
        near = pc.less(pc.abs(pc.cast(numbers, pa.float64())), 3.0e17 / factor)
        kept = pc.if_else(near, numbers, pa.scalar(None, pa.int64()))
        return pc.cast(pc.multiply(kept, factor), target)
    return pc.cast(pc.cast(values, pa.timestamp("us", tz=values.type.tz), safe=False), target)
