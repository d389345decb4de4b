"""What a file is, told from its bytes."""

import csv
import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.datasets import FileFormat
from melonkube.contracts.errors import ErrorCode
from melonkube.tabular.faults import TableError
from melonkube.tabular.sniff import HEAD_BYTES, check_header, sniff, sniff_delimiter

KOREAN = "이름,나이,도시\n김철수,31,서울\n이영희,42,부산 똠방각하\n"


def write(folder: Path, data: bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("encoding", "mark", "told"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("cp949", b"", "cp949"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, mark: bytes, told: str) -> None:
    path = write(tmp_path, mark + KOREAN.encode(encoding))
    layout = sniff(path, "t.csv")
    assert layout.encoding == told
    assert layout.header == ("이름", "나이", "도시")
    assert layout.delimiter == ","
    assert path.read_bytes()[layout.data_offset :].decode(encoding).startswith("김철수")


def test_euc_kr_is_read_as_cp949(tmp_path: Path) -> None:
    text = "도시,값\n서울,1\n"
    assert sniff(write(tmp_path, text.encode("euc-kr")), "t.csv").encoding == "cp949"


def test_an_odd_byte_far_behind_decides_the_encoding(tmp_path: Path) -> None:
    rows = b"a,b\n" + b"1,2\n" * (HEAD_BYTES // 2)
    assert sniff(write(tmp_path, rows + "1,서울\n".encode("cp949")), "t.csv").encoding == "cp949"
    assert sniff(write(tmp_path, rows + "1,서울\n".encode()), "t.csv").encoding == "utf-8"


def test_a_character_across_two_blocks_is_one(tmp_path: Path) -> None:
    for shift in range(3):
        head = b"a,b\n" + b"x" * (HEAD_BYTES - 5 - shift)
        assert sniff(write(tmp_path, head + "가나,1\n".encode()), "t.csv").encoding == "utf-8"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a,b\n1,2\ncaf\xe9,3\n", 3),
        ("a,b\n1,2\n".encode("utf-16") + b"\x00\xd8x\x00", 3),
        (b"\xef\xbb\xbfa,b\n\xff\xff,2\n", 2),
        (b"a,b\n1,2\n1,\xc3", 3),
    ],
)
def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path: Path, data: bytes, line: int) -> None:
    with pytest.raises(TableError, match=f"Line {line} ") as caught:
        sniff(write(tmp_path, data), "t.csv")
    assert caught.value.code is ErrorCode.UNDECODABLE


def test_a_zero_byte_behind_the_beginning_is_named_by_its_line(tmp_path: Path) -> None:
    data = b"a,b\n" + b"1,2\n" * HEAD_BYTES + b"\x00,2\n"
    with pytest.raises(TableError, match=f"Line {HEAD_BYTES + 2} ") as caught:
        sniff(write(tmp_path, data), "t.csv")
    assert caught.value.code is ErrorCode.UNDECODABLE


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "amount"], ["a, b; c| d\te", "1,5"], ["plain", "2,5"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    layout = sniff(write(tmp_path, text.getvalue().encode()), "t.csv")
    assert layout.delimiter == delimiter
    assert layout.format is (FileFormat.TSV if delimiter == "\t" else FileFormat.CSV)


@given(
    delimiter=st.sampled_from([",", "\t", ";", "|"]),
    rows=st.integers(2, 30).flatmap(
        lambda width: st.lists(
            st.lists(st.text('abc 12."\n,;|\t가', max_size=8), min_size=width, max_size=width), min_size=3, max_size=20
        )
    ),
)
def test_a_table_written_with_a_delimiter_is_read_with_it(delimiter: str, rows: list[list[str]]) -> None:
    text = io.StringIO()
    header = [f"c{place}" for place in range(len(rows[0]))]
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    assert sniff_delimiter(text.getvalue(), whole=True) == delimiter


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    layout = sniff(write(tmp_path, b"price\n1\n2\n"), "t.csv")
    assert (layout.header, layout.delimiter) == (("price",), ",")


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.txt", "t"])
def test_endings_of_text(tmp_path: Path, name: str) -> None:
    assert sniff(write(tmp_path, b"a\tb\n1\t2\n"), name).format is FileFormat.TSV


def test_blank_lines_and_line_breaks_in_names_before_the_rows(tmp_path: Path) -> None:
    data = b'\r\n \r\n" first\r\nname",b\r\n1,2\r\n'
    layout = sniff(write(tmp_path, data), "t.csv")
    assert layout.header == ("first\r\nname", "b")
    assert data[layout.data_offset :] == b"1,2\r\n"
    assert layout.header_lines == 4


@pytest.mark.parametrize("data", [b"x" * (HEAD_BYTES + 1), b'"a,b\n' + b"1,2\n" * HEAD_BYTES])
def test_a_header_without_end(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TableError, match="header is longer than 1 MiB") as caught:
        sniff(write(tmp_path, data), "t.csv")
    assert caught.value.code is ErrorCode.TOO_MANY_COLUMNS


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\xff\xfe"])
def test_nothing_is_no_table(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TableError) as caught:
        sniff(write(tmp_path, data), "t.csv")
    assert caught.value.code is ErrorCode.EMPTY_FILE


@pytest.mark.parametrize(
    ("data", "name", "code", "word"),
    [
        (b"PK\x03\x04....", "t.csv", ErrorCode.MISLABELLED_FILE, "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "t.csv", ErrorCode.MISLABELLED_FILE, "Excel"),
        (b"\x89PNG\r\n\x1a\n", "t.csv", ErrorCode.MISLABELLED_FILE, "PNG"),
        (b"PAR1....PAR1", "t.csv", ErrorCode.MISLABELLED_FILE, "Parquet"),
        (b"PAR1....PAR1", "t.tsv", ErrorCode.MISLABELLED_FILE, "Parquet"),
        (b"\x1f\x8b\x08....", "t.csv", ErrorCode.MISLABELLED_FILE, "gzip"),
        (b"\x80\x04\x95....", "t.csv", ErrorCode.MISLABELLED_FILE, "pickle"),
        (b"%PDF-1.7", "t", ErrorCode.MISLABELLED_FILE, "PDF"),
        (b"\n<!DOCTYPE html><html>", "t.csv", ErrorCode.MISLABELLED_FILE, "web page"),
        (b'[ {"a": 1} ]', "t.csv", ErrorCode.MISLABELLED_FILE, "JSON"),
        (b'{ "a": 1 }', "t.csv", ErrorCode.MISLABELLED_FILE, "JSON"),
        (b"a,b\x00c\x00\x00d", "t.csv", ErrorCode.MISLABELLED_FILE, "zero bytes"),
        (b"a,b\n1,2\n", "t.parquet", ErrorCode.MISLABELLED_FILE, "Parquet"),
        (b"PK\x03\x04....", "t.parquet", ErrorCode.MISLABELLED_FILE, "Excel"),
        (b"PK\x03\x04....", "t.xlsx", ErrorCode.UNKNOWN_FORMAT, ".xlsx"),
        (b"a,b\n1,2\n", "t.json", ErrorCode.UNKNOWN_FORMAT, ".json"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "t.csv", ErrorCode.UNDECODABLE, "UTF-32"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    tmp_path: Path, data: bytes, name: str, code: ErrorCode, word: str
) -> None:
    with pytest.raises(TableError, match=word) as caught:
        sniff(write(tmp_path, data), name)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("names", "code", "word"),
    [
        (["a", "b", "a"], ErrorCode.DUPLICATE_COLUMN, "Columns 1 and 3 are both named 'a'"),
        (["a", "", "c"], ErrorCode.EMPTY_COLUMN_NAME, "Column 2 of 3"),
        (["a", "b", ""], ErrorCode.EMPTY_COLUMN_NAME, "end with a delimiter"),
        (["a", "b", "c", "d"], ErrorCode.TOO_MANY_COLUMNS, "at most 3"),
    ],
)
def test_names_of_columns(names: list[str], code: ErrorCode, word: str) -> None:
    with pytest.raises(TableError, match=word) as caught:
        check_header(names, 3)
    assert caught.value.code is code


@given(st.binary(max_size=400))
def test_no_bytes_surprise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    for name in ("t.csv", "t.parquet"):
        with suppress(TableError):
            sniff(path, name)
