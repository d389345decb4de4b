"""Runs the gateway as a process."""

import sys

from melonkube.gateway.app import create_app
from melonkube.gateway.door.exposure import Exposed, check_exposure
from melonkube.gateway.protocol import bounded_protocol
from melonkube.gateway.settings import Settings
from melonkube.kit.server import open_socket, prepare, serve


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
