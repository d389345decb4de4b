"""From files to typed copies: every value comes through, whatever stands where."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Dtype
from melonkube.tabular import read
from melonkube.tabular.faults import TableError
from melonkube.tabular.read import Copy, copy_to_parquet
from melonkube.tabular.types import MISSING_MARKERS, TypeScan


def copy(folder: Path, data: bytes, name: str = "t.csv") -> tuple[Copy, pa.Table]:
    source, target = folder / name, folder / "copy.parquet"
    source.write_bytes(data)
    made = copy_to_parquet(source, name, target, max_columns=100)
    return made, pq.read_table(target)


def column(folder: Path, *values: str) -> tuple[Dtype, list[Any]]:
    """Read one column of texts; return its type and values."""
    text = io.StringIO()
    csv.writer(text).writerows([["x", "pad"], *([value, "1"] for value in values)])
    made, table = copy(folder, text.getvalue().encode())
    return made.dtypes[0], table.column("x").to_pylist()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("texts", "dtype", "values"),
    [
        (["1", " 2 ", "-3", "+4"], Dtype.INT64, [1, 2, -3, 4]),
        (["1", "2.5", ""], Dtype.FLOAT64, [1.0, 2.5, None]),
        (["1e3", "-.5", "2."], Dtype.FLOAT64, [1000.0, -0.5, 2.0]),
        (["0", "0.5", "-0"], Dtype.FLOAT64, [0.0, 0.5, 0.0]),
        (["9223372036854775807"], Dtype.INT64, [2**63 - 1]),
        (["9223372036854775808", "1"], Dtype.STRING, ["9223372036854775808", "1"]),
        (["9223372036854775808", "1.5"], Dtype.FLOAT64, [2.0**63, 1.5]),
        (["06000", "12345"], Dtype.STRING, ["06000", "12345"]),
        (["0x10", "1"], Dtype.STRING, ["0x10", "1"]),
        (["true", "FALSE", "?", "True"], Dtype.BOOLEAN, [True, False, None, True]),
        (["true", "1"], Dtype.STRING, ["true", "1"]),
        (["1", "1,5"], Dtype.STRING, ["1", "1,5"]),
        (["1,234", "-12,345,678", "+999", ""], Dtype.INT64, [1234, -12345678, 999, None]),
        (["1,234.5", "2000", "7"], Dtype.FLOAT64, [1234.5, 2000.0, 7.0]),
        (["1,234", "0,123"], Dtype.STRING, ["1,234", "0,123"]),
        (["1,234", "12,34"], Dtype.STRING, ["1,234", "12,34"]),
        (["1,234", "06000"], Dtype.STRING, ["1,234", "06000"]),
        (["9,223,372,036,854,775,808", "1,000"], Dtype.STRING, ["9,223,372,036,854,775,808", "1,000"]),
        (["1", "inf", "1e999"], Dtype.FLOAT64, [1.0, None, None]),
        (["", "NA"], Dtype.STRING, [None, None]),
        (["서울", "-", "부산 "], Dtype.STRING, ["서울", None, "부산"]),
        (["two\nlines", "one"], Dtype.STRING, ["two\nlines", "one"]),
        (['say "hi"', "a,b"], Dtype.STRING, ['say "hi"', "a,b"]),
        (["2020-02-29", "NaN"], Dtype.TIMESTAMP, [utc(2020, 2, 29), None]),
        (["2020-02-30"], Dtype.STRING, ["2020-02-30"]),
        (["2020-1-2", "2020-10-20"], Dtype.TIMESTAMP, [utc(2020, 1, 2), utc(2020, 10, 20)]),
        (["2020-01-02 03:04", "2020-01-02"], Dtype.TIMESTAMP, [utc(2020, 1, 2, 3, 4), utc(2020, 1, 2)]),
        (["2020-01-02T03:04:05.123456"], Dtype.TIMESTAMP, [utc(2020, 1, 2, 3, 4, 5, 123456)]),
        (["2020-01-02T03:04:05+09:00"], Dtype.TIMESTAMP, [utc(2020, 1, 1, 18, 4, 5)]),
        (["2020-01-02T03:04:05Z"], Dtype.TIMESTAMP, [utc(2020, 1, 2, 3, 4, 5)]),
        (["2020/01/02", "2020/1/3"], Dtype.TIMESTAMP, [utc(2020, 1, 2), utc(2020, 1, 3)]),
        (["2020.01.02"], Dtype.TIMESTAMP, [utc(2020, 1, 2)]),
        (["2020/2/30"], Dtype.STRING, ["2020/2/30"]),
        (["2020/12/31 3:04", "2020/1/2"], Dtype.TIMESTAMP, [utc(2020, 12, 31, 3, 4), utc(2020, 1, 2)]),
        (["12-31-2020", "1-2-2020"], Dtype.TIMESTAMP, [utc(2020, 12, 31), utc(2020, 1, 2)]),
        (["31-12-2020"], Dtype.TIMESTAMP, [utc(2020, 12, 31)]),
        (["2020/01/02 13:14:15"], Dtype.TIMESTAMP, [utc(2020, 1, 2, 13, 14, 15)]),
        (["12/31/2020", "01/02/2020"], Dtype.TIMESTAMP, [utc(2020, 12, 31), utc(2020, 1, 2)]),
        (["31/12/2020", "01/02/2020"], Dtype.TIMESTAMP, [utc(2020, 12, 31), utc(2020, 2, 1)]),
        (["31.12.2020"], Dtype.TIMESTAMP, [utc(2020, 12, 31)]),
        (["2020", "2021"], Dtype.INT64, [2020, 2021]),
        (["0000-01-01"], Dtype.TIMESTAMP, [None]),
        (["12:30", "13:40"], Dtype.STRING, ["12:30", "13:40"]),
    ],
)
def test_types_and_values(tmp_path: Path, texts: list[str], dtype: Dtype, values: list[Any]) -> None:
    assert column(tmp_path, *texts) == (dtype, values)


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        ([b"0,5", b"-12,25", b"3"], Dtype.FLOAT64, [0.5, -12.25, 3.0]),
        ([b"1,234", b"2,500", b""], Dtype.FLOAT64, [1.234, 2.5, None]),
        ([b"0.5", b"1e3", b"2"], Dtype.FLOAT64, [0.5, 1000.0, 2.0]),
        ([b"1", b"2", b"3"], Dtype.INT64, [1, 2, 3]),
        ([b"1.234,5", b"2", b"3"], Dtype.STRING, ["1.234,5", "2", "3"]),
        ([b"1,234,567", b"2", b"3"], Dtype.STRING, ["1,234,567", "2", "3"]),
    ],
)
def test_a_comma_is_the_decimal_one_between_semicolons(
    tmp_path: Path, cells: list[bytes], dtype: Dtype, values: list[Any]
) -> None:
    made, table = copy(tmp_path, b"v;w\n" + b"".join(cell + b";x\n" for cell in cells))
    assert (made.dtypes[0], table.column("v").to_pylist()) == (dtype, values)


def test_every_marker_is_missing(tmp_path: Path) -> None:
    assert column(tmp_path, *MISSING_MARKERS, "1") == (Dtype.INT64, [None] * len(MISSING_MARKERS) + [1])


def test_dates_that_could_be_either_way_round_are_told(tmp_path: Path) -> None:
    made, _ = copy(tmp_path, b"d,n\n01/02/2020,1\n03/04/2020,2\n")
    assert "'d'" in made.warnings[0]
    assert "month" in made.warnings[0]


def test_values_that_get_lost_are_told(tmp_path: Path) -> None:
    made, _ = copy(tmp_path, b"a,b\ninf,1\n2,3\n1e999,4\n")
    assert made.warnings == [
        "2 values of 'a' are no finite numbers or lie outside the years 1 to 9999; they count as missing."
    ]


@pytest.mark.parametrize(
    ("late", "dtype"), [("1.5", Dtype.FLOAT64), ("N/K", Dtype.STRING), ("NA", Dtype.INT64), ("3", Dtype.INT64)]
)
def test_a_late_odd_value_decides_the_type_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str, dtype: Dtype
) -> None:
    monkeypatch.setattr(read, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(read, "GROUP_ROWS", 1000)
    made, table = copy(tmp_path, b"x,y\n" + b"2,a\n" * 20_000 + f"{late},b\n".encode())
    assert (made.rows, made.dtypes[0]) == (20_001, dtype)
    last = {"1.5": 1.5, "N/K": "N/K", "NA": None, "3": 3}[late]
    assert table.column("x")[20_000].as_py() == last
    assert pq.ParquetFile(tmp_path / "copy.parquet").metadata.num_row_groups > 5


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            st.one_of(st.none(), st.booleans()),
            st.one_of(st.none(), st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))),
            st.text(
                st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")) | st.sampled_from(' ,"\n'),
                min_size=2,
            ).filter(lambda text: text.strip() == text and text not in MISSING_MARKERS),
        ),
        min_size=1,
        max_size=30,
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    delimiter=st.sampled_from([",", "\t", ";", "|"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]], encoding: str, delimiter: str, ending: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["i", "f", "b", "t", "s"])
    for i, f, b, t, s in rows:
        writer.writerow(
            [
                "" if i is None else i,
                "NA" if f is None else repr(f),
                "?" if b is None else str(b).lower(),
                "-" if t is None else t.isoformat(timespec="microseconds"),
                s,
            ]
        )
    folder = tmp_path_factory.mktemp("table")
    made, table = copy(folder, text.getvalue().encode(encoding))
    found = table.to_pydict()
    assert found["i"] == [row[0] for row in rows]
    for place, name in ((1, "f"), (2, "b")):
        assert found[name] == [row[place] for row in rows]
    assert found["t"] == [None if row[3] is None else row[3].replace(tzinfo=UTC) for row in rows]
    if made.dtypes[4] is Dtype.STRING:
        assert found["s"] == [row[4] for row in rows]


@given(st.lists(st.lists(st.text("01.-+eE/xTZ: naNtrue", max_size=12), max_size=6), min_size=1, max_size=5))
def test_what_a_scan_decided_converts_every_value(batches: list[list[str]]) -> None:
    from melonkube.tabular.types import clean

    scan = TypeScan()
    for batch in batches:
        scan.add(pa.array(batch, pa.string()))
    for batch in batches:
        cleaned = clean(pa.array(batch, pa.string()))
        assert len(scan.converter.convert(cleaned)) == len(batch)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"a,b\n", ErrorCode.HEADER_ONLY, "no rows"),
        (b"a,b", ErrorCode.HEADER_ONLY, "no rows"),
        (b"a,b\n\n\n", ErrorCode.HEADER_ONLY, "no rows"),
        (b"a,b\n1,2\n1,2,3\n4\n", ErrorCode.RAGGED_ROWS, "Line 3 has 3 cells where the header has 2"),
        (b"a,b\n1,2\n4\n", ErrorCode.RAGGED_ROWS, "Line 3 has 1 cell where the header has 2"),
        (b'a,b\n"x\ny\nz",2\n1,2,3\n', ErrorCode.RAGGED_ROWS, "Line 5 has 3 cells"),
        (b'\n\na,"b\nc"\n1,2\n1\n', ErrorCode.RAGGED_ROWS, "Line 6 has 1 cell"),
        (b'a,b\n1,2\n3,"open\n5,6\n7,8\n', ErrorCode.RAGGED_ROWS, "row at line 3 is never closed"),
        (b"a,a\n1,2\n", ErrorCode.DUPLICATE_COLUMN, "both named 'a'"),
        (b"a,a \n1,2\n", ErrorCode.DUPLICATE_COLUMN, "both named 'a'"),
        (b",b\n1,2\n", ErrorCode.EMPTY_COLUMN_NAME, "Column 1 of 2"),
        (b",,\n1,2,3\n", ErrorCode.EMPTY_COLUMN_NAME, "Column 1 of 3"),
        (b",".join(b"c%d" % n for n in range(101)) + b"\n1\n", ErrorCode.TOO_MANY_COLUMNS, "101 columns"),
    ],
)
def test_bad_tables(tmp_path: Path, data: bytes, code: ErrorCode, words: str) -> None:
    with pytest.raises(TableError, match=words) as caught:
        copy(tmp_path, data)
    assert caught.value.code is code


@pytest.mark.parametrize("encoding", ["cp949", "utf-16"])
def test_the_line_of_a_ragged_row_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = "이름,값\n" + "가,1\n" * 5000 + "나,2,3\n"
    with pytest.raises(TableError, match="Line 5002 has 3 cells"):
        copy(tmp_path, text.encode(encoding))


def test_other_encodings_come_through_whole(tmp_path: Path) -> None:
    values = ["똠방각하", "펲시콜라", "서울"] * 40_000
    text = "값,수\n" + "".join(f"{value},{n}\n" for n, value in enumerate(values))
    for encoding in ("cp949", "utf-16"):
        _, table = copy(tmp_path, text.encode(encoding))
        assert table.column("값").to_pylist() == values


def test_a_quotation_mark_within_a_cell_is_a_character(tmp_path: Path) -> None:
    _, table = copy(tmp_path, b'size,n\n5" pipe,1\nother,2\n')
    assert table.column("size").to_pylist() == ['5" pipe', "other"]


def test_a_long_row_is_read_and_an_endless_one_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "BLOCK_BYTES", 1024)
    monkeypatch.setattr(read, "LONG_ROW_BLOCK_BYTES", 64 * 1024)
    data = b"a,b\n" + b"1,x\n" * 2000 + b'2,"' + b"long " * 4000 + b'"\n3,y\n'
    _, table = copy(tmp_path, data)
    assert len(table.column("b")[2000].as_py()) == len("long " * 4000) - 1
    with pytest.raises(TableError, match="never closed") as caught:
        copy(tmp_path, data.replace(b"long ", b"long " * 20))
    assert caught.value.code is ErrorCode.RAGGED_ROWS


def parquet(folder: Path, table: pa.Table, **options: Any) -> tuple[Copy, pa.Table]:
    path = folder / "given.parquet"
    pq.write_table(table, path, **options)
    return copy(folder, path.read_bytes(), "t.parquet")


def test_parquet_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "u64": pa.array([1, 2], pa.uint64()),
            "big": pa.array([1, 2**64 - 1], pa.uint64()),
            "f32": pa.array([1.5, float("nan")], pa.float32()),
            "dec": pa.array(["1.25", None]).cast(pa.decimal128(5, 2)),
            "dict": pa.array(["a", "b"]).dictionary_encode(),
            "large": pa.array(["NA", None], pa.large_string()),
            "date": pa.array([date(2020, 1, 2), None]),
            "ms": pa.array([datetime(2020, 1, 2), None], pa.timestamp("ms")),
            "zoned": pa.array([datetime(2020, 1, 2, 9), None], pa.timestamp("s", tz="Asia/Seoul")),
            "ns": pa.array([1_577_923_200_000_000_001, None], pa.timestamp("ns")),
            "bool": pa.array([True, None]),
            "null": pa.nulls(2),
        }
    )
    made, found = parquet(tmp_path, table)
    assert made.layout.format == "parquet"
    assert dict(zip(made.names, made.dtypes, strict=True)) == {
        "i8": Dtype.INT64,
        "u64": Dtype.INT64,
        "big": Dtype.FLOAT64,
        "f32": Dtype.FLOAT64,
        "dec": Dtype.FLOAT64,
        "dict": Dtype.STRING,
        "large": Dtype.STRING,
        "date": Dtype.TIMESTAMP,
        "ms": Dtype.TIMESTAMP,
        "zoned": Dtype.TIMESTAMP,
        "ns": Dtype.TIMESTAMP,
        "bool": Dtype.BOOLEAN,
        "null": Dtype.STRING,
    }
    midnight = utc(2020, 1, 2)
    assert found.to_pydict() == {
        "i8": [1, None],
        "u64": [1, 2],
        "big": [1.0, 2.0**64],
        "f32": [1.5, None],
        "dec": [1.25, None],
        "dict": ["a", "b"],
        "large": ["NA", None],
        "date": [midnight, None],
        "ms": [midnight, None],
        "zoned": [utc(2020, 1, 2, 9), None],
        "ns": [midnight, None],
        "bool": [True, None],
        "null": [None, None],
    }


def test_parquet_times_beyond_the_calendar_are_missing(tmp_path: Path) -> None:
    table = pa.table(
        {
            "us": pa.array([0, 2**62], pa.timestamp("us")),
            "s": pa.array([0, 2**40], pa.timestamp("s")),
            "ms": pa.array([0, -(2**62)], pa.timestamp("ms")),
            "day": pa.array([0, 2**30], pa.date32()),
        }
    )
    made, found = parquet(tmp_path, table)
    assert found.to_pydict() == {name: [utc(1970, 1, 1), None] for name in ("us", "s", "ms", "day")}
    assert len(made.warnings) == 4


@pytest.mark.parametrize(
    ("table", "code", "word"),
    [
        (pa.table({"a": pa.array([], pa.int64())}), ErrorCode.HEADER_ONLY, "no rows"),
        (pa.table({"a": [[1], [2]], "b": [1, 2]}), ErrorCode.UNSUPPORTED_COLUMN_TYPE, "'a'"),
        (pa.table({"a": [{"x": 1}], "b": [b"bytes"]}), ErrorCode.UNSUPPORTED_COLUMN_TYPE, "'a'.*'b'"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), ErrorCode.DUPLICATE_COLUMN, "'a'"),
        (pa.table([pa.array([1])], names=[""]), ErrorCode.EMPTY_COLUMN_NAME, "Column 1"),
        (pa.table({f"c{n}": [n] for n in range(101)}), ErrorCode.TOO_MANY_COLUMNS, "101"),
    ],
)
def test_bad_parquet(tmp_path: Path, table: pa.Table, code: ErrorCode, word: str) -> None:
    with pytest.raises(TableError, match=word) as caught:
        parquet(tmp_path, table)
    assert caught.value.code is code


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"a": list(range(50_000)), "b": [str(n) for n in range(50_000)]}), path)
    whole = path.read_bytes()
    middle = bytearray(whole)
    middle[2000:4000] = b"\x00" * 2000
    for data in (whole[:-100], whole[:100], b"PAR1", bytes(middle)):
        with pytest.raises(TableError) as caught:
            copy(tmp_path, data, "t.parquet")
        assert caught.value.code is ErrorCode.UNDECODABLE


def test_columns_named_alike_with_dots_stay_apart(tmp_path: Path) -> None:
    _, found = parquet(tmp_path, pa.table({"a": [1, 2], "a.b": ["x", "y"]}))
    assert found.to_pydict() == {"a": [1, 2], "a.b": ["x", "y"]}
