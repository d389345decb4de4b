"""Starts the registry as a process."""

from melonkube.kit.server import prepare, serve
from melonkube.registry.app import create_app
from melonkube.registry.dependencies import RegistryParts
from melonkube.registry.settings import Settings


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    prepare("registry", settings)
    app = create_app(settings)
    parts: RegistryParts = app.state.parts

    async def before_stop() -> None:
        parts.changes.close()

    serve(app, "registry", settings, before_stop=before_stop)
