"""The system as a whole: which services there are and whether they answer."""

from melonkube.contracts.base import Answer, Instant


class ServiceStatus(Answer):
    """A service as the gateway sees it; ``detail`` says why it is not ready."""

    name: str
    ready: bool
    detail: str | None = None


class System(Answer):
    """The answer of ``/api/v1/system``.

    ``workers`` is how many trials may run at once, null while the tuner does not say. ``data_dir`` is null where
    the data is not in a folder of one machine.
    """

    version: str
    services: list[ServiceStatus]
    workers: int | None = None
    started_at: Instant
    data_dir: str | None = None
