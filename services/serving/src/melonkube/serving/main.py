"""Runs serving as a process."""

from melonkube.kit.server import prepare, serve
from melonkube.serving.app import SERVICE, create_app
from melonkube.serving.predict.protocol import make_protocol
from melonkube.serving.settings import Settings


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    prepare(SERVICE, settings)
    app = create_app(settings)
    serve(app, SERVICE, settings, http=make_protocol(app.state.fast))
