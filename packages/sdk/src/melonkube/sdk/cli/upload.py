"""``upload``: a file becomes a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.output import Format, OutputOption, print_item
from melonkube.sdk.cli.session import connect

if TYPE_CHECKING:
    from melonkube.contracts.datasets import Dataset
    from melonkube.sdk.client import Client


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(upload)


def upload(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV or Parquet.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the data set. [default: the file's]")] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Upload a table as a data set; the same bytes under the same name are stored once."""
    from melonkube.sdk.cli import show

    with connect(context) as client:
        dataset = send(client, file, name)
    print_item(dataset, show.dataset(dataset), output)


def send(client: "Client", file: Path, name: str | None = None) -> "Dataset":
    """Upload a file, with a bar on a terminal.

    Raises:
        CommandError: There is no such file.
    """
    from melonkube.sdk.cli.progress import uploading

    check_file(file)
    with uploading(f"Uploading {file.name}") as progress:
        return client.datasets.upload(file, name, progress=progress)


def check_file(file: Path) -> None:
    """Check that a file can be read.

    Raises:
        CommandError: It cannot, and why.
    """
    if file.is_dir():
        raise CommandError(f"{file} is a folder; name a file.", ExitCode.USAGE)
    if not file.exists():
        raise CommandError(f"There is no file {file}.", ExitCode.USAGE)
