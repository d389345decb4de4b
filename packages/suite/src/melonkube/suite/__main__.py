"""``python -m melonkube.suite up``: the commands of this package alone, without the rest of ``melon``."""

import sys

import typer

from melonkube.sdk.cli.errors import CommandError, warn
from melonkube.suite.cli import register


def main() -> None:
    """Run one command."""
    app = typer.Typer(name="melon", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    register(app)
    try:
        app()
    except CommandError as error:
        warn(str(error))
        sys.exit(error.code)


if __name__ == "__main__":
    main()
