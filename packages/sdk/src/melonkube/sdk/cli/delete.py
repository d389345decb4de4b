"""``delete``: one thing, after a question."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, print_json, say
from melonkube.sdk.cli.session import connect, find_dataset, find_experiment
from melonkube.sdk.cli.text import printable

if TYPE_CHECKING:
    from melonkube.sdk.client import Client


class Kind(StrEnum):
    """What can be deleted."""

    DATASET = "dataset"
    EXPERIMENT = "experiment"
    RUN = "run"
    MODEL = "model"
    VERSION = "version"
    ALIAS = "alias"
    ENDPOINT = "endpoint"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(delete)


def delete(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.")],
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Id or name; NAME:VERSION for a data set or version, MODEL:ALIAS for an alias."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete a data set, an experiment, a run, a model, one version or alias of a model, or an endpoint."""
    with connect(context) as client:
        title, act = _find(client, kind, id)
        if not yes:
            _ask(title)
        act()
    if output is Format.JSON:
        print_json({"deleted": {"kind": kind.value, "id": id}})
    else:
        say(f"Deleted {title}.")


def _ask(title: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"To delete {title} without being asked, add --yes.", ExitCode.USAGE)
    print(f"Delete {printable(title)}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was deleted.", ExitCode.FAILED)


def _find(client: "Client", kind: Kind, text: str) -> tuple[str, Callable[[], None]]:
    """Return what shall be deleted in words, and the call that does it; looks that it is there."""
    if kind is Kind.DATASET:
        dataset = find_dataset(client, text)
        return f"data set {dataset.name}:{dataset.version}", lambda: client.datasets.delete(dataset.id)
    if kind is Kind.EXPERIMENT:
        experiment = find_experiment(client, text)
        title = f"experiment {experiment.name!r} with its trials"
        return title, lambda: client.experiments.delete(experiment.id)
    if kind is Kind.RUN:
        run = client.runs.get(text)
        return f"run {run.name or run.id}", lambda: client.runs.delete(run.id)
    if kind is Kind.MODEL:
        model = client.models.get(text)
        return f"model {model.name!r} with {model.versions} versions", lambda: client.models.delete(model.name)
    if kind is Kind.ENDPOINT:
        endpoint = client.endpoints.get(text)
        return f"endpoint {endpoint.name!r}", lambda: client.endpoints.delete(endpoint.name)
    name, _, part = text.rpartition(":")
    if not name or not part or (kind is Kind.VERSION and not part.isdecimal()):
        raise CommandError(f"Write the {kind} as MODEL:{kind.upper()}.", ExitCode.USAGE)
    if kind is Kind.VERSION:
        version = client.models.version(name, int(part))
        return f"version {part} of model {name!r}", lambda: client.models.delete_version(name, version.version)
    alias = client.models.alias(name, part)
    return f"alias {part!r} of model {name!r}", lambda: client.models.delete_alias(name, alias.alias)
