"""``deploy``: an experiment's winner, or a model, answers at an endpoint."""

from typing import Annotated

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, print_item, say
from melonkube.sdk.cli.session import connect, find_experiment


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(deploy)


def deploy(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Name of the endpoint: lower-case letters, digits, hyphens.")],
    experiment: Annotated[
        str | None, typer.Argument(metavar="[EXPERIMENT]", help="Id or name; its winner is deployed.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Deploy a version of this model instead.")] = None,
    version: Annotated[int | None, typer.Option("--version", help="With --model: pin this version.", min=1)] = None,
    alias: Annotated[str | None, typer.Option("--alias", help="With --model: follow this alias.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it answers, or at once.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.", min=0)] = 120.0,
    output: OutputOption = Format.TABLE,
) -> None:
    """Deploy the winner of an experiment, or a model (--model with --version or --alias), at an endpoint."""
    _check(experiment, model, version, alias)
    from melonkube.sdk.cli import show
    from melonkube.sdk.cli.progress import waiting

    with connect(context) as client:
        experiment_id = None if experiment is None else find_experiment(client, experiment).id
        endpoint = client.endpoints.put(name, experiment_id=experiment_id, model=model, version=version, alias=alias)
        if wait:
            with waiting(f"Loading {endpoint.target.model}"):
                endpoint = client.endpoints.wait_ready(name, timeout)
        url = client.url
    print_item(endpoint, show.endpoint(endpoint), output)
    if output is Format.TABLE:
        say(f"Predict with `melon predict {name} --data FILE`, or POST to {url}/api/v1/endpoints/{name}/predict")


def _check(experiment: str | None, model: str | None, version: int | None, alias: str | None) -> None:
    if (experiment is None) == (model is None):
        raise CommandError("Give either an EXPERIMENT or --model.", ExitCode.USAGE)
    if model is not None and (version is None) == (alias is None):
        raise CommandError("Give --model with either --version or --alias.", ExitCode.USAGE)
    if experiment is not None and (version is not None or alias is not None):
        raise CommandError("--version and --alias go with --model, not with an experiment.", ExitCode.USAGE)
