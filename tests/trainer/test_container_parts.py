"""The pure and small parts of a trial in a container: values in lines, lines in a file, files in a folder."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.models import FLAVORS
from melonkube.trainer.container import places as at
from melonkube.trainer.container.metrics import Board, Reader, Reading
from melonkube.trainer.container.outputs import flavor_of
from melonkube.trainer.container.places import open_below, read_small, tell
from melonkube.trainer.container.tail import LINE_BYTES, Tail

NAMES = ("auc", "logloss", "f1_macro")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("auc=0.93", [("auc", None, 0.93)]),
        ("epoch 3: auc = .5, logloss=-1e-3", [("auc", None, 0.5), ("logloss", None, -1e-3)]),
        ("step=3 auc=1", [("auc", 3, 1.0)]),
        ("auc=0.1\rauc=0.2\r", [("auc", None, 0.1), ("auc", None, 0.2)]),
        ("f1_macro=0.7;auc=+2.", [("f1_macro", None, 0.7), ("auc", None, 2.0)]),
        ("auc=nan", [("auc", None, math.nan)]),
        ("auc=-inf logloss=Infinity", [("auc", None, -math.inf), ("logloss", None, math.inf)]),
        ('{"step": 3, "auc": 0.91, "other": 1}', [("auc", 3, 0.91)]),
        ('  {"auc": 1, "logloss": 2}', [("auc", None, 1.0), ("logloss", None, 2.0)]),
        ('{"auc": NaN, "step": 2.0}', [("auc", 2, math.nan)]),
        ('{"auc": true, "logloss": "0.5", "step": -1}', []),
        ('{"auc": 1e999}', [("auc", None, math.inf)]),
        ('{"auc": 0.5', []),
        ("{auc=0.5}", [("auc", None, 0.5)]),
        ("val_auc=0.1 my.auc=0.2 auc-x=0.3 auc|y=1 AUC=0.4", []),
        ("auc=", []),
        ("auc=none", []),
        ("auc:0.5", []),
        ("accuracy=0.5", []),
        ("", []),
    ],
)
def test_values_in_a_line(line: str, found: list[tuple[str, int | None, float]]) -> None:
    told = [(each.name, each.step, each.value) for each in Reader(NAMES, json_only=False).read(line)]
    assert repr(told) == repr(found)


def test_in_a_file_of_values_text_is_passed_over() -> None:
    reader = Reader(NAMES, json_only=True)
    assert reader.read("auc=0.5") == []
    assert reader.read('{"auc": 0.5}') == [Reading("auc", None, 0.5)]


@pytest.mark.parametrize(
    "line", ["a" * LINE_BYTES, "auc " * (LINE_BYTES // 4), "auc=" + " " * LINE_BYTES, "[" * LINE_BYTES]
)
def test_a_long_line_is_only_long(line: str) -> None:
    assert Reader(NAMES, json_only=False).read(line) == []
    assert Reader(NAMES, json_only=True).read("{" + line + "}") == []


@given(st.text())
def test_any_line_can_be_read(line: str) -> None:
    for each in Reader(NAMES, json_only=False).read(line):
        assert each.name in NAMES


def test_steps_are_counted_where_none_is_given() -> None:
    board = Board()
    steps = []
    for step in (None, None, 10, None, 3, None):
        series = board.take(Reading("auc", step, 0.5))
        assert series is not None
        steps.append(series.step)
    assert steps == [1, 2, 10, 11, 3, 4]


def test_of_very_many_values_fewer_and_fewer_are_passed_on() -> None:
    board = Board()
    passed = sum(board.take(Reading("auc", None, float(number))) is not None for number in range(100_000))
    assert 2_500 < passed < 3_000
    assert board.series["auc"].value == 99_999.0
    assert board.take(Reading("logloss", None, math.nan)) is None
    assert set(board.last()) == {"auc"}


@given(
    lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    cuts=st.lists(st.integers(1, 30), max_size=40),
    ended=st.booleans(),
)
def test_lines_come_whole_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int], ended: bool
) -> None:
    folder = tmp_path_factory.mktemp("tail")
    content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    tail = Tail(folder, "said")
    read: list[str] = []
    with (folder / "said").open("ab", buffering=0) as file:
        rest = content
        for cut in cuts:
            file.write(rest[:cut])
            rest = rest[cut:]
            read += tail.lines(3)
        file.write(rest)
    read += tail.rest()
    tail.close()
    expected = content.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert read == [line.decode("utf-8", "replace") for line in expected]


def test_of_a_very_long_line_the_beginning_is_read(tmp_path: Path) -> None:
    (tmp_path / "said").write_bytes(b"x" * 1_000_000 + b"\nshort\n" + b"y" * 500_000)
    tail = Tail(tmp_path, "said")
    assert list(tail.rest()) == ["x" * LINE_BYTES, "short", "y" * LINE_BYTES]
    tail.close()


def test_nothing_is_opened_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real" / "file").write_text("plain")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    assert read_small(root, "real", "file") == "plain"
    for parts in (("link",), ("folder", "secret"), ("real", "none"), ("pipe",), ("real",)):
        assert read_small(root, *parts) is None
    with pytest.raises(OSError, match=r"symbolic|directory"):
        open_below(root, "folder", "secret")
    assert list(Tail(root, "pipe").rest()) == []


def test_a_word_is_told_to_who_listens(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / at.CONTROL)
    assert not tell(tmp_path, at.CONTROL, word="TERM")
    assert not tell(tmp_path, "none", word="TERM")
    listener = os.open(tmp_path / at.CONTROL, os.O_RDONLY | os.O_NONBLOCK)
    assert tell(tmp_path, at.CONTROL, word="TERM")
    assert os.read(listener, 100) == b"TERM\n"
    while tell(tmp_path, at.CONTROL, word="x" * 1000):
        pass
    os.close(listener)


def test_a_folder_is_a_model_if_it_has_all_its_files() -> None:
    [(flavor, names)] = FLAVORS.items()
    assert flavor_of(dict.fromkeys([*names, "more.txt"])) == flavor
    assert flavor_of(dict.fromkeys(sorted(names)[1:])) is None
