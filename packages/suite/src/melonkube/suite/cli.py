"""``melon up`` and ``melon demo``."""

import socket
from pathlib import Path
from typing import Annotated

import typer

from melonkube.sdk.cli.errors import CommandError, ExitCode

_DATA = typer.Option("--data", help="Data directory. [default: MELON_HOME, else ~/.local/share/melonkube]")
_WORKERS = typer.Option("--workers", min=0, help="Trials at once. [default: the number of cores]")


def register(app: typer.Typer) -> None:
    """Add the commands of this package."""
    app.command("up")(up)
    app.command("demo")(demo)


def up(
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="Public port. [default: 8080 or the next free one]")
    ] = None,
    data: Annotated[Path | None, _DATA] = None,
    workers: Annotated[int | None, _WORKERS] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on. Beyond loopback MELON_GATEWAY__OWNER_KEY and MELON_GATEWAY__HOSTS are needed.",
        ),
    ] = "127.0.0.1",
    executor: Annotated[
        str,
        typer.Option(
            "--executor", envvar="MELON_EXECUTOR", help="Where trials run: local (this machine) or kubernetes."
        ),
    ] = "local",
    advertise_address: Annotated[
        str | None,
        typer.Option(
            "--advertise-address",
            metavar="HOST[:PORT]",
            envvar="MELON_ADVERTISE_ADDRESS",
            help="Kubernetes: address of this machine by which pods reach it.",
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            envvar="MELON_KUBERNETES__NAMESPACE",
            help="Kubernetes: where workers run. [default: the kubeconfig's]",
        ),
    ] = None,
    worker_image: Annotated[
        str | None,
        typer.Option("--worker-image", envvar="MELON_KUBERNETES__IMAGE", help="Kubernetes: the workers' image."),
    ] = None,
    ready_fd: Annotated[int | None, typer.Option("--ready-fd", hidden=True)] = None,
    parent_pid: Annotated[int | None, typer.Option("--parent-pid", hidden=True)] = None,
) -> None:
    """Run MelonKube on this machine until Ctrl-C.

    Exit codes: 0 stopped as asked; 1 a service cannot start; 2 a wrong option or setting; 4 the port or the data
    directory is taken; 130 stopped at once by a second Ctrl-C.
    """
    from melonkube.sdk.discovery import data_dir
    from melonkube.suite.supervisor import Options, run_suite

    run_suite(
        Options(
            data_dir=data or data_dir(),
            port=port,
            host=_resolve(host),
            workers=workers,
            executor=executor,
            advertise_address=advertise_address,
            namespace=namespace,
            worker_image=worker_image,
            ready_fd=ready_fd,
            parent_pid=parent_pid,
        )
    )


def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the data in this folder. [default: a temporary one]")
    ] = None,
    workers: Annotated[int | None, _WORKERS] = None,
) -> None:
    """Tune, deploy and predict on a real data set, then stop. Takes about three minutes on two cores."""
    from melonkube.sdk.cli.output import console
    from melonkube.suite.demo import run_demo

    run_demo(data, workers, console())


def _resolve(host: str) -> str:
    """Return the IP address behind ``host``.

    Raises:
        CommandError: There is none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CommandError(f"--host {host} is not an address of this machine: {error}.", ExitCode.USAGE) from error
    # Of several, IPv4 first: what `localhost` is to the programs people use.
    addresses = sorted((entry[0] != socket.AF_INET, str(entry[4][0])) for entry in found)
    return addresses[0][1]
