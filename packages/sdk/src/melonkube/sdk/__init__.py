"""Python client and the ``melon`` command line.

    from melonkube.sdk import Client

    with Client() as melon:
        dataset = melon.datasets.upload("customers.csv")
        experiment = melon.experiments.create(dataset, target="churned")
        experiment = melon.experiments.wait(experiment.id)
        melon.endpoints.put("churn", experiment_id=experiment.id)
        melon.endpoints.wait_ready("churn")
        answer = melon.endpoints.predict("churn", [{"age": 41, "plan": "basic"}])

Names are imported when they are first used, so that ``melon --help`` need not wait for an HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from melonkube.sdk._exceptions import (
        ApiError,
        BodyTooLarge,
        ChecksumMismatch,
        Conflict,
        ConnectionFailed,
        DatasetFailed,
        EndpointFailed,
        Forbidden,
        Gone,
        InvalidInput,
        InvalidRequest,
        MelonError,
        NotFound,
        ServerError,
        TooManyRequests,
        Unauthenticated,
        Unavailable,
        UnexpectedAnswer,
        UnsupportedMediaType,
        WaitTimeout,
    )
    from melonkube.sdk._paging import Pages
    from melonkube.sdk._retry import RetryPolicy
    from melonkube.sdk._version import __version__
    from melonkube.sdk.client import Client
    from melonkube.sdk.tracking import ActiveRun

__all__ = [
    "ActiveRun",
    "ApiError",
    "BodyTooLarge",
    "ChecksumMismatch",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DatasetFailed",
    "EndpointFailed",
    "Forbidden",
    "Gone",
    "InvalidInput",
    "InvalidRequest",
    "MelonError",
    "NotFound",
    "Pages",
    "RetryPolicy",
    "ServerError",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedMediaType",
    "WaitTimeout",
    "__version__",
]

_ELSEWHERE = {
    "ActiveRun": "tracking",
    "Client": "client",
    "Pages": "_paging",
    "RetryPolicy": "_retry",
    "__version__": "_version",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, '_exceptions')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
