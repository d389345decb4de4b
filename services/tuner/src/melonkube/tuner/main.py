"""Starts the tuner: ``python -m melonkube.tuner``."""

from melonkube.kit.server import prepare, serve
from melonkube.tuner.app import SERVICE, Tuner, create_app
from melonkube.tuner.settings import Settings


def main() -> None:
    """Run the tuner until it is told to end."""
    settings = Settings()
    prepare(SERVICE, settings)
    app = create_app(settings)
    tuner: Tuner = app.state.tuner
    serve(app, SERVICE, settings, before_stop=tuner.before_stop)
