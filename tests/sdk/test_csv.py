"""CSV files as instances: encodings, delimiters, cells by type, and every way a file can be wrong."""

import codecs
import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.signature import Dtype, Signature
from melonkube.sdk._cells import MISSING, Cell, convert_cell, day_first_columns, iso_date
from melonkube.sdk._csv import CsvError, read_instances
from melonkube.tabular.types import CONVERTERS, MISSING_MARKERS, Converter
from tests.sdk.routes import SIGNATURE, column


def signature(*features: dict[str, Any]) -> Signature:
    return Signature.model_validate({**SIGNATURE, "features": [*features]} if features else SIGNATURE)


def read(path: Path, what: Signature) -> list[dict[str, Cell]]:
    with read_instances(path, what) as instances:
        return [*instances]


def test_a_file_that_still_holds_the_target(table: Path) -> None:
    with read_instances(table, signature()) as instances:
        assert instances.unused == ["id", "y"]
        assert [*instances] == [
            {"나이": 41, "size": 0.5, "city": "서울", "member": True, "day": "2026-01-02"},
            {"나이": None, "size": 1000.0, "city": "부산", "member": False, "day": None},
            {"나이": 7, "size": None, "city": "Jeju", "member": True, "day": "2026-03-04"},
        ]


NAMES = signature(column("나이", "int64"), column("도시", "string", "categorical"))
TEXT = "나이{0}도시{0}기타\r\n41{0}서울{0}x\r\n{0}부산{0}y\r\n"


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("cp949", b""), ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)  # fmt: skip
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, mark: bytes, delimiter: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(mark + TEXT.format(delimiter).encode(encoding))
    assert read(path, NAMES) == [{"나이": 41, "도시": "서울"}, {"나이": None, "도시": "부산"}]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("age,city\n41,Seoul\n".encode(encoding))
    what = signature(column("age", "int64"), column("city", "string", "categorical"))
    assert read(path, what) == [{"age": 41, "city": "Seoul"}]


def test_cp949_far_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * 300_000 + "1,똠\n".encode("cp949"))
    rows = read(path, signature(column("a", "int64"), column("b", "string", "categorical")))
    assert (len(rows), rows[-1]) == (300_001, {"a": 1, "b": "똠"})


def test_a_character_on_the_border_of_two_blocks(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a\n" + b"xyz\n" * ((1 << 18) - 1) + "x가\n".encode())
    assert path.read_bytes()[1 << 20 : (1 << 20) + 1] != b"\xea"  # the border lies within the character
    assert read(path, signature(column("a", "string", "text")))[-1] == {"a": "x가"}


def test_a_cell_beyond_the_limit_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a\n" + "x" * 1001 + "\n")
    before = csv.field_size_limit(1000)
    try:
        with pytest.raises(CsvError, match="cannot be read as CSV: field larger than field limit"):
            read(path, signature(column("a", "string", "text")))
    finally:
        csv.field_size_limit(before)


def test_quotes_blank_lines_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('\n a , b \n"1","x, ""y""\nz"\n\n 2 , plain \n')
    what = signature(column("a", "int64"), column("b", "string", "text"))
    assert read(path, what) == [{"a": 1, "b": 'x, "y"\nz'}, {"a": 2, "b": "plain"}]


def test_one_column(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n2\n")
    assert read(path, signature(column("a", "int64"))) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"PAR1\0\0\0", "is a Parquet file"),
        (b"a,c\n1,2\n", "lacks 1 columns the model needs: b"),
        (b"a,b,a\n1,2,3\n", "two columns named 'a'"),
        (b"a,b\n1,x\n2\n", "line 3: 1 cells where the header has 2"),
        (b"a,b\n1,x,y\n", "line 2: 3 cells where the header has 2"),
        (b"a,b\none,x\n", "line 2: column 'a': 'one' is not a number"),
        (b"a,b\n1_000,x\n", "'1_000' is not a number"),
        (b"a,b\n1,\x81\xff\n", "not text in UTF-8, CP949"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(CsvError, match="table") as caught:
        read(path, signature(column("a", "int64"), column("b", "string", "text")))
    assert said in str(caught.value)


def test_all_faults_of_a_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    names = [f"n{number}" for number in range(5)]
    path.write_text(",".join(names) + "\n" + ",".join("x" * 5) + "\n")
    with pytest.raises(CsvError, match=r"column 'n0'.*column 'n1'.*column 'n2'.*\(and 2 more\)"):
        read(path, signature(*(column(name) for name in names)))


@pytest.mark.parametrize(
    ("cell", "dtype", "value"),
    [
        ("41", "int64", 41), (" +7 ", "int64", 7), ("3.0", "int64", 3.0), ("1e-3", "float64", 0.001),
        ("inf", "float64", None), ("-Infinity", "float64", None), ("TRUE", "boolean", True), ("0", "boolean", False),
        ("007", "string", "007"), (" x ", "string", "x"), ("", "string", None), ("  ", "float64", None),
        ("None", "boolean", None), ("-", "timestamp", None), ("2026-01-02", "timestamp", "2026-01-02"),
        ("1,000", "int64", 1000), ("-12,345.5", "float64", -12345.5),
    ],
)  # fmt: skip
def test_cells(cell: str, dtype: str, value: Cell) -> None:
    found = convert_cell(cell, Dtype(dtype))
    assert (found, type(found)) == (value, type(value))


def test_a_comma_is_the_decimal_one_between_semicolons() -> None:
    assert convert_cell("1,234", Dtype.FLOAT64, decimal_comma=True) == 1.234
    assert convert_cell("1.5", Dtype.FLOAT64, decimal_comma=True) == 1.5
    with pytest.raises(ValueError, match="is not a number"):
        convert_cell("1,234,567", Dtype.FLOAT64, decimal_comma=True)


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [("yes", "boolean"), ("1,00", "int64"), ("0,123", "float64"), ("0x10", "int64"), ("N/K", "float64")],
)
def test_cells_of_another_type(cell: str, dtype: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        convert_cell(cell, Dtype(dtype))


def test_what_stands_for_no_value_is_what_the_server_takes_for_it() -> None:
    assert frozenset(MISSING_MARKERS) == MISSING


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-02", "2026-01-02"), ("2026/1/2", "2026-01-02"), ("2026.01.02", "2026-01-02"),
        ("2.1.2026", "2026-01-02"), ("01-02-2026", "2026-01-02"), ("1/2/2026", "2026-01-02"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00"), ("2026/01/02 3:04:05", "2026-01-02T03:04:05"),
        ("2026-01-02 03:04:05.5", "2026-01-02T03:04:05.5"), ("1/2-2026",) * 2, ("2026-01-02T03:04:05Z",) * 2,
        ("2026-01-02 03:04:05.678+09:00",) * 2, ("yesterday",) * 2,
    ],
)  # fmt: skip
def test_dates(text: str, iso: str) -> None:
    assert iso_date(text, day_first=False) == iso


@given(
    st.datetimes(min_value=datetime(1000, 1, 1)),
    st.sampled_from([one for one in CONVERTERS if "Y" in one.name]),
    st.sampled_from(["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f"]),
    st.booleans(),
)
def test_every_form_of_date_that_an_upload_may_have_is_read_alike(
    moment: datetime, converter: Converter, clock: str, padded: bool
) -> None:
    date = moment.strftime(converter.name.replace("Y", "%Y").replace("M", "%m").replace("D", "%d"))
    text = (date if padded else re.sub(r"\b0", "", date)) + moment.strftime(clock)
    (there,) = converter.convert(pa.array([text])).to_pylist()
    found = iso_date(text, day_first=converter.name.startswith("D"))
    assert datetime.fromisoformat(found).replace(tzinfo=UTC) == there


def test_a_column_decides_whether_the_day_comes_first(tmp_path: Path) -> None:
    rows = [["1/2/2026", "1/2/2026", "x"], ["13/2/2026", "2/13/2026", ""], []]
    assert day_first_columns(rows, [(0, "a"), (1, "b"), (2, "c")]) == {"a"}
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1/2/2026,1/2/2026\n13/2/2026,2/13/2026\n")
    what = signature(column("a", "timestamp", "datetime"), column("b", "timestamp", "datetime"))
    assert read(path, what) == [{"a": "2026-02-01", "b": "2026-01-02"}, {"a": "2026-02-13", "b": "2026-02-13"}]


@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        min_size=1,
    )
)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("t", "i", "f"), *rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(text.getvalue().encode())
    what = signature(column("t", "string", "text"), column("i", "int64"), column("f"))
    expected = [{"t": None if t.strip() in MISSING else t.strip(), "i": i, "f": f} for t, i, f in rows]
    assert read(path, what) == expected
