"""Starts the registry as a process."""

from melonkube.kit.server import prepare, serve
from melonkube.registry.app import create_app
from melonkube.registry.settings import Settings


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    prepare("registry", settings)
    serve(create_app(settings), "registry", settings)
