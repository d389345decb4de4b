"""CSV files as instances of a signature: the encodings and delimiters the server reads, cells by their column's type.

Only Python's ``csv``; a file is read as a stream, at flat memory.
"""

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from melonkube.contracts.signature import Column, Dtype, Signature
from melonkube.sdk._cells import Cell, convert_cell, day_first_columns
from melonkube.sdk._exceptions import MelonError

DELIMITERS = ",\t;|"
_HEAD_BYTES = 1 << 20
_SNIFF_ROWS = 200
_SHOWN = 3


class CsvError(MelonError):
    """A CSV file cannot be read, or does not hold what a model takes."""


@dataclass
class Instances:
    """The rows of a CSV file as instances.

    Attributes:
        unused: Columns of the file that the model does not take, the target among them.
    """

    unused: list[str]
    _rows: Iterator[dict[str, Cell]] = field(repr=False)

    def __iter__(self) -> Iterator[dict[str, Cell]]:
        return self._rows


@contextmanager
def read_instances(path: Path, signature: Signature) -> Iterator[Instances]:
    """Open a CSV file and give its rows, features of ``signature`` only, each cell in the column's type.

    Raises:
        CsvError: A feature is not among its columns, a row has too many or too few cells, a cell is not of its type,
            it is not text, or has no header. Raised within the block too, where a row is at fault.
    """
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            delimiter = _delimiter(file)
            rows, names = _begin(path, file, delimiter)
            columns = _columns(path, names, signature)
            dates = [(place, column.name) for place, column in columns if column.dtype is Dtype.TIMESTAMP]
            day_first: frozenset[str] = frozenset()
            if dates:
                day_first = day_first_columns(rows, dates)
                rows, names = _begin(path, file, delimiter)
            wanted = {column.name for column in signature.features}
            unused = [name for name in names if name not in wanted]
            yield Instances(unused, _convert(path, rows, len(names), columns, day_first, delimiter))
    except UnicodeDecodeError as error:
        raise CsvError(f"{path} is not text in UTF-8, CP949 (EUC-KR) or UTF-16.") from error
    except csv.Error as error:
        raise CsvError(f"{path} cannot be read as CSV: {error}.") from error


def _encoding(path: Path) -> str:
    """Return the encoding: what a byte order mark says, else UTF-8 where the whole file is, else CP949."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in head:
            if head.startswith(b"PAR1"):
                raise CsvError(f"{path} is a Parquet file; predict takes CSV.")
            # Text of mostly ASCII characters in UTF-16 has its zero bytes on one side only.
            even, odd = head[::2].count(0), head[1::2].count(0)
            return "utf-16-le" if odd > even else "utf-16-be"
        block = head
        try:
            while block:
                decoder.decode(block)
                block = file.read(_HEAD_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp949"
    return "utf-8"


def _delimiter(file: TextIO) -> str:
    """Return the delimiter under which most rows have as many cells as the header, and the header most of them."""
    lines = [line for _, line in zip(range(_SNIFF_ROWS), file, strict=False)]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not counts or counts[0] < 2:
            continue
        score = (sum(count == counts[0] for count in counts) / len(counts), counts[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _begin(path: Path, file: TextIO, delimiter: str) -> tuple[Any, list[str]]:
    """Return the rows from the first after the header on, and the names in the header."""
    file.seek(0)
    rows = csv.reader(file, delimiter=delimiter)
    header = next((row for row in rows if any(cell.strip() for cell in row)), None)
    if header is None:
        raise CsvError(f"{path} is empty; it must hold a header and rows.")
    return rows, [cell.strip() for cell in header]


def _columns(path: Path, names: list[str], signature: Signature) -> list[tuple[int, Column]]:
    """Return the features with their places in a row."""
    places = {name: place for place, name in enumerate(names)}
    if len(places) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise CsvError(f"{path} has two columns named {', '.join(map(repr, twice))}.")
    missing = [column.name for column in signature.features if column.name not in places]
    if missing:
        raise CsvError(f"{path} lacks {len(missing)} columns the model needs: {', '.join(missing)}.")
    return [(places[column.name], column) for column in signature.features]


def _convert(
    path: Path, rows: Any, width: int, columns: list[tuple[int, Column]], day_first: frozenset[str], delimiter: str
) -> Iterator[dict[str, Cell]]:
    for row in rows:
        if not row:
            continue
        if len(row) != width:
            raise CsvError(f"{path}, line {rows.line_num}: {len(row)} cells where the header has {width}.")
        instance: dict[str, Cell] = {}
        faults = []
        for place, column in columns:
            try:
                instance[column.name] = convert_cell(
                    row[place], column.dtype, day_first=column.name in day_first, decimal_comma=delimiter == ";"
                )
            except ValueError as error:
                faults.append(f"column {column.name!r}: {error}")
        if faults:
            more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
            raise CsvError(f"{path}, line {rows.line_num}: {'; '.join(faults[:_SHOWN])}{more}.")
        yield instance
