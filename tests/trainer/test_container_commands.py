"""The command of a trial in an image of the user's: every argument arrives as it was written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.trainer.container import render
from tests.trainer.conftest import MakePod
from tests.trainer.stand_in import StandIn
from tests.trainer.test_container import SHELLS

NASTY = [
    "it's",
    'a "word"',
    "$HOME `id` $(id) \\ \\n",
    "two\nlines\n",
    "",
    "-n",
    "*",
    "~",
    "#",
    "!",
    "한글 ☃",
    "\t\r",
    "{{params.x}}",
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_arguments_arrive_as_they_are(
    make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    write = "import json, sys; json.dump(sys.argv[2:], open(sys.argv[1], 'w')); print('auc=1')"
    arrived = tmp_path / "arrived"
    placed = [f"{{{{params.p{number}}}}}" for number in range(len(NASTY))]
    place = make_place(
        sys.executable, "-c", write, str(arrived), *NASTY[:-1], *placed, "--rate={{ params.rate }}", "{{params.deep}}"
    )
    params: dict[str, Any] = {f"p{number}": value for number, value in enumerate(NASTY)}
    place.add_trial(params=params | {"rate": 1e-05, "deep": False})
    assert make_pod(place, shell).start().end() == 0
    assert json.loads(arrived.read_text()) == [*NASTY[:-1], *NASTY, "--rate=1e-05", "false"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@given(
    words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=5)
)
def test_any_text_is_one_word(shell: tuple[str, ...], words: list[str]) -> None:
    line = "printf '%s\\0' " + " ".join(map(render.quoted, words))
    said = subprocess.run([*shell, "-c", line], capture_output=True, check=True, env=dict(os.environ)).stdout
    assert said.split(b"\0")[:-1] == [word.encode() for word in words]


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4),
    value=st.text(max_size=20),
)
def test_what_is_put_in_is_not_filled_in_again(words: list[str], value: str) -> None:
    command = ["".join(words).replace("{", "").replace("}", "") + "{{params.x}}", "{{params.y}}"]
    first, second = render.arguments(command, {"x": value, "y": "{{params.x}}"})
    assert first.endswith(value)
    assert second == "{{params.x}}"
