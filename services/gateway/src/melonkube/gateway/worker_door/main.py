"""Runs the door as a process."""

from melonkube.gateway.protocol import bounded_protocol
from melonkube.gateway.worker_door.app import create_app
from melonkube.gateway.worker_door.settings import Settings
from melonkube.kit.server import open_socket, prepare, serve


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    prepare("worker-door", settings)
    bounds = settings.worker_door
    serve(
        create_app(settings),
        "worker-door",
        settings,
        listener=open_socket(settings),
        http=bounded_protocol(bounds.head_bytes, bounds.head_seconds),
    )
