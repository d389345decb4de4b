"""A bundle as it is read: the manifest against its digest, every file against the manifest. Pure but for reading."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from melonkube.contracts.base import JsonObject
from melonkube.contracts.models import (
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    BundleManifest,
    GoldenRows,
)
from melonkube.contracts.signature import Signature

MAX_JSON_BYTES = 64 << 20
"""Largest manifest, signature, golden rows or input example that is read."""

_COMMON = frozenset({SIGNATURE_NAME, GOLDEN_NAME, INPUT_EXAMPLE_NAME})
_BLOCK = 1 << 20

T = TypeVar("T", bound=BaseModel)


class BadBundle(Exception):
    """A bundle that is not what it says it is, or cannot be served. Fetching it again does not help."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk."""

    digest: str
    folder: Path
    manifest: BundleManifest
    signature: Signature
    golden: GoldenRows
    input_example: JsonObject


def parse_manifest(data: bytes, digest: str) -> BundleManifest:
    """Return the manifest in ``data``, whose SHA-256 must be ``digest``.

    Raises:
        BadBundle: It is another's, or not a manifest.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise BadBundle(f"the manifest's SHA-256 is {found} and not {digest}")
    return _parse(BundleManifest, data, MANIFEST_NAME)


def check_files(manifest: BundleManifest, runtime_files: frozenset[str], max_bytes: int) -> None:
    """Make sure that the bundle has the files of its format and no others, and is not too large.

    Raises:
        BadBundle: Otherwise.
    """
    due = _COMMON | runtime_files
    names = frozenset(manifest.files)
    if missing := sorted(due - names):
        raise BadBundle(f"the bundle lacks {', '.join(missing)}")
    if surplus := sorted(names - due):
        shown = ", ".join(name[:80] for name in surplus[:5])
        raise BadBundle(f"the bundle holds {shown}, which a {manifest.flavor} bundle does not have")
    if any(entry.size_bytes < 0 for entry in manifest.files.values()):
        raise BadBundle("the manifest gives a file a negative size")
    if any(manifest.files[name].size_bytes > MAX_JSON_BYTES for name in _COMMON):
        raise BadBundle(f"a JSON file of the bundle is larger than {MAX_JSON_BYTES} bytes")
    size = sum(entry.size_bytes for entry in manifest.files.values())
    if size > max_bytes:
        raise BadBundle(f"the bundle has {size} bytes; at most {max_bytes} are loaded")


def read_bundle(folder: Path, digest: str, files_of: Callable[[str], frozenset[str]], max_bytes: int) -> Bundle:
    """Return the bundle in ``folder`` after checking every byte of it.

    Args:
        folder: Where it is.
        digest: SHA-256 of its manifest.
        files_of: Returns the files that a flavor's runtime reads.
        max_bytes: Most that is loaded.

    Raises:
        BadBundle: It is not the bundle of ``digest``, or damaged.
        OSError: It cannot be read.
    """
    manifest = parse_manifest((folder / MANIFEST_NAME).read_bytes(), digest)
    check_files(manifest, files_of(manifest.flavor), max_bytes)
    for name, entry in manifest.files.items():
        path = folder / name
        if path.stat().st_size != entry.size_bytes or file_sha256(path) != entry.sha256:
            raise BadBundle(f"{name} is not the file that the manifest names")
    return Bundle(
        digest=digest,
        folder=folder,
        manifest=manifest,
        signature=_parse(Signature, (folder / SIGNATURE_NAME).read_bytes(), SIGNATURE_NAME),
        golden=_parse(GoldenRows, (folder / GOLDEN_NAME).read_bytes(), GOLDEN_NAME),
        input_example=_object((folder / INPUT_EXAMPLE_NAME).read_bytes(), INPUT_EXAMPLE_NAME),
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _parse(kind: type[T], data: bytes, name: str) -> T:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise BadBundle(f"{name} cannot be read: {place or 'it'}: {first['msg']}") from error


def _object(data: bytes, name: str) -> JsonObject:
    try:
        return TypeAdapter(JsonObject).validate_json(data)
    except ValidationError as error:
        raise BadBundle(f"{name} is not a JSON object") from error
