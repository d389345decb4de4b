"""Cursors of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.kit.errors import InvalidRequest
from melonkube.kit.paging import decode_cursor, encode_cursor


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.integers(-(2**63) + 1, 2**63 - 1)
)
def test_a_cursor_comes_back_as_it_was(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor(text, number), str, int) == (text, number)


def test_no_cursor_is_the_first_page() -> None:
    assert decode_cursor(None, str) is None


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "bnVsbA", encode_cursor(1), encode_cursor("a", "b"), encode_cursor("a\x00"), "é"]
)
def test_a_foreign_cursor_is_the_callers_fault(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(cursor, str)


def test_a_number_no_database_holds_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(encode_cursor(2**63), int)
