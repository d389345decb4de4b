"""``stop``, ``pause``, ``resume``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from melonkube.sdk.cli.output import Format, OutputOption, print_item
from melonkube.sdk.cli.session import connect, find_experiment

if TYPE_CHECKING:
    from melonkube.contracts.experiments import Experiment
    from melonkube.sdk.client import Client

ExperimentArgument = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id or name.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(stop)
    app.command()(pause)
    app.command()(resume)


def stop(context: typer.Context, experiment: ExperimentArgument, output: OutputOption = Format.TABLE) -> None:
    """End an experiment now; what it has found stays."""
    _steer(context, experiment, output, lambda client, found: client.experiments.stop(found.id))


def pause(context: typer.Context, experiment: ExperimentArgument, output: OutputOption = Format.TABLE) -> None:
    """Start no further trials of an experiment; running ones finish."""
    _steer(context, experiment, output, lambda client, found: client.experiments.pause(found.id))


def resume(context: typer.Context, experiment: ExperimentArgument, output: OutputOption = Format.TABLE) -> None:
    """Go on with a paused experiment."""
    _steer(context, experiment, output, lambda client, found: client.experiments.resume(found.id))


def _steer(
    context: typer.Context, text: str, output: Format, act: "Callable[[Client, Experiment], Experiment]"
) -> None:
    from melonkube.sdk.cli import show

    with connect(context) as client:
        experiment = act(client, find_experiment(client, text))
    print_item(experiment, show.experiment(experiment), output)
