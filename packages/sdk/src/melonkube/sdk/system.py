"""The system as a whole."""

from melonkube.contracts.system import System
from melonkube.sdk._base import Resource


class SystemCalls(Resource):
    """What runs, and whether it answers."""

    def get(self) -> System:
        """Return the version, the services and whether each is ready."""
        return self._get(System, "/api/v1/system")
