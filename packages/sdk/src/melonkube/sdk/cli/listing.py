"""``status``, ``version`` and the lists."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from melonkube.sdk.cli import text
from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, console, print_items, print_json, print_table, say, tell
from melonkube.sdk.cli.session import connect, find_experiment

if TYPE_CHECKING:
    from melonkube.contracts.experiments import ExecutorInfo
    from melonkube.contracts.system import System
    from melonkube.sdk.client import Client


class TrialSort(StrEnum):
    """Orders of a list of trials."""

    NUMBER = "number"
    VALUE = "value"
    DURATION = "duration"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.command()(version)
    app.command()(datasets)
    app.command()(experiments)
    app.command()(trials)
    app.command()(models)
    app.command()(endpoints)


def print_version(wanted: bool) -> None:
    """Answer ``--version``."""
    if wanted:
        from melonkube.sdk._version import __version__

        tell(__version__)
        raise typer.Exit


def version(output: OutputOption = Format.TABLE) -> None:
    """Print the version of this command line."""
    from melonkube.sdk._version import __version__

    if output is Format.JSON:
        print_json({"version": __version__})
    else:
        tell(__version__)


def status(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """Say which server is used, whether its services answer, where workers run; exit code 1 when one does not."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        system = client.system.get()
        executor = _executor(client, system)
        if output is Format.JSON:
            said = None if executor is None else executor.model_dump(mode="json")
            print_json({"url": client.url, **system.model_dump(mode="json"), "executor": said})
        else:
            workers = "" if system.workers is None else f", {system.workers} workers"
            console().print(
                f"MelonKube {system.version} at {client.url}{workers}, up since {text.moment(system.started_at)}"
            )
            rows = [(one.name, "ready" if one.ready else "not ready", one.detail or "") for one in system.services]
            print_table(("service", "state", "detail"), rows, frozenset())
            if executor is not None:
                tell("")
                console().print(text.printable(show.executor(executor)))
                if executor.problem is not None:
                    console().print(text.printable(f"Not ready for workers: {executor.problem}"))
                if executor.nodes:
                    hidden = () if any(node.gpu for node in executor.nodes) else ("gpu left",)
                    fields = [field for field in show.NODES if field.heading not in hidden]
                    print_items(executor.nodes, fields, output, empty="")
    away = [one.name for one in system.services if not one.ready]
    if away:
        raise CommandError(f"not ready: {', '.join(away)}", ExitCode.FAILED)


def _executor(client: "Client", system: "System") -> "ExecutorInfo | None":
    """Return where workers run, None while the tuner does not say."""
    from melonkube.sdk._exceptions import MelonError

    if not any(one.name == "tuner" and one.ready for one in system.services):
        return None
    try:
        return client.system.executor()
    except MelonError as error:
        say(f"Where workers run is not known: {error}")
        return None


def datasets(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """List the data sets, newest first."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        print_items(
            client.datasets.list(),
            show.DATASETS,
            output,
            empty="There are no data sets; `melon upload FILE` makes one.",
        )


def experiments(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """List the experiments, newest first."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        print_items(
            client.experiments.list(),
            show.EXPERIMENTS,
            output,
            empty="There are no experiments; `melon tune FILE --target COLUMN` starts one.",
        )


def trials(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id or name.")],
    sort: Annotated[TrialSort, typer.Option("--sort", help="Order; value: the best first.")] = TrialSort.NUMBER,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the trials of an experiment."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        found = find_experiment(client, experiment)
        items = sorted(client.experiments.trials(found.id), key=lambda item: item.number)
        if sort is TrialSort.VALUE:
            sign = -1.0 if found.direction == "maximize" else 1.0
            items.sort(key=lambda item: (item.value is None, sign * (item.value or 0.0)))
        elif sort is TrialSort.DURATION:
            items.sort(key=lambda item: (item.duration_seconds is None, -(item.duration_seconds or 0.0)))
        print_items(items, show.TRIALS, output, empty="There are no trials yet.")


def models(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """List the models."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        print_items(
            client.models.list(),
            show.MODELS,
            output,
            empty="There are no models; `melon deploy EXPERIMENT --name NAME` makes one of a winner.",
        )


def endpoints(context: typer.Context, output: OutputOption = Format.TABLE) -> None:
    """List the endpoints."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        print_items(
            client.endpoints.list(),
            show.ENDPOINTS,
            output,
            empty="There are no endpoints; `melon deploy EXPERIMENT --name NAME` makes one.",
        )
