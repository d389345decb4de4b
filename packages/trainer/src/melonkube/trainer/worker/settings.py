"""A worker's environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE_BYTES = 10 << 30


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told when it is started.

    Attributes:
        worker_id: ``MELON_WORKER_ID``: its name to the tuner.
        token: ``MELON_WORKER_TOKEN``: good for its experiment alone, at tuner and registry.
        tuner_url: ``MELON_TUNER_URL``.
        registry_url: ``MELON_REGISTRY_URL``.
        cache_dir: ``MELON_CACHE_DIR``: data sets by their hash, shared by workers.
        cache_bytes: ``MELON_CACHE_BYTES``: how much of it to keep; 10 GiB by default.
        trials: ``MELON_WORKER_TRIALS``: after so many trials the worker ends; None (``auto``): when it is told to.
        silence_seconds: ``MELON_WORKER_SILENCE_SECONDS``: the tuner may be away for so long before the worker ends;
            None: for ever.
        request_id: ``MELON_REQUEST_ID``: of the request that began the experiment; sent with every call.
        log_level: ``MELON_LOGS__LEVEL``.
    """

    worker_id: str
    token: str
    tuner_url: str
    registry_url: str
    cache_dir: Path
    cache_bytes: int = CACHE_BYTES
    trials: int | None = None
    silence_seconds: float | None = None
    request_id: str | None = None
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "WorkerSettings":
        """Return the settings in ``environment``.

        Raises:
            ValueError: One is missing or not what it should be; the message names it.
        """

        def needed(name: str) -> str:
            value = environment.get(name)
            if not value:
                raise ValueError(f"{name} is not set; a worker is started by the tuner's executor")
            return value

        trials = environment.get("MELON_WORKER_TRIALS", "auto")
        if trials != "auto" and not (trials.isdecimal() and int(trials) > 0):
            raise ValueError(f"MELON_WORKER_TRIALS is {trials!r} and must be auto or a number from 1")
        cache_bytes = environment.get("MELON_CACHE_BYTES", str(CACHE_BYTES))
        if not cache_bytes.isdecimal():
            raise ValueError(f"MELON_CACHE_BYTES is {cache_bytes!r} and must be a number of bytes")
        silence = environment.get("MELON_WORKER_SILENCE_SECONDS") or None
        if silence is not None and not silence.isdecimal():
            raise ValueError(f"MELON_WORKER_SILENCE_SECONDS is {silence!r} and must be a number of seconds")
        return cls(
            worker_id=needed("MELON_WORKER_ID"),
            token=needed("MELON_WORKER_TOKEN"),
            tuner_url=needed("MELON_TUNER_URL").rstrip("/"),
            registry_url=needed("MELON_REGISTRY_URL").rstrip("/"),
            cache_dir=Path(needed("MELON_CACHE_DIR")),
            cache_bytes=int(cache_bytes),
            trials=None if trials == "auto" else int(trials),
            silence_seconds=None if silence is None else float(silence),
            request_id=environment.get("MELON_REQUEST_ID") or None,
            log_level=environment.get("MELON_LOGS__LEVEL", "INFO").upper(),
        )
