"""Settings of serving: ``MELON_PREDICT__*``, ``MELON_BUNDLES__*``, ``MELON_CONVERGE__*`` beside every service's own."""

from pydantic import BaseModel, Field

from melonkube.kit.settings import ServiceSettings


class PredictSettings(BaseModel):
    """What one predict call may ask for."""

    max_body_bytes: int = Field(default=16 << 20, ge=1)
    """Largest body taken."""
    max_rows: int = Field(default=10_000, ge=1)
    """Most instances a call."""
    inline_seconds: float = Field(default=0.002, ge=0)
    """A call that is expected to compute longer than this does so off the event loop."""
    batch_threads: int = Field(default=1, ge=1)
    """Threads that compute large calls."""
    max_waiting: int = Field(default=64, ge=1)
    """Large calls that may wait or compute at once; further ones are told to come back."""


class BundleSettings(BaseModel):
    """Model bundles kept on disk, so that serving restarts without the registry."""

    cache_bytes: int = Field(default=2 << 30, ge=0)
    """How much disk bundles may take that no endpoint uses now; the longest unused leave first."""
    max_bytes: int = Field(default=1 << 30, ge=1)
    """Largest bundle that is loaded."""


class ConvergeSettings(BaseModel):
    """How endpoints are brought to what was asked for."""

    resync_seconds: float = Field(default=5.0, gt=0)
    """How often the desired state is read again: how another replica's PUT is noticed."""
    retry_seconds: float = Field(default=0.5, gt=0)
    """First wait after an outage; doubled each time."""
    max_retry_seconds: float = Field(default=15.0, gt=0)
    """Longest wait after an outage."""
    poll_seconds: float = Field(default=20.0, gt=0, le=25)
    """How long one poll for moved aliases waits at the registry."""
    restore_seconds: float = Field(default=20.0, ge=0)
    """How long a start may take to load what answered before, ahead of the first request."""
    wait_seconds: float = Field(default=5.0, ge=0)
    """How long a predict call may wait for the endpoint's first model to be loaded."""
    loads: int = Field(default=2, ge=1)
    """Models loaded at once."""


class Settings(ServiceSettings):
    """All settings of serving."""

    predict: PredictSettings = PredictSettings()
    bundles: BundleSettings = BundleSettings()
    converge: ConvergeSettings = ConvergeSettings()
