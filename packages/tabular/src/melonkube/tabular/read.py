"""A file becomes a typed Parquet copy, in memory that does not grow with the file.

Text is read twice: first to find each column's type over the whole file, then to convert. Both passes use the same
code on the same texts, so the second cannot fail where the first did not.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype
from melonkube.tabular.arrow import ArrowArray
from melonkube.tabular.faults import TableError
from melonkube.tabular.parquet import convert, damaged, dtypes_of, has_big_integers, open_parquet
from melonkube.tabular.sniff import Layout, check_header, sniff
from melonkube.tabular.types import TypeScan, arrow_schema, clean

BLOCK_BYTES = 1 << 20
LONG_ROW_BLOCK_BYTES = 64 << 20
GROUP_ROWS = 250_000
GROUP_BYTES = 64 << 20
_BATCH_ROWS = 65_536


@dataclass(slots=True)
class Copy:
    """The typed copy: ``dtypes`` are in the order of ``names``; ``warnings`` say what is not as it was."""

    layout: Layout
    names: list[str]
    dtypes: list[Dtype]
    rows: int
    warnings: list[str] = field(default_factory=list)


def copy_to_parquet(source: Path, file_name: str, target: Path, *, max_columns: int) -> Copy:
    """Write the table in ``source`` to ``target`` as typed Parquet.

    Raises:
        TableError: The file is not a table, with the reason.
        OSError: The disk is full.
    """
    layout = sniff(source, file_name)
    if layout.encoding is None:
        return _copy_parquet(source, layout, target, max_columns)
    check_header(layout.header, max_columns)
    return _Text(source, layout).copy(target)


class _Writer:
    """Gathers batches into row groups of a few hundred thousand rows."""

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        self._file = pq.ParquetWriter(target, schema, compression="zstd", compression_level=1, version="2.6")
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self.rows = 0

    def add(self, columns: list[ArrowArray]) -> None:
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._held_rows >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._file.write_table(pa.Table.from_batches(self._held, self._schema), row_group_size=self._held_rows)
            self._held, self._held_rows, self._held_bytes = [], 0, 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is None:
            self._flush()
        self._file.close()


class _Text:
    """A table of text."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._block = BLOCK_BYTES

    def copy(self, target: Path) -> Copy:
        if not self._layout.even_quotes:
            self._refuse_open_quote()
        try:
            scans, rows = self._scan()
        except _RowTooLong:
            self._block = LONG_ROW_BLOCK_BYTES
            scans, rows = self._scan()
        if rows == 0:
            raise header_only()
        converters = [scan.converter for scan in scans]
        names = list(self._layout.header)
        dtypes = [converter.dtype for converter in converters]
        lost = [0] * len(names)
        with _Writer(target, arrow_schema(names, dtypes)) as writer:
            for batch in self._batches():
                columns = []
                for place, (converter, texts) in enumerate(zip(converters, batch.columns, strict=True)):
                    cleaned = clean(texts)
                    columns.append(converter.convert(cleaned))
                    lost[place] += columns[-1].null_count - cleaned.null_count
                writer.add(columns)
        warnings = [
            f"The dates of '{name}' could have month or day first; they were read with the month first."
            for name, scan in zip(names, scans, strict=True)
            if scan.ambiguous_date
        ]
        return Copy(self._layout, names, dtypes, writer.rows, warnings + _losses(names, lost))

    def _scan(self) -> tuple[list[TypeScan], int]:
        delimiter = self._layout.delimiter or ","
        scans = [TypeScan.under(delimiter) for _ in self._layout.header]
        rows = 0
        for batch in self._batches():
            rows += batch.num_rows
            for scan, texts in zip(scans, batch.columns, strict=True):
                scan.add(texts)
        return scans, rows

    def _batches(self) -> Iterator[pa.RecordBatch]:
        names = [f"c{place}" for place in range(len(self._layout.header))]
        with _open_text(self._path, self._layout) as file:
            try:
                yield from pa_csv.open_csv(
                    file,
                    read_options=pa_csv.ReadOptions(column_names=names, block_size=self._block, use_threads=True),
                    parse_options=pa_csv.ParseOptions(delimiter=self._layout.delimiter or ",", newlines_in_values=True),
                    convert_options=pa_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
                    ),
                )
            except pa.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    raise header_only() from error
                raise self._explain(error) from error

    def _explain(self, error: pa.ArrowInvalid) -> Exception:
        said = str(error)
        if "Expected" in said and "columns, got" in said:
            return self._ragged()
        if "straddl" in said or "try to increase block size" in said:
            if self._block < LONG_ROW_BLOCK_BYTES:
                return _RowTooLong()
            return TableError(
                ErrorCode.RAGGED_ROWS,
                f"A row is longer than {LONG_ROW_BLOCK_BYTES >> 20} MiB; most often a quotation mark is never closed.",
            )
        return TableError(
            ErrorCode.RAGGED_ROWS, f"The rows cannot be told apart ({said.splitlines()[0][:200]}); check the quotes."
        )

    def _ragged(self) -> TableError:
        """Find the first row that has not as many cells as the header; only done for the message."""
        wanted = len(self._layout.header)
        with io.TextIOWrapper(_open_text(self._path, self._layout), encoding="utf-8", newline="") as text:
            reader = csv.reader(text, delimiter=self._layout.delimiter or ",")
            begins = 1
            for row in reader:
                if row and len(row) != wanted:
                    return TableError(
                        ErrorCode.RAGGED_ROWS,
                        f"Line {self._layout.header_lines + begins} has {len(row)} "
                        f"{'cell' if len(row) == 1 else 'cells'} where the header has {wanted}; "
                        "give every row as many cells as the header, and put quotes around cells that hold "
                        "the delimiter.",
                    )
                begins = reader.line_num + 1
        return TableError(
            ErrorCode.RAGGED_ROWS, f"Some row has not {wanted} cells as the header has; give every row as many."
        )

    def _refuse_open_quote(self) -> None:
        """Raise if a quotation mark is open when the file ends, and would swallow the rows after it."""
        with io.TextIOWrapper(_open_text(self._path, self._layout), encoding="utf-8", newline="") as text:
            reader = csv.reader(text, delimiter=self._layout.delimiter or ",", strict=True)
            begins = 1
            while True:
                try:
                    next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if "unexpected end of data" in str(error):
                        raise TableError(
                            ErrorCode.RAGGED_ROWS,
                            f"A quotation mark opened in the row at line {self._layout.header_lines + begins} is "
                            "never closed; close it, or double it where it belongs to the text.",
                        ) from error
                begins = reader.line_num + 1


class _RowTooLong(Exception):
    """A row does not fit into a block."""


def header_only() -> TableError:
    """Return the error for a table without rows."""
    return TableError(ErrorCode.HEADER_ONLY, "The file has a header and no rows; add the rows and send it again.")


def _open_text(path: Path, layout: Layout) -> Any:
    """Return the rows of a text file as a binary file in UTF-8."""
    file = path.open("rb")
    file.seek(layout.data_offset)
    if layout.encoding in ("utf-8", "utf-8-sig"):
        return file
    return io.BufferedReader(_Utf8(file, layout.encoding or "utf-8"), BLOCK_BYTES)


class _Utf8(io.RawIOBase):
    """Reads a file of another encoding as UTF-8."""

    def __init__(self, file: Any, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as there is text at hand."""
        while not self._ready:
            block = self._file.read(BLOCK_BYTES)
            self._ready = memoryview(self._decoder.decode(block, final=not block).encode())
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file as well."""
        self._file.close()
        super().close()


def _copy_parquet(source: Path, layout: Layout, target: Path, max_columns: int) -> Copy:
    with open_parquet(source) as file:
        schema = file.schema_arrow
        names = [name.strip() for name in schema.names]
        check_header(names, max_columns)
        dtypes = dtypes_of(schema)
        for place, kind in enumerate(schema.types):
            if pa.types.is_uint64(kind) and has_big_integers(file, place):
                dtypes[place] = Dtype.FLOAT64
        if file.metadata.num_rows == 0:
            raise header_only()
        lost = [0] * len(names)
        with _Writer(target, arrow_schema(names, dtypes)) as writer:
            for batch in _parquet_batches(file):
                columns = []
                for place, (values, dtype) in enumerate(zip(batch.columns, dtypes, strict=True)):
                    converted = _checked(partial(convert, values, dtype))
                    lost[place] += converted.null_count - values.null_count
                    columns.append(converted)
                writer.add(columns)
    return Copy(layout, names, dtypes, writer.rows, _losses(names, lost))


def _losses(names: list[str], lost: list[int]) -> list[str]:
    return [
        f"{count:,} values of '{name}' are no finite numbers or lie outside the years 1 to 9999; they count as missing."
        for name, count in zip(names, lost, strict=True)
        if count > 0
    ]


def _parquet_batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    batches = file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
    while True:
        batch = _checked(lambda: next(batches, None))
        if batch is None:
            return
        yield batch


def _checked(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(error) from error
