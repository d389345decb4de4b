"""Puts the commands together, runs one, and turns what it raises into an exit code."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Annotated, NoReturn

import typer

from melonkube.sdk.cli import delete, deploy, listing, logs, predict, steer, tune, upload
from melonkube.sdk.cli.errors import ExitCode, describe, warn
from melonkube.sdk.cli.session import Session

PLUGINS = "melonkube.commands"
"""Entry points of this group are functions ``register(app: typer.Typer) -> None`` that add commands."""


def create_app(*, plugins: bool = True) -> typer.Typer:
    """Return the command line.

    Args:
        plugins: Whether to add the commands of other packages.
    """
    app = typer.Typer(
        name="melon",
        help="MelonKube: upload a table, tune, deploy, predict.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
    )
    app.callback()(_root)
    for module in (upload, tune, listing, steer, logs, deploy, predict, delete):
        module.register(app)
    if plugins:
        for point in entry_points(group=PLUGINS):
            try:
                point.load()(app)
            except Exception as error:
                warn(f"the commands of {point.name!r} cannot be loaded: {error}")
    return app


def _root(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Address of the server. [default: MELON_URL, else the suite on this machine]"),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=listing.print_version),
    ] = False,
) -> None:
    context.obj = Session(url)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character shows a substitute; a name must not end the command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough (`melon trials x | head`); keep the interpreter from saying so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return code


def _invoke(arguments: Sequence[str] | None) -> int:
    command = typer.main.get_command(create_app())
    try:
        command(None if arguments is None else list(arguments), prog_name="melon")
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        code, lines = describe(error)
        for line in lines:
            warn(line)
        return code
    return ExitCode.OK


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run())
