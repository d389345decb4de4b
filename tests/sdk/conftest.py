"""A stand-in server, a client of it whose waits take no time, and the command line."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from melonkube.sdk import Client
from melonkube.sdk.cli.app import run
from tests.sdk.routes import result, trial
from tests.sdk.routes_models import load
from tests.sdk.standin import Standin


class VirtualClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


Melon = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address, key or running suite but the test's own."""
    for name in [*os.environ]:
        if name.startswith("MELON_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MELON_HOME", str(tmp_path / "home"))


@pytest.fixture
def server() -> Iterator[Standin]:
    standin = Standin()
    yield standin
    standin.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def client(server: Standin, clock: VirtualClock) -> Iterator[Client]:
    with Client(server.url, clock=clock) as made:
        yield made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small CSV that still holds the target."""
    path = tmp_path / "고객.csv"
    path.write_text(
        "id,나이,size,city,member,day,y\n"
        "a,41,0.5,서울,true,2026-01-02,yes\n"
        "b,,1e3,부산,false,,no\n"
        "c,7,NA,Jeju,TRUE,2026-03-04,yes\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def melon(server: Standin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Melon:
    """Runs a command in this process against the stand-in."""
    monkeypatch.setenv("MELON_URL", server.url)
    monkeypatch.setattr("time.sleep", lambda _: None)

    def call(*arguments: Any) -> Outcome:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return call


def answer(outcome: Any) -> Any:
    """Return the JSON on standard output of a command that succeeded."""
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


@pytest.fixture
def dataset_id(client: Client, table: Path) -> str:
    return client.datasets.upload(table).id


@pytest.fixture
def endpoint(server: Standin, client: Client) -> str:
    """An endpoint that answers."""
    client.endpoints.put("churn", model="m", version=1)
    load(server.endpoints["churn"])
    return "churn"


@pytest.fixture
def dataset(melon: Melon, table: Path) -> dict[str, Any]:
    made: dict[str, Any] = answer(melon("upload", table, "--output", "json"))
    return made


@pytest.fixture
def experiment(server: Standin, melon: Melon, dataset: dict[str, Any]) -> dict[str, Any]:
    arguments = ("--target", "y", "--name", "첫 실험", "--no-watch", "-o", "json")
    made: dict[str, Any] = answer(melon("tune", dataset["name"], *arguments))
    server.trials[made["id"]] = [
        trial(made["id"], 1, 0.7), trial(made["id"], 2, None, "running"), trial(made["id"], 3, 0.9),
    ]  # fmt: skip
    server.experiments[made["id"]]["best"] = result(3, 0.9, 0.88)
    return made
