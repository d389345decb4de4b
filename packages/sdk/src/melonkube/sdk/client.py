"""The client: one object, a group of calls for each kind of thing."""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import httpx

from melonkube.contracts.base import Scalar
from melonkube.sdk._exceptions import InvalidInput
from melonkube.sdk._retry import RetryPolicy
from melonkube.sdk._transport import DEFAULT_TIMEOUT, Clock, Transport
from melonkube.sdk.datasets import Datasets, Samples
from melonkube.sdk.discovery import find_url
from melonkube.sdk.endpoints import Endpoints
from melonkube.sdk.experiments import Experiments
from melonkube.sdk.models import Models
from melonkube.sdk.runs import Runs
from melonkube.sdk.system import SystemCalls
from melonkube.sdk.tracking import ActiveRun


class Client:
    """Everything a MelonKube server does, from Python. Thread-safe; close it, or use it as a context manager.

    Args:
        url: Address of the server; by default ``MELON_URL``, else the suite that runs on this machine, else
            ``http://127.0.0.1:8080``.
        api_key: Sent as bearer; by default ``MELON_API_KEY``. A function is asked before each call.
        timeout: Seconds a single attempt may wait for the server, or httpx's own kind of timeout.
        retry: When and how often a call that is safe to repeat is repeated.
        headers: Sent with every call.
        transport: For tests: where calls go instead of the network.
        clock: For tests: waits and measures in place of the module ``time``.

    Raises:
        InvalidInput: The address or the key cannot be right.
    """

    datasets: Datasets
    """Tables: upload, preview, profile, download."""
    samples: Samples
    """Data sets that come with the installation."""
    experiments: Experiments
    """Searches: create, follow, steer."""
    runs: Runs
    """Parameters, metrics, logs and artifacts of a training."""
    models: Models
    """Models, versions, aliases."""
    endpoints: Endpoints
    """Deploy and predict."""
    system: SystemCalls
    """What runs, and whether it answers."""

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | Callable[[], str | None] | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = time,
    ) -> None:
        key = os.environ.get("MELON_API_KEY") if api_key is None else api_key
        if isinstance(key, str):
            key = key.strip()
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise InvalidInput("The API key holds characters that no key has; check MELON_API_KEY.")
        if timeout is None:
            timeout = DEFAULT_TIMEOUT
        elif not isinstance(timeout, httpx.Timeout):
            timeout = httpx.Timeout(timeout, connect=min(timeout, 5.0), pool=None)
        self._transport = Transport(
            find_url(url),
            api_key=key,
            timeout=timeout,
            retry=retry,
            headers=headers,
            transport=transport,
            clock=clock,
        )
        self.datasets = Datasets(self._transport)
        self.samples = Samples(self._transport)
        self.experiments = Experiments(self._transport)
        self.runs = Runs(self._transport)
        self.models = Models(self._transport)
        self.endpoints = Endpoints(self._transport)
        self.system = SystemCalls(self._transport)

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._transport.url

    def start_run(
        self,
        name: str | None = None,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        dataset_id: str | None = None,
    ) -> ActiveRun:
        """Begin a run of your own and record into it; see ``Runs.start_run``."""
        return self.runs.start_run(name, params=params, tags=tags, dataset_id=dataset_id)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"
