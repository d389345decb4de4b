"""The calls that workers make, each by its method and its whole path. Pure.

The tuner's ``/worker/v1`` is for workers alone and passes as a whole; of the registry's API a few calls do.
"""

import re

from melonkube.contracts.ids import UUID_PATTERN
from melonkube.gateway.forward.domain import Route

_ID = UUID_PATTERN.removeprefix("^").removesuffix("$")
_RUN = rf"/api/v1/runs/{_ID}"
_FILE_LABEL = "/api/v1/runs/{run_id}/artifacts/{path}"

_CALLS = tuple(
    (method, re.compile(pattern), service, label)
    for method, pattern, service, label in (
        ("GET", r"/worker/v1(?:/[0-9a-z_-]+)+", "tuner", "/worker/v1"),
        ("POST", r"/worker/v1(?:/[0-9a-z_-]+)+", "tuner", "/worker/v1"),
        ("GET", rf"/api/v1/datasets/{_ID}/parquet", "registry", "/api/v1/datasets/{dataset_id}/parquet"),
        ("POST", r"/api/v1/runs", "registry", "/api/v1/runs"),
        ("POST", rf"{_RUN}/metrics", "registry", "/api/v1/runs/{run_id}/metrics"),
        ("POST", rf"{_RUN}/logs", "registry", "/api/v1/runs/{run_id}/logs"),
        ("POST", rf"{_RUN}/finish", "registry", "/api/v1/runs/{run_id}/finish"),
        ("POST", rf"{_RUN}/artifacts", "registry", "/api/v1/runs/{run_id}/artifacts"),
        ("GET", rf"{_RUN}/artifacts/[^\x00-\x1f\x7f]+", "registry", _FILE_LABEL),
        ("PUT", rf"{_RUN}/artifacts/[^\x00-\x1f\x7f]+", "registry", _FILE_LABEL),
    )
)


def find_worker_route(method: str, path: str, call_bytes: int, file_bytes: int) -> Route | None:
    """Return where a worker's call goes, None if workers make no such call.

    Args:
        method: HTTP method.
        path: The path, percent-decoded. One with dot segments, which one side might resolve and the other not, or
            with empty ones goes nowhere.
        call_bytes: How long a body may be.
        file_bytes: How long it may be where it is a file.
    """
    segments = path.split("/")[1:]
    if not path.startswith("/") or not {"", ".", ".."}.isdisjoint(segments):
        return None
    for known, pattern, service, label in _CALLS:
        if method == known and pattern.fullmatch(path):
            # A worker repeats what it may repeat by itself: it knows whether its lease still holds.
            return Route(service, label, method == "GET", file_bytes if method == "PUT" else call_bytes)
    return None
