"""What every command begins with: the client of the server it talks to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from melonkube.contracts.datasets import Dataset
    from melonkube.contracts.experiments import Experiment
    from melonkube.sdk.client import Client


@dataclass(frozen=True)
class Session:
    """Options that stand before the command. ``url`` is None when none was given."""

    url: str | None = None


def connect(context: typer.Context) -> "Client":
    """Return a client; use it as a context manager."""
    from melonkube.sdk.client import Client

    session = context.find_object(Session) or Session()
    return Client(session.url)


def is_id(text: str) -> bool:
    """Return whether ``text`` has the form of an id."""
    import re

    from melonkube.contracts.ids import UUID_PATTERN

    return re.fullmatch(UUID_PATTERN, text) is not None


def find_experiment(client: "Client", text: str) -> "Experiment":
    """Return the experiment with that id or name.

    Raises:
        CommandError: There is none.
    """
    if is_id(text):
        return client.experiments.get(text)
    found = client.experiments.find(text)
    if found is None:
        raise CommandError(f"There is no experiment {text!r}; `melon experiments` lists them.", ExitCode.NOT_FOUND)
    return found


def find_dataset(client: "Client", text: str) -> "Dataset":
    """Return the data set with that id, name (its newest version) or ``NAME:VERSION``.

    Raises:
        CommandError: There is none.
    """
    if is_id(text):
        return client.datasets.get(text)
    found = client.datasets.find(text)
    if found is None:
        name, _, version = text.rpartition(":")
        if name and version.isdecimal():
            found = client.datasets.find(name, int(version))
    if found is None:
        raise CommandError(f"There is no data set {text!r}; `melon datasets` lists them.", ExitCode.NOT_FOUND)
    return found
