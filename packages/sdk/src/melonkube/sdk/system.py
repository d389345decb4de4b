"""The system as a whole."""

from melonkube.contracts.experiments import ExecutorInfo
from melonkube.contracts.system import System
from melonkube.sdk._base import Resource


class SystemCalls(Resource):
    """What runs, and whether it answers."""

    def get(self) -> System:
        """Return the version, the services and whether each is ready."""
        return self._get(System, "/api/v1/system")

    def executor(self) -> ExecutorInfo:
        """Return where workers run, how many there may be and are; on a cluster, its nodes and what they have left."""
        return self._get(ExecutorInfo, "/api/v1/executor")
