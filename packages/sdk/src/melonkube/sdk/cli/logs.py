"""``logs``: what a trial wrote."""

from typing import TYPE_CHECKING, Annotated

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, print_json, print_json_line, tell
from melonkube.sdk.cli.progress import waiting
from melonkube.sdk.cli.session import connect, find_experiment
from melonkube.sdk.cli.text import printable

if TYPE_CHECKING:
    from melonkube.contracts.runs import LogEntry
    from melonkube.sdk.client import Client


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logs)


def logs(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id or name.")],
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the trial.", min=1)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the trial has ended.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print the log of a trial; with --follow, JSON is one object a line."""
    with connect(context) as client:
        found = find_experiment(client, experiment)
        run_id = _run_of(client, found.id, number, wait=follow)
        if follow:
            for entry in client.runs.follow_logs(run_id):
                if output is Format.JSON:
                    print_json_line(entry)
                else:
                    _print(entry)
        elif output is Format.JSON:
            print_json({"items": [entry.model_dump(mode="json") for entry in client.runs.logs(run_id)]})
        else:
            for entry in client.runs.logs(run_id):
                _print(entry)


def _print(entry: "LogEntry") -> None:
    level = "" if entry.level == "info" else f"{entry.level}: "
    tell(f"{entry.at.astimezone():%H:%M:%S} {level}{printable(entry.message)}")


def _run_of(client: "Client", experiment_id: str, number: int, *, wait: bool) -> str:
    """Return the run of a trial's current or winning attempt; a worker makes it shortly after it took the trial."""
    import time

    from melonkube.sdk._exceptions import NotFound

    with waiting(f"Waiting for trial {number}"):
        while True:
            trial = client.experiments.trial(experiment_id, number)
            if trial.run_id is not None:
                try:
                    return client.runs.get(trial.run_id).id
                except NotFound:
                    pass
            if trial.state.final or not wait:
                raise CommandError(f"Trial {number} is {trial.state} and has no log yet.", ExitCode.NOT_FOUND)
            time.sleep(1.0)
