"""Pure rules of runs: what a path may be, what is never taken, which point of a series is its last."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.runs import MetricPoint
from melonkube.kit.errors import InvalidRequest

PATH_CHARACTERS = 512

_UNSAFE_SUFFIXES = frozenset(
    {".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt", ".marshal", ".pyc", ".mar"}
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]|[}\])]q\x00")
_PICKLE_AS_TEXT = re.compile(rb"(c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|\(i[A-Za-z_][\w.]*\n|\((dp|lp)\d+\n|ccopy_reg\n)")
_CONTENT_TYPE = re.compile(r"^[\w.+-]+/[\w.+-]+(; ?[\w.+=\"-]+)*$", re.ASCII)


_CONTENT_TYPES = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}
"""The same on every machine, unlike the standard library's, which reads the system's files."""


class UnsafeArtifact(InvalidRequest):
    """A file that would run code when it is loaded."""

    code = ErrorCode.UNSAFE_ARTIFACT


def check_path(path: str) -> str:
    """Return ``path`` if it can name an artifact.

    Raises:
        InvalidRequest: It is absolute, leads upwards, or holds what a path must not.
    """
    parts = path.split("/")
    bad = (
        not path
        or len(path) > PATH_CHARACTERS
        or "\\" in path
        or any(part in ("", ".", "..") or part != part.strip() for part in parts)
        or not path.isprintable()
    )
    if bad:
        raise InvalidRequest(
            "The artifact's path must be relative, such as 'model/model.txt', of printable characters, "
            f"without '..' and of at most {PATH_CHARACTERS} characters."
        )
    return path


def checksum_mismatch(arrived: str) -> InvalidRequest:
    """Return the error for bytes that are not those announced; ``arrived`` is their SHA-256."""
    return InvalidRequest(
        f"The bytes that arrived have the SHA-256 {arrived}, not the one announced; send them again.",
        code=ErrorCode.CHECKSUM_MISMATCH,
    )


def refuse_unsafe(path: str, head: bytes) -> None:
    """Check that a file is not one whose loading runs code.

    Args:
        path: The artifact's path.
        head: Its first bytes.

    Raises:
        UnsafeArtifact: Its name or its beginning is that of a pickle, in whatever wrapping.
    """
    named = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    zipped = head.startswith(b"PK\x03\x04") and (b"data.pkl" in head or b".pkl" in head)
    if _UNSAFE_SUFFIXES.intersection(named) or _PICKLE.match(head) or _PICKLE_AS_TEXT.match(head) or zipped:
        raise UnsafeArtifact(
            f"'{path}' is a pickle or the like: loading it runs code, so it is not kept. "
            "Save the model in its library's own format (for LightGBM: save_model), or the data as JSON or Parquet."
        )


def content_type_of(path: str, declared: str | None) -> str:
    """Return the type to serve an artifact with: the declared one if it is sane, else by the path's ending."""
    if declared and len(declared) <= 255 and _CONTENT_TYPE.match(declared):
        return declared
    return _CONTENT_TYPES.get(PurePosixPath(path).suffix.lower(), "application/octet-stream")


def last_points(latest: dict[str, Any], points: Iterable[MetricPoint]) -> dict[str, Any]:
    """Return ``latest`` (series to ``[step, value]``) brought up to date with new points."""
    updated = dict(latest)
    for point in points:
        known = updated.get(point.name)
        if known is None or point.step >= known[0]:
            updated[point.name] = [point.step, point.value]
    return updated


def unique_points(points: Iterable[MetricPoint]) -> list[MetricPoint]:
    """Return the points, of several with the same name and step the last."""
    return list({(point.name, point.step): point for point in points}.values())
