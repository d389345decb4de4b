"""The parts without I/O: backoff, events, bodies, addresses."""

import json
import os
import random
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import melonkube.sdk as sdk
from melonkube.contracts.errors import Problem
from melonkube.contracts.experiments import ExperimentCreate
from melonkube.sdk import InvalidInput, RetryPolicy
from melonkube.sdk import _exceptions as exceptions
from melonkube.sdk._bodies import build, encode, encode_instances
from melonkube.sdk._retry import parse_retry_after
from melonkube.sdk._sse import Message, SseParser, split_lines
from melonkube.sdk._transport import quote_name, quote_path
from melonkube.sdk.discovery import DEFAULT_URL, data_dir, find_url, running_suite


def test_what_is_exported() -> None:
    assert sorted(sdk.__all__) == sdk.__all__
    for name in sdk.__all__:
        assert getattr(sdk, name) is not None
    assert set(sdk.__all__) <= set(dir(sdk))
    every = {
        name
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, exceptions.MelonError)
    }
    assert every <= set(sdk.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        sdk.Nothing  # noqa: B018


def test_the_tree_of_exceptions_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        match = re.match(r"^    ([│ ]*(?:[├└]── )?)([A-Z]\w+)(?:  |$)", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
    real = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, exceptions.MelonError)
    }
    assert drawn == real


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvalidRequest"), (401, "Unauthenticated"), (403, "Forbidden"), (404, "NotFound"), (409, "Conflict"),
        (410, "Gone"), (413, "BodyTooLarge"), (415, "UnsupportedMediaType"), (418, "ApiError"),
        (422, "InvalidRequest"), (429, "TooManyRequests"), (500, "ServerError"), (502, "Unavailable"),
        (503, "Unavailable"), (504, "Unavailable"), (507, "ServerError"),
    ],
)  # fmt: skip
def test_a_status_has_its_exception(status: int, kind: str) -> None:
    problem = Problem(title="t", status=status, code="c", detail="d", request_id="r")
    error = exceptions.api_error(problem)
    assert type(error).__name__ == kind
    assert (error.status, error.code, error.detail, error.request_id, str(error)) == (status, "c", "d", "r", "d")
    assert error.errors == ()


@given(attempt=st.integers(1, 10_000), after=st.none() | st.floats(0, 1e6), seed=st.integers())
def test_a_wait_is_bounded_and_heeds_the_server(attempt: int, after: float | None, seed: int) -> None:
    policy = RetryPolicy(first_seconds=0.5, longest_seconds=4)
    wait = policy.delay(attempt, after, random.Random(seed))
    assert 0 <= wait <= 4
    assert wait >= min(after or 0, 4)
    if after is None:
        assert wait <= 0.5 * 2 ** min(attempt - 1, 100)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("2", 2.0), ("0", 0.0), ("-1", None), ("inf", None), ("nan", None), ("Mon, 01 Jan", None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header) == seconds


def messages(chunks: list[bytes]) -> list[Message]:
    parser = SseParser()
    return [found for line in split_lines(chunks) if (found := parser.feed(line)) is not None]


def test_events_as_the_standard_says() -> None:
    stream = (
        b": a comment\nid: 1\nevent: trial\ndata: first\ndata:second\n\n"
        b"data\n\nevent: lost\n\nid: 2\nretry: 1500\nretry: soon\nunknown: x\ndata:  two spaces\n\n"
        b"id: 3\ndata: unfinished"
    )
    assert messages([stream]) == [
        Message("trial", "first\nsecond", "1", None),
        Message("message", "", "1", None),
        Message("message", " two spaces", "2", 1.5),
    ]


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=20),
)
def test_events_come_out_whole_however_they_are_cut(texts: list[str], end: str, sizes: list[int]) -> None:
    stream = "".join(f"data: {text}{end}{end}" for text in texts).encode()
    chunks, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        chunks.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert [message.data for message in messages(chunks)] == texts


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_is_one_segment_of_a_path(name: str) -> None:
    from urllib.parse import unquote

    quoted = quote_name(name)
    assert "/" not in quoted
    assert "?" not in quoted
    assert quoted.strip(".")
    assert unquote(quoted) == name


def test_a_path_keeps_its_parts() -> None:
    assert quote_path("model/a b.txt") == "model/a%20b.txt"
    with pytest.raises(InvalidInput):
        quote_name("")


def test_instances_take_what_a_data_frame_gives() -> None:
    class Scalar:
        """As numpy's: not a number of Python's, but has one."""

        def __init__(self, value: object) -> None:
            self.value = value

        def item(self) -> object:
            return self.value

    class NotATime(datetime):
        """As pandas': a datetime that does not equal itself."""

        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = datetime.__hash__

    class NAType:
        """As pandas', by its name."""

    row = {
        "a": 1,
        "b": float("nan"),
        "c": Scalar(2),
        "d": Scalar(float("nan")),
        "e": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "f": date(2026, 1, 2),
        "g": NotATime(2026, 1, 1),
        "h": NAType(),
        "i": True,
        "j": None,
        "k": "서울",
    }
    assert json.loads(encode_instances([row])) == {
        "instances": [
            {
                "a": 1, "b": None, "c": 2, "d": None, "e": "2026-01-02T03:04:00+00:00", "f": "2026-01-02", "g": None,
                "h": None, "i": True, "j": None, "k": "서울",
            }
        ]
    }  # fmt: skip


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), object(), [1], {"a": 1}, b"x"])
def test_a_cell_without_a_json_form_is_named(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="Row 1, column 'size'") as caught:
        encode_instances([{"size": 1}, {"size": bad}])
    assert caught.value.errors[0].pointer == "/instances/1/size"


def test_a_body_holds_what_was_given_and_no_more() -> None:
    request = build(
        ExperimentCreate, {"dataset_id": "0" * 8 + "-0000-7000-8000-000000000000", "target": "y", "seed": None}
    )
    assert json.loads(encode(request)) == {"dataset_id": request.dataset_id, "target": "y"}


def test_a_body_that_cannot_be_right_is_not_built() -> None:
    with pytest.raises(InvalidInput) as caught:
        build(ExperimentCreate, {"dataset_id": "x", "target": "y", "budget": {"max_trials": 0}, "sped": 1})
    assert {item.pointer for item in caught.value.errors} == {"/dataset_id", "/budget/max_trials", "/sped"}
    assert "budget/max_trials" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_where_the_server_is_looked_for(tmp_path: Path) -> None:
    home = tmp_path / "melon"
    environ = {"MELON_HOME": str(home)}
    assert find_url(None, environ) == DEFAULT_URL
    home.mkdir()
    state = home / "suite.json"
    state.write_text(json.dumps({"pid": os.getpid(), "url": "http://127.0.0.1:9", "started_at": "x"}))
    assert find_url(None, environ) == "http://127.0.0.1:9"
    assert find_url(None, {**environ, "MELON_URL": "http://env:1/"}) == "http://env:1"
    assert find_url("https://given/base/", {**environ, "MELON_URL": "http://env:1"}) == "https://given/base"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x", "url": "u"}', '{"pid": 0, "url": "u"}', "\udcff"])
def test_a_state_file_that_makes_no_sense_is_no_suite(tmp_path: Path, content: str) -> None:
    (tmp_path / "suite.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert running_suite(tmp_path) is None


def test_a_suite_that_is_gone_is_no_suite(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / "suite.json").write_text(json.dumps({"pid": child, "url": "http://127.0.0.1:9"}))
    assert running_suite(tmp_path) is None


def test_the_data_directory() -> None:
    assert data_dir({"MELON_HOME": "/x"}) == Path("/x")
    assert data_dir({"XDG_DATA_HOME": "/share", "HOME": "/h"}) == Path("/share/melonkube")
    assert data_dir({"XDG_DATA_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/share/melonkube")


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "://x", "nonsense"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="not an address"):
        find_url(url, {})
