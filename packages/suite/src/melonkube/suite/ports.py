"""The listening sockets, which belong to the supervisor (docs/adr/0004)."""

import errno
import ipaddress
import socket

from melonkube.sdk.cli.errors import CommandError, ExitCode

DEFAULT_PORT = 8080
_BACKLOG = 2048
_TRIED = 100


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: It cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def listen_for_people(host: str, port: int | None) -> socket.socket:
    """Return the public socket.

    Args:
        host: Address to bind.
        port: The port that was asked for; None takes 8080 or the next free one, 0 any.

    Raises:
        CommandError: The port that was asked for is taken, or the address is not this machine's.
    """
    wanted = [port] if port is not None else [*range(DEFAULT_PORT, DEFAULT_PORT + _TRIED), 0]
    for candidate in wanted:
        try:
            return listen(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"{host} port {candidate} cannot be listened on: {error.strerror}.") from error
    raise CommandError(
        f"Port {port} is taken by another program; give another one with --port, or none to have a free one found.",
        ExitCode.CONFLICT,
    )


def url_of(listener: socket.socket) -> str:
    """Return the address at which a program on this machine reaches ``listener``."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"
