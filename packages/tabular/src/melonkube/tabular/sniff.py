"""What a file is: its format, encoding, delimiter and header, looked at rather than believed.

The whole file is decoded once, strictly, so that what is read later cannot fail on its encoding: a file whose first
megabytes are ASCII may still turn out to be CP949 near its end. EUC-KR is read as CP949, which contains it
(Microsoft's code page 949, "Unified Hangul Code").
"""

import codecs
import csv
import io
import itertools
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from melonkube.contracts.datasets import FileFormat
from melonkube.contracts.errors import ErrorCode
from melonkube.tabular.faults import TableError

DELIMITERS = (",", "\t", ";", "|")
HEAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_ROWS_TO_SNIFF = 1000

TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", ".psv", ""})
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x80\x02", "a pickle file"),
    (b"\x80\x03", "a pickle file"),
    (b"\x80\x04", "a pickle file"),
    (b"\x80\x05", "a pickle file"),
    (b"\x7fELF", "a program"),
)
_TEXT_MAGIC: tuple[tuple[str, str], ...] = (
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("<?xml", "an XML document"),
    ("{\\rtf", "a rich text document"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read.

    For text: ``header`` are the column names, ``data_offset`` is the byte at which the rows begin and
    ``header_lines`` how many lines come before them; ``even_quotes`` says whether quotation marks pair up.
    """

    format: FileFormat
    encoding: str | None = None
    delimiter: str | None = None
    header: tuple[str, ...] = ()
    data_offset: int = 0
    header_lines: int = 0
    even_quotes: bool = True


def sniff(path: Path, file_name: str) -> Layout:
    """Return how to read the file at ``path`` that was given as ``file_name``.

    Raises:
        TableError: It is empty, is not what its name says, is of a kind that is not taken, or cannot be decoded.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    suffix = PurePath(file_name.lower()).suffix
    if not head:
        raise TableError(ErrorCode.EMPTY_FILE, "The file is empty; send one with a header and rows.")
    found = what_is(head)
    if suffix in PARQUET_SUFFIXES:
        if found != "a Parquet file":
            raise TableError(
                ErrorCode.MISLABELLED_FILE,
                f"The file is named {suffix} but is {found or 'not a Parquet file'}; give it the name of what it is.",
            )
        return Layout(FileFormat.PARQUET)
    if suffix not in TEXT_SUFFIXES:
        raise TableError(
            ErrorCode.UNKNOWN_FORMAT,
            f"Files of the kind {suffix} are not read; save the table as CSV, TSV or Parquet and send that.",
        )
    if found == "a Parquet file" and suffix == "":
        return Layout(FileFormat.PARQUET)
    if found is not None:
        raise TableError(
            ErrorCode.MISLABELLED_FILE,
            f"The file is named {suffix or 'without a kind'} but is {found}; save the table as CSV, TSV or Parquet.",
        )
    return _sniff_text(path, head, suffix)


def what_is(head: bytes) -> str | None:
    """Return what a file is that begins with ``head`` and is no table of text, None where nothing speaks against it."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    start = head[:1024].removeprefix(codecs.BOM_UTF8).decode("latin-1").lower().lstrip()
    for words, name in _TEXT_MAGIC:
        if start.startswith(words):
            return name
    if "".join(start.split()).startswith(("[{", '{"')):
        return "a JSON document"
    return None


def _sniff_text(path: Path, head: bytes, suffix: str) -> Layout:
    encoding, bom = _encoding_by_bytes(head)
    if encoding is None:
        try:
            encoding, even_quotes = "utf-8", _validate(path, "utf-8", 0)
        except TableError as as_utf8:
            try:
                encoding, even_quotes = "cp949", _validate(path, "cp949", 0)
            except TableError:
                raise as_utf8 from None
    else:
        even_quotes = _validate(path, encoding, bom)
    text = codecs.getincrementaldecoder(encoding)("strict").decode(head[bom:])
    whole = len(head) < HEAD_BYTES
    if not text.strip():
        raise TableError(
            ErrorCode.EMPTY_FILE, "The file holds nothing but blank lines; send one with a header and rows."
        )
    delimiter = sniff_delimiter(text, whole=whole, tabs_first=suffix in (".tsv", ".tab"))
    header, lines = read_header(text, delimiter)
    before = "".join(itertools.islice(io.StringIO(text, newline=""), lines))
    if len(before) == len(text) and not whole:
        raise TableError(
            ErrorCode.TOO_MANY_COLUMNS,
            f"The header is longer than {HEAD_BYTES >> 20} MiB: it has too many columns, or a quotation mark in it is "
            "never closed.",
        )
    return Layout(
        format=FileFormat.TSV if delimiter == "\t" else FileFormat.CSV,
        encoding="utf-8-sig" if encoding == "utf-8" and bom else encoding,
        delimiter=delimiter,
        header=tuple(header),
        data_offset=bom + len(before.encode(encoding)),
        header_lines=lines,
        even_quotes=even_quotes,
    )


def _encoding_by_bytes(head: bytes) -> tuple[str | None, int]:
    """Return the encoding that a byte order mark or zero bytes give away, and the mark's length."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise TableError(ErrorCode.UNDECODABLE, "The file is UTF-32, which is not read; save it as UTF-8.")
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    if b"\x00" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if odd and not even:
            return "utf-16-le", 0
        if even and not odd:
            return "utf-16-be", 0
        raise TableError(
            ErrorCode.MISLABELLED_FILE,
            "The file is not text: it holds zero bytes. Save the table as CSV, TSV or Parquet and send that.",
        )
    return None, 0


def _validate(path: Path, encoding: str, bom: int) -> bool:
    """Decode the whole file; return whether its quotation marks are even in number.

    Raises:
        TableError: A byte cannot be decoded, or is zero.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = quotes = 0
    with path.open("rb") as file:
        file.seek(bom)
        while True:
            block = file.read(_BLOCK_BYTES)
            pending = decoder.getstate()[0]
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                lines += (pending + block)[: error.start].decode(encoding, "replace").count("\n")
                raise TableError(
                    ErrorCode.UNDECODABLE,
                    f"Line {lines + 1} holds bytes that are not text in UTF-8, CP949 (EUC-KR) or UTF-16; "
                    "save the file as UTF-8 and send it again.",
                ) from error
            if "\x00" in text:
                lines += text[: text.index("\x00")].count("\n")
                raise TableError(
                    ErrorCode.UNDECODABLE,
                    f"Line {lines + 1} holds a zero character, which text has not; save the file as UTF-8 text.",
                )
            if not block:
                return quotes % 2 == 0
            lines += text.count("\n")
            quotes += text.count('"')


def _rows(text: str, delimiter: str) -> Any:
    csv.field_size_limit(1 << 30)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def sniff_delimiter(text: str, *, whole: bool, tabs_first: bool = False) -> str:
    """Return the delimiter under which most rows have as many cells as the header, and the header most of them.

    Args:
        text: The beginning of the file.
        whole: Whether it is the file to its end; else its last row is not looked at.
        tabs_first: Whether a tab wins when several are as good.
    """
    best, best_score = ("\t" if tabs_first else ","), (0.0, 0)
    for delimiter in sorted(DELIMITERS, key=lambda one: one != "\t") if tabs_first else DELIMITERS:
        counts = [len(row) for row in itertools.islice(_rows(text, delimiter), _ROWS_TO_SNIFF) if row]
        if not whole and 1 < len(counts) < _ROWS_TO_SNIFF:
            counts.pop()
        if not counts or counts[0] < 2:
            continue
        share = sum(count == counts[0] for count in counts) / len(counts)
        if (share, counts[0]) > best_score:
            best, best_score = delimiter, (share, counts[0])
    return best


def read_header(text: str, delimiter: str) -> tuple[list[str], int]:
    """Return the names in the first row that is not blank, and the number of lines up to its end."""
    reader = _rows(text, delimiter)
    for row in reader:
        if len(row) > 1 or (row and row[0].strip()):
            return [cell.strip() for cell in row], reader.line_num
    return [], 0


def check_header(names: list[str] | tuple[str, ...], max_columns: int) -> None:
    """Check the names of columns.

    Raises:
        TableError: There are too many, or one is empty or there twice.
    """
    if len(names) > max_columns:
        raise TableError(
            ErrorCode.TOO_MANY_COLUMNS,
            f"The table has {len(names):,} columns; at most {max_columns:,} are taken. Leave out what is not needed.",
        )
    for place, name in enumerate(names, start=1):
        if not name:
            last = " (does the header end with a delimiter?)" if place == len(names) and place > 1 else ""
            raise TableError(
                ErrorCode.EMPTY_COLUMN_NAME, f"Column {place} of {len(names)} has no name{last}; give every column one."
            )
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in seen:
            raise TableError(
                ErrorCode.DUPLICATE_COLUMN,
                f"Columns {seen[name]} and {place} are both named '{name}'; give every column a name of its own.",
            )
        seen[name] = place
