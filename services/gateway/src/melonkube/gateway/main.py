"""Runs the gateway as a process."""

import ipaddress
import sys

from melonkube.gateway.app import create_app
from melonkube.gateway.protocol import bounded_protocol
from melonkube.gateway.settings import GatewaySettings, Settings
from melonkube.kit.server import open_socket, prepare, serve


class Exposed(RuntimeError):
    """The gateway would be open to a network without saying who may come in."""


def check_exposure(address: str, settings: GatewaySettings) -> None:
    """Let the gateway listen on ``address`` (an IP address) if people from there are asked who they are.

    Raises:
        Exposed: It is reachable beyond this machine, and the owner's key or the names are missing.
    """
    if ipaddress.ip_address(address).is_loopback:
        return
    missing = [
        name
        for name, given in (
            ("MELON_GATEWAY__OWNER_KEY (at least 16 characters)", settings.owner_key),
            ("MELON_GATEWAY__HOSTS (the names people will use, such as melon.example:8080)", settings.hosts),
        )
        if not given
    ]
    if missing:
        raise Exposed(
            f"The gateway would listen on {address}, beyond this machine, for anyone to use. "
            f"Set {' and '.join(missing)}, or listen on 127.0.0.1."
        )


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    prepare("gateway", settings)
    listener = open_socket(settings)
    try:
        check_exposure(listener.getsockname()[0], settings.gateway)
    except Exposed as error:
        sys.exit(str(error))
    app = create_app(settings)
    own = settings.gateway
    serve(
        app,
        "gateway",
        settings,
        before_stop=app.state.forwarder.end_streams,
        listener=listener,
        http=bounded_protocol(own.head_bytes, own.head_seconds),
    )
