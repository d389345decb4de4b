"""The pages on the command line and the client: every example is run, against the real suite."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import melonkube.sdk as sdk
from melonkube.sdk import Client
from melonkube.sdk._base import Resource
from melonkube.sdk.cli.app import create_app
from melonkube.sdk.cli.errors import ExitCode
from melonkube.suite.embedded import Suite

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
SDK = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_every_command_has_its_part() -> None:
    headings = " ".join(re.findall(r"^### (.*)$", CLI, re.MULTILINE))
    described = set(re.findall(r"(?<!--)\b[a-z]+\b", headings.replace("melon", "")))
    commands = {
        command.name or getattr(command.callback, "__name__", "") for command in create_app().registered_commands
    }
    assert described == commands


def test_every_exit_code_is_explained() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)] == [code.value for code in ExitCode]


def test_every_call_is_listed() -> None:
    listed = {
        group: set(re.findall(r"`(\w+)`", calls))
        for group, calls in re.findall(r"^\| `(\w+)` \| (.*) \|$", SDK, re.MULTILINE)
    }
    with Client("http://127.0.0.1:1") as client:
        groups = {name: group for name, group in vars(client).items() if isinstance(group, Resource)}
        assert listed == {
            name: {call for call in dir(group) if not call.startswith("_")} for name, group in groups.items()
        }


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with Suite(tmp_path_factory.mktemp("suite"), workers=2) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the file the examples speak of, cut short."""
    lines = (ROOT / "examples" / "data" / "flights.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "flights.csv").write_text("".join(lines[:2001]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.e2e
@pytest.mark.xdist_group("sdk-docs")
@pytest.mark.timeout(600)
def test_the_examples_of_the_command_line(suite: Suite, folder: Path) -> None:
    for name, content in re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", CLI, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(content, encoding="utf-8")
    # `melon up` does not return; the suite of this test stands for it.
    script = "".join(block for block in blocks(CLI, "sh")).replace("melon up ", ": melon up ")
    environment = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}", "MELON_URL": suite.url}
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    predictions = (folder / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert predictions[0] == "prediction,probability_no,probability_yes"
    assert len(predictions) == 2001
    assert "nobody used it" not in done.stdout


@pytest.mark.e2e
@pytest.mark.xdist_group("sdk-docs")
@pytest.mark.timeout(600)
def test_the_examples_of_the_client(
    suite: Suite, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MELON_HOME", str(suite.data_dir))  # found by its state file, as on one's own machine
    monkeypatch.delenv("MELON_URL", raising=False)
    with Client() as client:
        assert client.url == suite.url
    space: dict[str, object] = {}
    for number, block in enumerate(blocks(SDK, "python"), start=1):
        exec(compile(block, f"docs/sdk.md, example {number}", "exec"), space)
    melon = space["melon"]
    assert isinstance(melon, sdk.Client)
    melon.close()
    said = capsys.readouterr().out
    assert "name_taken" in said
    assert "/instances/0/seats wrong_type" in said
    assert "/instances/0/humidity wrong_type" in said
